"""Optimisers and schedules of the user's: part of a trial's key, trained with, and refused in one line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.plan.study import adhoc
from longlag.run.engines.local import LocalEngine
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status

pytestmark = pytest.mark.usefixtures("nothing_drawn")

OPTIMIZER = """
from dataclasses import dataclass
from typing import ClassVar
from longlag.optimisers.base import Optimiser, option

@dataclass(frozen=True)
class Mine(Optimiser):
    reference: ClassVar[str] = "a test"
    memory: ClassVar[tuple[str, ...]] = ("mean",)
    decay: float = option(0.9, "of the mean", low=0, high=1)

    def direction(self, update, state):
        return state["mean"].mul_(self.decay).add_(update.gradients).sign()
"""
SCHEDULE = """
from dataclasses import dataclass
from typing import ClassVar
from longlag.schedules.base import Schedule

@dataclass(frozen=True)
class Its(Schedule):
    reference: ClassVar[str] = "a test"

    def factor(self, update, budget):
        return 1 / update
"""
SMALL = {"task": "copy:items=1,symbols=2,blanks=1", "updates": 4, "eval_every": 2, "hidden_size": 5, "batch_size": 3}


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "mine.py").write_text(OPTIMIZER)
    (tmp_path / "its.py").write_text(SCHEDULE)
    return [str(tmp_path / "mine.py"), str(tmp_path / "its.py")]


def trial_of(**given):
    return adhoc(cell="rnn", seeds=1, **SMALL, **given).trials()[0]


def test_both_are_part_of_a_trials_key(files: list[str]) -> None:
    registry.use(files)
    trial = trial_of(optimizer="mine:decay=0.5", schedule="its")
    assert (trial.optimizer, trial.schedule) == ("mine:decay=0.5", "its")
    assert trial.plugins == ",".join(sorted(made.label for made in registry.used()))
    Path(files[0]).write_text(OPTIMIZER + "# edited\n")
    registry.use(files)
    assert trial_of(optimizer="mine:decay=0.5", schedule="its").key != trial.key
    assert trial_of(optimizer="adam").plugins == ""


def test_a_worker_trains_with_both_and_what_one_raises_is_a_row_of_its_own_trial(files, tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(OPTIMIZER.replace("return state", 'raise ValueError("no"); return state'))
    registry.use([*files, tmp_path / "wild.py"])
    settings = [("mine", "its"), ("mine", "constant"), ("wild", "constant")]
    trials = [trial_of(optimizer=optimizer, schedule=schedule) for optimizer, schedule in settings]
    found = {one.trial: one for one in LocalEngine(1, 60).run([[trial] for trial in trials]) if one is not None}
    both, one, wild = (found[trial] for trial in trials)
    assert (both.status, one.status) == (Status.UNSOLVED, Status.UNSOLVED)
    assert sorted(both.environment["plugins"].split(", ")) == sorted(files)
    assert both.measurements[-1] != one.measurements[-1], "the schedule acts"
    assert (wild.status, wild.reason) == (Status.FAILED, "ValueError: no (line 13 of wild.py)")


@pytest.mark.parametrize(("text", "message"), [
    (OPTIMIZER.replace('("mean",)', '("mean")'), r"memory must be a tuple of names, not 'mean'; write \('mean',\)"),
    (OPTIMIZER.replace("def direction", "def directed"), "class Mine lacks direction"),
    (OPTIMIZER.replace('    reference: ClassVar[str] = "a test"\n', ""), "class Mine lacks reference"),
    (SCHEDULE.replace("def factor", "def factors"), "class Its lacks factor"),
    (OPTIMIZER + SCHEDULE, "defines 2 classes"),
])  # fmt: skip
def test_a_bad_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UsageError, match=message):
        registry.use([tmp_path / "bad.py"])


def test_a_shipped_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adam.py").write_text(OPTIMIZER)
    with pytest.raises(UsageError, match="an optimizer called 'adam' is shipped; rename the file"):
        registry.use([tmp_path / "adam.py"])


def test_a_mistyped_name_gets_a_near_one_and_nothing_is_written(tmp_path: Path) -> None:
    command = ["run", "--task", "adding:length=5", "--cell", "rnn", "--results", str(tmp_path / "results")]
    for option, said in (("--optimizer=adamm", "did you mean adam?"), ("--schedule=cosin", "did you mean cosine?")):
        found = CliRunner().invoke(main, [*command, option])
        assert found.exit_code == 2
        assert said in found.stderr
    assert not (tmp_path / "results").exists()

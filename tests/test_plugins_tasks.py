"""Tasks of the user's that go wrong: refused in one line where they are read, a failed row where they are run."""

import re
from importlib.resources import files
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.plan.study import adhoc
from longlag.run.engines.cohort import seen_later
from longlag.run.run import RunOptions, run
from longlag.store.results import load
from longlag.values.trial import Status

pytestmark = pytest.mark.usefixtures("nothing_drawn")

SKELETON = (files("longlag.registry.skeletons") / "task.py").read_text()
DIAL = 'dial: ClassVar[str] = "blanks"'
DRAW = "symbols = generator"


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.fixture
def mine(tmp_path):
    def written(old, new):
        assert old in SKELETON
        path = tmp_path / "mine.py"
        path.write_text(SKELETON.replace(old, new))
        return str(path)

    return written


@pytest.mark.parametrize("said", ["None", "'words'", "'words:12'", "3"])
def test_data_is_a_name_and_a_digest(said, mine):
    path = mine("    def draw(", f"    @property\n    def data(self):\n        return {said}\n\n    def draw(")
    told = refused("plan", "--task", "mine", "--cell", "rnn", "--plugin", path)
    assert f"data must be what data_label returns, a name and a digest, not {said}" in told


def test_data_of_its_own_is_in_the_key_and_makes_files_elsewhere_known(mine, tmp_path):
    words = tmp_path.parent / f"{tmp_path.name}.txt"
    told = f"    @property\n    def data(self):\n        return data_label('w', Path({str(words)!r}).read_bytes())\n\n"
    path = mine("    def draw(", f"{told}    def draw(")
    text = Path(path).read_text().replace("import Batch,", "import data_label, Batch,")
    Path(path).write_text(f"from pathlib import Path\n{text}")
    keys = set()
    for word in ("one", "two"):
        words.write_text(word)
        registry.use([path])
        (trial,) = adhoc("mine", task="mine", cell="rnn", seeds=1).trials()
        assert registry.seen_later(registry.used()[0]).outside == (str(words),)
        assert "unhashed" not in seen_later([trial], {})
        keys.add(trial.key)
    assert len(keys) == 2


def refused(*args):
    result = CliRunner().invoke(main, list(args))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    return result.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (DIAL, 'dial: ClassVar[str] = "blank"', "dial = 'blank' names no option; did you mean blanks?"),
        (DIAL, 'dial: ClassVar[str] = "length"', "dial = 'length' names no option; options: kinds, blanks"),
        (", high=100_000)", ")", "dial = 'blanks' must name an option with both limits, low and high"),
        ("blanks: int = option(10,", 'blanks: str = option("ten",', "must name a whole number or a range, not 'ten'"),
    ],
)
def test_a_dial_that_cannot_be_turned_is_refused_wherever_the_task_is_named(old, new, said, mine):
    path = mine(old, new)
    for command in (["check-task"], ["show-task", "mine"], ["horizon", "--task", "mine", "--cell", "rnn"]):
        assert said in refused(*command, "--plugin", path)


def test_a_task_without_a_dial_is_told_how_it_would_get_one(mine):
    path = mine(DIAL, 'dial: ClassVar[str] = ""')
    said = (
        "task mine has no dial for the distance: its class may name the option that sets it in `dial: ClassVar[str] ="
    )
    assert said in refused("horizon", "--task", "mine", "--cell", "rnn", "--plugin", path)
    assert said in refused("run", "--task", "mine", "--cell", "rnn", "--test-lags", "9", "--plugin", path)


@pytest.mark.parametrize(
    ("fault", "said"), [("raise SystemExit(0)", "SystemExit: 0"), ("1 / 0", "ZeroDivisionError: division by zero")]
)
def test_examples_that_cannot_be_drawn_are_one_line(fault, said, mine):
    path = mine(DRAW, f"{fault}; {DRAW}")
    assert refused("show-task", "mine", "--plugin", path) == f"longlag: plugin {path}: {said} (line 71 of mine.py)\n"


def test_code_that_ends_the_program_elsewhere_is_one_line(mine):
    path = mine("return 0.01", "raise SystemExit(0)")  # asked for by whatever looks for a distance
    assert "SystemExit: 0" in refused("horizon", "--task", "mine", "--cell", "rnn", "--plugin", path)


def test_a_task_that_nobody_can_solve_is_refused(mine, tmp_path):
    path = mine("return 0.0 if window", "return 0.25 if window")
    said = refused("plan", "--task", "mine", "--cell", "rnn", "--plugin", path, "--results", str(tmp_path))
    assert "task mine can never be solved: its best error given the whole sequence, 0.25, is not below 0.01" in said


def test_a_task_that_calls_an_answer_better_than_perfect_fails_with_that_reason(mine, tmp_path):
    errors = "def errors(self, outputs, batch):\n        return super().errors(outputs, batch) - 2\n\n    "
    registry.use([mine("def draw(", f"{errors}def draw(")])
    study = adhoc("mine", task="mine", cell="rnn", seeds=1, updates=4, eval_every=2, hidden_size=5, batch_size=3)
    assert run(study, tmp_path, RunOptions(1, 60), Mock()) == {Status.FAILED: 1}
    (reason,) = load("mine", tmp_path)["reason"]
    assert re.search(r"task mine returned an error of -1\.\d+; an error is 0 or more", reason)


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(0)", "import os; os._exit(0)"])
def test_a_task_that_cannot_draw_is_planned_and_fails_in_its_rows(fault, mine, tmp_path):
    registry.use([mine(DRAW, f"{fault}; {DRAW}")])
    study = adhoc("mine", task="mine", cell="rnn", seeds=1, updates=4, eval_every=2, hidden_size=5, batch_size=3)
    ended = run(study, tmp_path, RunOptions(1, 60), Mock())
    assert ended == {Status.FAILED: 1}

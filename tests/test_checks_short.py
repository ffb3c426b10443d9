"""The short check: a plugin that breaks its contract is refused before a study first trains with it."""

import csv
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from longlag import registry
from longlag.checks.order import order_of_answers
from longlag.checks.short import refuse_broken, used_by
from longlag.cli import main
from longlag.cli.training import CHECKED, check_plugins
from longlag.plan.study import adhoc
from longlag.store.store import Store, store_path
from longlag.tasks.base import Batch
from longlag.tasks.support.errors import UsageError

pytestmark = pytest.mark.usefixtures("nothing_drawn")

MODULE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        {init}
        self.rnn = nn.GRU(input_size, hidden_size)

    def forward(self, inputs, state):
        {forward}
        return self.rnn(inputs, state)
"""
KEPT = """
        out, last = self.rnn(inputs, getattr(self, "last", None))
        self.last = last.detach()
        return out, last
"""
CLIP = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from longlag.clips.base import Clip, threshold

@dataclass(frozen=True)
class Mine(Clip):
    summary: ClassVar[str] = "does nothing"
    reference: ClassVar[str] = "none"
    max_norm: float = threshold("of no consequence")

    def apply(self, gradients, norms, context):
        pass

    def holds(self, raw, taken, raw_norms, taken_norms, context):
        return (raw_norms - taken_norms).abs() <= 1e-6 * raw_norms
"""
TASK = (files("longlag.registry.skeletons") / "task.py").read_text()
LAST = "targets[-1] = as_tokens(symbols)"
ASKED = """at = generator.integers(len(inputs) - 2, len(inputs), size=batch_size)
        inputs[-1] = self.kinds
        inputs[at, range(batch_size)] = self.kinds + 1
        mask[-1] = False
        mask[at, range(batch_size)] = True
        targets = {targets}
"""
RUN = ["run", "--task=copy:items=1,symbols=2,blanks=1", "--updates=4", "--eval-every=2", "--hidden-size=5"]
RUN += ["--batch-size=3", "--seeds=1", "--workers=1", "--name=mine"]


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.fixture
def plugin(tmp_path: Path):
    def used(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text)
        registry.use([path])
        return path

    return used


def module(init: str = "pass", forward: str = "pass") -> str:
    return MODULE.format(init=init, forward=forward)


def task(targets: str) -> str:
    return TASK.replace(LAST, ASKED.format(targets=targets))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("cell", module(forward="inputs, state = inputs.flip(0), None"), "'causality': the output of step 0 changes"),
        ("cell", module(init="torch.manual_seed(42)"), "'determinism': every seed gives the same initial weights"),
        ("cell", module(forward=KEPT), "'determinism': the same inputs give other outputs the second"),
        ("cell", module(forward="torch.rand(1)"), "'global state': draws from the global random state of torch"),
        (
            "cell",
            module().replace("hidden_size)\n\n", "hidden_size, batch_first=True)\n\n"),
            "'batch': sequence 2 chan",
        ),
        ("cell", module(forward="return inputs, state"), "'determinism': raises ValueError: outputs must be"),
        (
            "cell",
            module(forward="if self.training: return *self.rnn(inputs, state), inputs.sum()"),
            r"'training': raises TypeError: Mine.forward must return \(outputs, state\) .* not a tuple of 3",
        ),
        (
            "cell",
            module(forward="return self.rnn(inputs, state)[0].detach(), None"),
            "'learns': outputs have no gradient",
        ),
        (
            "cell",
            module(forward="return self.rnn(inputs, state)[0] / 0, None"),
            "'determinism': outputs are not finite",
        ),
        ("clip", CLIP, "'inert': does nothing to gradients of norms from 1e-12 to 1e12"),
        ("task", task("as_tokens(symbols)"), r"'order': of \d+ sequences in batches .* have other answers there"),
    ],
)
def test_what_is_broken_is_refused_with_the_command_that_checks_it_all(kind, text, said, plugin) -> None:
    path = plugin(text)
    (made,) = registry.used()
    with pytest.raises(UsageError, match=said) as refused:
        refuse_broken(made, "mine:1" if kind == "clip" else "mine")
    assert f"; longlag check-{kind} mine --plugin {path} checks all rules, --unchecked" in str(refused.value)


@pytest.mark.parametrize("kind", ["task", "cell", "clip", "optimizer", "schedule"])
def test_what_longlag_new_writes_passes(kind, plugin) -> None:
    plugin((files("longlag.registry.skeletons") / f"{kind}.py").read_text())
    (made,) = registry.used()
    refuse_broken(made, "mine:1" if kind == "clip" else "mine")


def test_each_label_is_checked_once_in_a_study(plugin, tmp_path, monkeypatch) -> None:
    plugin(module())
    asked = []
    monkeypatch.setattr("longlag.checks.short.refuse_broken", lambda made, spec: asked.append(made.label))
    study = adhoc("mine", task="copy", cell=("mine", "rnn"), seeds=2)
    check_plugins(study, tmp_path)
    check_plugins(study, tmp_path)
    assert (tmp_path / "mine" / CHECKED).read_text().split() == asked == list(used_by(study.trials()))
    plugin(module() + "# edited\n")
    edited = adhoc("mine", task="copy", cell="mine", seeds=1)
    check_plugins(edited, tmp_path)
    assert len(set(asked)) == 2
    assert sorted(asked) == (tmp_path / "mine" / CHECKED).read_text().split()


def test_a_run_refuses_and_unchecked_rows_say_so(plugin, tmp_path) -> None:
    path = plugin(module(init="torch.manual_seed(42)"))
    command = [*RUN, "--cell", "mine", "--plugin", str(path), "--results", str(tmp_path / "results")]
    refused = CliRunner().invoke(main, command)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "results").exists()
    trained = CliRunner().invoke(main, [*command, "--unchecked"])
    assert trained.exit_code == 0
    assert "Unchecked: 1 of 1 trials were made with plugins whose contract was not checked" in trained.stdout
    (rows,) = csv.DictReader(CliRunner().invoke(main, ["export", "mine", *command[-2:]]).stdout.splitlines())
    assert (rows["unchecked"], rows["unhashed"]) == ("true", "")
    with Store.open_for_reading(store_path("mine", tmp_path / "results")) as store:
        (row,) = store.trials()
    assert row["environment"]["unchecked"] is True


# The order of answers


def test_dense_targets_are_taken_where_the_mask_is() -> None:
    mask = torch.tensor([[False, True], [True, False], [True, True]])
    batch = Batch(torch.zeros(3, 2), torch.arange(6).reshape(3, 2), mask)
    assert batch.targets.tolist() == [1, 2, 4, 5]
    assert batch.map(lambda part: part).targets.tolist() == [1, 2, 4, 5]
    numbers = Batch(torch.zeros(3, 2), torch.arange(12.0).reshape(3, 2, 2), mask)
    assert numbers.targets.tolist() == [[2, 3], [4, 5], [8, 9], [10, 11]]
    flat = Batch(torch.zeros(3, 2), torch.arange(4), mask)
    assert flat.targets.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "targets",
    ["torch.zeros_like(inputs) + as_tokens(symbols)", "as_tokens(symbols[np.argsort(at, kind='stable')])"],
)
def test_answers_in_the_right_order_are_found_to_be(targets, plugin) -> None:
    plugin(task(targets))
    assert "have the answers that they have alone" in order_of_answers(registry.task("mine"))


def test_answers_of_sequences_that_never_come_again_cannot_be_told() -> None:
    assert order_of_answers(registry.task("adding")) == "cannot be checked: hardly any sequence is drawn twice"

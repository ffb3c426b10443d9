"""The checks: everything shipped passes, and each rule is seen to fail on something that breaks it."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from checking import broken, broken_by
from click.testing import CliRunner

from longlag import registry
from longlag.checks.clips import check_clip
from longlag.checks.finding import findings
from longlag.checks.leaks import hunt
from longlag.checks.tasks import check_task
from longlag.cli import main

pytestmark = pytest.mark.usefixtures("nothing_drawn")


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


# What is shipped

NEEDED = {"digits": "sklearn"}  # libraries that are optional
TASK_NAMES = [name for name in registry.shipped("task") if name not in NEEDED or find_spec(NEEDED[name])]


@pytest.mark.parametrize("spec", [*registry.shipped("clip"), "norm:100", "value:0.01"])
def test_every_clip_keeps_the_contract(spec: str) -> None:
    assert broken(check_clip(spec)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", TASK_NAMES)
def test_no_leak_is_found_in_any_task(name: str) -> None:
    assert broken(check_task(name, timed=False)) == {}


@pytest.mark.parametrize("spec", ["copy:items=1,symbols=3,blanks=1", "adding:length=8"])
def test_no_leak_is_found_in_small_settings(spec: str) -> None:
    assert broken(check_task(spec)) == {}


def test_a_small_network_finds_what_there_is_to_be_found() -> None:
    task = registry.task("adding:length=8")
    half, whole = hunt(task, 4), hunt(task, 8, updates=600)
    assert half.error == pytest.approx(half.floor, abs=0.01)  # one of the two values
    assert whole.error < 0.5 * half.floor


# What is broken

CELL = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
import torch
from longlag.cells.base import Cell

@dataclass(frozen=True)
class Mine(Cell):
    reference: ClassVar[str] = "a test"
    gates: ClassVar[tuple] = ("hidden",)
    states: ClassVar[tuple] = ("h",)

    def recurrent_shapes(self, hidden_size):
        return {"recurrent_weight": (hidden_size, hidden_size)}

    def step(self, projected, state, weights):
        (h,) = state
        return (torch.tanh(projected + h @ weights["recurrent_weight"]),)
"""
STEP = 'return (torch.tanh(projected + h @ weights["recurrent_weight"]),)'
MODULE = """
import random
import numpy as np
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.RNN(input_size, hidden_size)
        self.calls = 0

    def forward(self, inputs, state):
        outputs, state = self.cell(inputs, state)
        return outputs, state
"""
RETURN = "return outputs, state"

CELLS = {
    "peeks at the future": (MODULE, RETURN, "return outputs + outputs.flip(0), state", "causality"),
    "draws torch's noise": (MODULE, RETURN, "return outputs + torch.randn_like(outputs), state", "global state"),
    "draws numpy's noise": (CELL, STEP, STEP + "[0] * float(np.random.rand()),", "global state"),
    "keeps a loss of its own": (MODULE, RETURN, "self.loss = outputs.square().mean(); " + RETURN, "shapes"),
    "draws python's noise": (MODULE, RETURN, "return outputs * random.random(), state", "global state"),
    "changes the default dtype": (CELL, STEP, "torch.set_default_dtype(torch.float64); " + STEP, "global state"),
    "takes more threads": (MODULE, RETURN, "torch.set_num_threads(2); " + RETURN, "global state"),
    "turns gradients off": (MODULE, RETURN, "torch.set_grad_enabled(False); " + RETURN, "global state"),
    "mixes the batch": (MODULE, RETURN, "return outputs - outputs.mean(1, keepdim=True), state", "batch"),
    "mixes the batch in a step": (CELL, "h @", "h.flip(0) @", "batch"),
    "returns another shape": (MODULE, RETURN, "return outputs[..., :-1], state", "shapes"),
    "returns too many units": (CELL, STEP, STEP.replace("projected", "torch.cat([projected, projected], 1)"), "shapes"),
    "returns NaN": (CELL, "torch.tanh", "float('nan') * torch.tanh", "shapes"),
    "counts what does nothing": (CELL, "return {", 'return {"idle_weight": (hidden_size, 7), ', "counts"),
    "states another state": (CELL, '("h",)', '("h", "c")', "shapes"),
    "remembers calls": (MODULE, RETURN, "self.calls += 1; return outputs * self.calls, state", "determinism"),
    "forgets everything": (CELL, "h @", "0 * h @", "gradient"),
    "cuts the gradient": (CELL, "h @", "h.detach() @", "derivatives"),
    "computes in float32": (MODULE, RETURN, "return outputs.float(), state", "float64"),
}


@pytest.mark.parametrize(("text", "old", "new", "rule"), CELLS.values(), ids=CELLS)
def test_a_broken_cell_is_seen(text: str, old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert rule in broken_by("cell", text, old, new, tmp_path)


def test_the_cells_that_are_broken_above_are_whole_without(tmp_path: Path) -> None:
    assert broken_by("cell", CELL, STEP, STEP, tmp_path) == {}
    assert broken_by("cell", MODULE, RETURN, RETURN, tmp_path) == {}


def test_a_future_peeking_cell_is_told_in_plain_words(tmp_path: Path) -> None:
    found = broken_by("cell", MODULE, RETURN, "return outputs + outputs.flip(0), state", tmp_path)
    assert found["causality"] == "the output of step 0 changes with inputs from step 1 on"


STEPS = {
    "a tensor alone": (STEP.replace("(torch", "torch").replace(",)", ""), "each a tensor, not a Tensor"),
    "a list": (STEP.replace("return (", "return [").replace(",)", "]"), "each a tensor, not a list"),
    "numbers": ("return (0.0,)", "each a tensor, not a tuple of float"),
    "too many states": (STEP.replace(",)", ", h)"), "of the shapes that it is given, (4, 6), not (4, 6), (4, 6)"),
    "another width": (STEP.replace(",)", "[:, :5],)"), "of the shapes that it is given, (4, 6), not (4, 5)"),
}


@pytest.mark.parametrize(("step", "said"), STEPS.values(), ids=STEPS)
def test_what_a_step_must_return_is_told_once(step: str, said: str, tmp_path: Path) -> None:
    found = broken_by("cell", CELL, STEP, step, tmp_path)
    assert list(found) == ["shapes"]
    assert "cell mine: step must return a tuple of its states (h), " + said in found["shapes"]


CLIP = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from longlag.clips.base import TOLERANCE, Clip

@dataclass(frozen=True)
class Mine(Clip):
    summary: ClassVar[str] = "a test"
    reference: ClassVar[str] = "a test"
    max_norm: float

    def apply(self, gradients, norms, context):
        gradients.mul_(torch.where(norms > self.max_norm, self.max_norm / norms, 1.0).unsqueeze(1))

    def holds(self, raw, taken, raw_norms, taken_norms, context):
        promised = raw_norms.clamp(max=self.max_norm)
        return (taken_norms - promised).abs() <= TOLERANCE * promised
"""
APPLY, HOLDS = "gradients.mul_(", "return (taken_norms - promised).abs() <= TOLERANCE * promised"
CLIPS = {
    "mixes rows": (APPLY, "norms = norms.square().sum().sqrt().expand_as(norms); " + APPLY, "rows"),
    "promises something else": ("promised = ", "promised = 0.5 * ", "promise"),
    "accepts everything": (HOLDS, "return torch.ones(len(raw), dtype=bool)", "watch"),
    "answers once for all": (HOLDS, "return True", "shape"),
    "answers with numbers": (HOLDS, "return taken_norms - promised", "shape"),
    "makes NaN": (APPLY, "gradients.div_(norms.unsqueeze(1) * 0); " + APPLY, "shape"),
    "returns a new tensor": (APPLY, "return gradients * (", "shape"),
    "fills the padding": (APPLY, "gradients.add_(1e-9); " + APPLY, "padding"),
    "spreads NaN": (APPLY, "gradients.add_(0 * gradients.sum()); " + APPLY, "not finite"),
    "draws noise": (APPLY, "gradients.mul_(1 + 1e-3 * torch.rand(1)); " + APPLY, "global state"),
    "shortens more than promised": (APPLY, "norms = norms * 2; " + APPLY, "run"),
}


@pytest.mark.parametrize(("old", "new", "rule"), CLIPS.values(), ids=CLIPS)
def test_a_broken_clip_is_seen(old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert rule in broken_by("clip", CLIP, old, new, tmp_path)


TASK = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
import torch
from longlag.tasks.base import Batch, ClassTask, as_tokens

@dataclass(frozen=True)
class Mine(ClassTask):
    reference: ClassVar[str] = "a test"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    reduction: ClassVar[str] = "mean"
    error_name: ClassVar[str] = "wrong"
    input_size: ClassVar[int] = 5
    output_size: ClassVar[int] = 3
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[dict] = {}
    length: ClassVar[int] = 6
    lag: ClassVar[int] = 5

    def floor(self, window):
        return 0.0 if window >= 6 else 2 / 3

    def loss(self, outputs, batch):
        return super().loss(outputs, batch)

    def draw(self, generator, batch_size, held_out=False):
        symbols = generator.integers(3, size=batch_size)
        inputs = np.full((6, batch_size), 3)
        inputs[0], inputs[5] = symbols, 4
        mask = torch.zeros(6, batch_size, dtype=torch.bool)
        mask[-1] = True
        return Batch(as_tokens(inputs), as_tokens(symbols), mask)

    def last_target(self, inputs, last):
        return inputs[0]
"""
LOSS = "return super().loss(outputs, batch)"
DRAW = "symbols = generator.integers(3, size=batch_size)"
TASKS = {
    "leaks the answer at the end": ("inputs[0], inputs[5] = symbols, 4", "inputs[0] = inputs[4] = symbols", "leaks"),
    "leaks part of it": ("symbols, 4", "symbols, 3 + (symbols == 0)", "leaks"),
    "is unbalanced": (DRAW, DRAW + " * generator.integers(2, size=batch_size)", "balance"),
    "draws from numpy's state": (DRAW, "symbols = np.random.randint(3, size=batch_size)", "global state"),
    "is never the same": (DRAW, "import os; symbols = np.frombuffer(os.urandom(batch_size), 'u1') % 3", "repeatable"),
    "is always the same": (DRAW, "symbols = np.arange(batch_size) % 3", "seeds"),
    "has floors that rise": ("2 / 3", "2 / 3 - 0.1 / (window + 1)", "floors"),
    "draws another shape": ("as_tokens(inputs)", "as_tokens(inputs).T", "shapes"),
    "draws classes out of range": ("generator.integers(3,", "generator.integers(4,", "range"),
    "draws no batch": ("return Batch(as_tokens(inputs), as_tokens(symbols), mask)", "return inputs, symbols", "shapes"),
    "asks at the first step": ("mask[-1] = True", "mask[0] = True", "lag"),
    "has a loss that is NaN": (LOSS, LOSS + " * float('nan')", "loss"),
    "ends before its floors do": ("window >= 6", "window >= 7", "floors"),
    "has no lag": ("lag: ClassVar[int] = 5", "lag: ClassVar[int] = 0", "lag"),
    "says that too little is enough": ("window >= 6", "window >= 5", "enough"),
    "tells another last target": ("return inputs[0]", "return inputs[1]", "last target"),
    "tells last targets of another type": ("return inputs[0]", "return inputs[0].float()", "last target"),
    "tells a last target a step": ("return inputs[0]", "return inputs", "last target"),
}


@pytest.mark.parametrize(("old", "new", "rule"), TASKS.values(), ids=TASKS)
def test_a_broken_task_is_seen(old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert rule in broken_by("task", TASK, old, new, tmp_path)


def test_what_is_broken_above_is_whole_without(tmp_path: Path) -> None:
    assert broken_by("clip", CLIP, APPLY, APPLY, tmp_path) == {}
    assert broken_by("task", TASK, DRAW, DRAW, tmp_path) == {}


# The commands


def test_a_broken_rule_gives_exit_code_1_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE.replace(RETURN, "return outputs / 0 + undefined, state"))
    result = CliRunner().invoke(main, ["check-cell", "--plugin", str(tmp_path / "mine.py")])
    assert result.exit_code == 1
    assert "FAILED  shapes: raises NameError: name 'undefined' is not defined (line 15 of " in result.stdout
    assert result.stdout.splitlines()[-1].startswith("cell mine: ")


def test_a_rule_that_hangs_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.checks.finding.RULE_SECONDS", 0.05)
    found = broken_by("cell", CELL, STEP, "\n        while True: pass", tmp_path)
    assert found["shapes"] == "it took longer than 0.05 s"


@pytest.mark.parametrize(
    ("kind", "text", "old", "new", "rule"),
    [
        ("cell", CELL, "torch.tanh", "float('nan') * torch.tanh", "shapes"),
        ("clip", CLIP, HOLDS, "return True", "shape"),
        ("task", TASK, "generator.integers(3,", "generator.integers(20,", "range"),
    ],
)
def test_rules_that_rest_on_a_broken_one_are_named_but_not_tried(kind, text, old, new, rule, tmp_path: Path) -> None:
    """Tokens beyond the vocabulary, for one, would be indices into nothing."""
    (tmp_path / "mine.py").write_text(text.replace(old, new))
    result = CliRunner().invoke(main, [f"check-{kind}", "--plugin", str(tmp_path / "mine.py")])
    failed, untried, last = result.stdout.splitlines()[-3:]
    assert failed.startswith(f"FAILED  {rule}: ")
    assert untried.startswith(f"not tried, since {rule} is broken: ")
    assert last.split(": ")[1].startswith("1 of ")
    assert last.endswith(f"rules is broken, {len(untried.split(', ')) - 1} not tried")
    assert result.exit_code == 1


def test_after_a_rule_that_hangs_no_other_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.checks.finding.RULE_SECONDS", 0.05)
    (tmp_path / "mine.py").write_text(CELL.replace(STEP, "\n        while True: pass"))
    result = CliRunner().invoke(main, ["check-cell", "--plugin", str(tmp_path / "mine.py")])
    said, untried, _ = result.stdout.splitlines()
    assert said == "FAILED  shapes: it took longer than 0.05 s"
    assert untried.startswith("not tried, since shapes took too long: global state, ")


def test_rules_that_stand_for_themselves_are_all_tried() -> None:
    def hang() -> str:
        while True:
            pass

    found = findings({"one": hang, "other": lambda: "well"}, seconds=0.05)
    assert [finding.ok for finding in found] == [False, True]


def test_noise_of_ones_own_is_not_taken_for_a_global_random_state(tmp_path: Path) -> None:
    fresh = "symbols = np.random.default_rng().integers(3, size=batch_size)"
    found = broken_by("task", TASK, DRAW, fresh, tmp_path)
    assert found["global state"] == "gives other numbers the second time, from the same global random state"
    assert list(found) == ["global state", "repeatable"]


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "import os; os._exit(0)"])
def test_code_that_ends_the_program_is_a_broken_rule(end: str, tmp_path: Path) -> None:
    found = broken_by("cell", CELL, STEP, end, tmp_path)
    assert found["shapes"].startswith("raises SystemExit: 0 (line 19 of ")


def test_rules_compute_on_one_thread() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        (found,) = findings({"threads": lambda: str(torch.get_num_threads())})
        assert (found.detail, torch.get_num_threads()) == ("1", 2)
    finally:
        torch.set_num_threads(threads)


def test_checks_need_a_name_or_a_file() -> None:
    result = CliRunner().invoke(main, ["check-task"])
    assert result.exit_code == 2
    assert result.stderr == "longlag: check-task needs a name, or --plugin with the file of one task\n"

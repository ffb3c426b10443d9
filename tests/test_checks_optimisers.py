"""The checks of optimisers and schedules: everything shipped passes, and each rule is seen to fail."""

from pathlib import Path

import pytest
from checking import CHECKS, broken, broken_by
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


@pytest.mark.parametrize("spec", [*registry.shipped("optimizer"), "sgd:momentum=0.9,nesterov=true"])
def test_every_optimiser_keeps_the_contract(spec: str) -> None:
    assert broken(CHECKS["optimizer"](spec)) == {}


@pytest.mark.parametrize("spec", [*registry.shipped("schedule"), "cosine:warmup=5", "step:every=2"])
def test_every_schedule_keeps_the_contract(spec: str) -> None:
    assert broken(CHECKS["schedule"](spec)) == {}


OPTIMIZER = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from longlag.optimisers.base import Optimiser, option

SEEN = []

@dataclass(frozen=True)
class Mine(Optimiser):
    reference: ClassVar[str] = "a test"
    memory: ClassVar[tuple[str, ...]] = ("mean",)

    def direction(self, update, state):
        g, mean = update.gradients, state["mean"]
        mean.mul_(0.9).add_(g * 0.1)
        return mean / update.each(lambda n: 1 - 0.9**n)
"""
MEAN, STEP_OF = "mean.mul_(0.9)", "return mean / update.each(lambda n: 1 - 0.9**n)"
OPTIMIZERS = {
    "changes the gradients": (MEAN, "g.mul_(0.5); " + MEAN, "shape"),
    "changes the parameters": (MEAN, "update.parameters.mul_(0.5); " + MEAN, "shape"),
    "returns one number a trial": (STEP_OF, "return mean.norm(dim=1)", "shape"),
    "returns nothing": (STEP_OF, "pass", "shape"),
    "remembers what it did not declare": (MEAN, "state['more'] = g; " + MEAN, "shape"),
    "divides by what may be zero": (STEP_OF, "return mean / g.abs()", "finite"),
    "looks at other rows": (STEP_OF, "return mean / (1 + g.square().sum().sqrt())", "company"),
    "counts for all alike": (STEP_OF, "return mean / (1 - 0.9 ** max(update.counts))", "counts"),
    "keeps what it saw": (STEP_OF, "SEEN[:] = [*SEEN[-1:], g]; return mean + SEEN[0].amax()", "dropped"),
    "fills the padding": (STEP_OF, "return mean + 1e-9", "padding"),
    "decays itself": (STEP_OF, "return mean + update.weight_decay * update.parameters", "decay"),
    "spreads NaN": (STEP_OF, "return mean + 0 * g.sum()", "not finite"),
    "draws noise": (STEP_OF, "return mean * (1 + 1e-3 * torch.rand(1))", "global state"),
    "goes up": (STEP_OF, "return -mean", "falls"),
}


@pytest.mark.parametrize(("old", "new", "rule"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_broken_optimiser_is_seen(old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert rule in broken_by("optimizer", OPTIMIZER, old, new, tmp_path)


SCHEDULE = """
from dataclasses import dataclass
from typing import ClassVar
import random
from longlag.schedules.base import Schedule

SEEN = []

@dataclass(frozen=True)
class Mine(Schedule):
    reference: ClassVar[str] = "a test"

    def factor(self, update, budget):
        return 1 - (update - 1) / budget
"""
FACTOR = "return 1 - (update - 1) / budget"
SCHEDULES = {
    "goes below zero": (FACTOR, "return 1 - 2 * update / budget", "numbers"),
    "divides by zero": (FACTOR, "return 1 / (budget - update)", "numbers"),
    "returns text": (FACTOR, "return '1'", "numbers"),
    "is always zero": (FACTOR, "return 0.0", "acts"),
    "remembers what was asked": (FACTOR, "SEEN.append(update); return 1 / len(SEEN)", "determinism"),
    "draws noise": (FACTOR, "return random.random()", "global state"),
}


@pytest.mark.parametrize(("old", "new", "rule"), SCHEDULES.values(), ids=SCHEDULES)
def test_a_broken_schedule_is_seen(old: str, new: str, rule: str, tmp_path: Path) -> None:
    assert rule in broken_by("schedule", SCHEDULE, old, new, tmp_path)


def test_what_is_broken_above_is_whole_without(tmp_path: Path) -> None:
    assert broken_by("optimizer", OPTIMIZER, MEAN, MEAN, tmp_path) == {}
    assert broken_by("schedule", SCHEDULE, FACTOR, FACTOR, tmp_path) == {}


@pytest.mark.parametrize(("kind", "text", "old", "new"), [
    ("optimizer", OPTIMIZER, STEP_OF, "pass"), ("schedule", SCHEDULE, FACTOR, "pass"),
])  # fmt: skip
def test_the_commands_say_what_is_broken_and_leave_the_rest(kind, text, old, new, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text.replace(old, new))
    result = CliRunner().invoke(main, [f"check-{kind}", "--plugin", str(tmp_path / "mine.py")])
    failed, untried, last = result.stdout.splitlines()
    assert result.exit_code == 1
    assert failed.startswith("FAILED  ")
    assert untried.startswith("not tried, since ")
    assert last.startswith(f"{kind} mine: 1 of ")

"""Invariants, which must hold exactly and do not depend on learning: checked in seconds, before any outcome.

A broken invariant is a regression by itself. Each rule is written from its definition and shares as little code as
possible with the code that it checks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
from torch import Tensor

from longlag import registry
from longlag.checks.finding import Finding, expect, findings
from longlag.checks.leaks import hunt
from longlag.process.state import arithmetic, replaced
from longlag.regression.judge.recomputed import (
    error_is_that_of_outputs,
    intervals_solve_their_equations,
    trained_error_is_that_of_its_outputs,
)
from longlag.scans import find
from longlag.tasks.base import Batch, Task
from longlag.training import evaluation
from longlag.training.cohort import Cohort
from longlag.values.trial import Trial

KERNEL_TOLERANCE = 1e-3
"""Largest difference of two gradients in float32, as a share of the largest entry."""
STEP_TOLERANCE = 1e-3
"""Largest relative difference of a step's norm, which is computed from parameters with seven digits."""
STATED: Mapping[str, Callable[[int, int], int]] = {
    "rnn": lambda inputs, units: units * (inputs + units + 1),
    "lstm": lambda inputs, units: 4 * units * (inputs + units + 1),
    "gru": lambda inputs, units: 3 * units * (inputs + units + 1) + units,
}
"""Parameters of a layer with the default equations, counted by hand."""
_OF_OTHER_SIZE = {"peepholes", "coupled", "forget_gate", "reset"}
"""Options of these cells that change the number of parameters."""
_RATE = 0.5
_SECONDS = 1800.0
"""The time limit of a rule: kernels may be compiled in it, and a busy machine must not break a rule."""
_WATCHED = 1000
"""The most updates whose batches are compared."""
_SHARES = (0.5, 0.1, 2.0)
"""Thresholds, as shares of the smallest gradient norm of the trials: two that act on all, one that does not."""


def check_invariants(trials: Sequence[Trial], counts: Sequence[tuple[int, int]] = ()) -> list[Finding]:
    """Check the invariants of the tasks and cells of some trials, and of the statistics of their entries.

    Args:
        trials: One trial of each entry is enough; seeds do not matter.
        counts: Solved seeds and all seeds of each entry.
    """
    networks = {(t.task, t.cell, t.hidden_size, t.layers, t.wiring.decoder): t for t in trials if t.device == "cpu"}
    rules: dict[str, Callable[[], str]] = {
        "clipping": clipping_acts,
        "evaluation of trained networks": trained_error_is_that_of_its_outputs,
        "intervals of solved shares": partial(intervals_solve_their_equations, counts),
    }
    for task, trial in {trial.task: trial for trial in trials}.items():
        rules[f"floor of {task}"] = partial(blind_stays_above, task)
        rules[f"sequences of {task}"] = partial(sequences_are_new, trial)
        rules[f"evaluation of {task}"] = partial(error_is_that_of_outputs, replace(trial, device="cpu"))
    for trial in networks.values():
        name = f"{trial.cell} on {trial.task}"
        rules[f"parameters of {name}"] = partial(parameters_as_stated, trial)
        rules[f"gradients of {name}"] = partial(kernel_as_readable, trial)
    with arithmetic():
        return list(findings(rules, seconds=_SECONDS))


def clipping_acts() -> str:
    """Verify from the parameters that a step of plain gradient descent is the clipped gradient, trial by trial.

    The trials of the cohort have gradients of different norms, so that clipping by a joint norm would be detected.

    Raises:
        BrokenRuleError: A step is not the clipped gradient.
    """
    trial = Trial("copy:items=1,symbols=4,blanks=2", "rnn", "none", _RATE, 0, optimizer="sgd", hidden_size=6)
    seeds = range(4)
    raw = _backward(trial, seeds).gradients.double()
    norms = raw.norm(dim=1).tolist()
    for share in _SHARES:
        limit = share * min(norms)
        cohort = _cohort(replace(trial, clip=f"norm:{limit!r}"), seeds)
        for norm, length in zip(norms, _step(cohort).norm(dim=1).tolist(), strict=True):
            promised = min(norm, limit)
            seen = f"with norm:{limit:.3g} a step takes a gradient of norm {length:.4g}"
            expect(abs(length - promised) <= STEP_TOLERANCE * promised, f"{seen}, not of {promised:.4g}")
    limit = float(raw.abs().max()) / 2
    taken = _step(_cohort(replace(trial, clip=f"value:{limit!r}"), seeds))
    gap = float((taken - raw.clamp(-limit, limit)).abs().max())
    expect(gap <= STEP_TOLERANCE * limit, f"with value:{limit:.3g} a step is off by {gap:.2g}")
    return "a step of plain descent is the clipped gradient of its own trial"


def blind_stays_above(spec: str) -> str:
    """Train a small network that sees too few steps; it must not beat the task's floor.

    Raises:
        BrokenRuleError: It beats the floor: the answer leaks.
    """
    task = registry.task(spec)
    hunted = hunt(task, task.min_lag // 2)
    seen = f"the last {hunted.window} steps alone give error {hunted.error:.3g}, the floor is {hunted.floor:.3g}"
    expect(not hunted.leaks, seen)
    return seen


def sequences_are_new(trial: Trial) -> str:
    """Verify that every update of every seed draws from its own place of a stream, and evaluations from other streams.

    Raises:
        BrokenRuleError: Two updates, or training and evaluation, draw from the same place, or evaluations do not draw
            as for evaluation (``held_out``).
    """
    cohort = _cohort(replace(trial, batch_size=2, device="cpu"), (0, 1))
    evaluation._draw_once.cache_clear()
    updates = min(trial.updates, _WATCHED)
    with _watched(cohort.task) as drawn:
        for cohort.update in range(1, updates + 1):
            cohort._batches()
        trained, held_out = {place for place, _ in drawn}, [kept for _, kept in drawn]
        expect(len(trained) == 2 * updates, f"{updates} updates of two seeds draw {len(trained)} different batches")
        expect(not any(held_out), "training draws sequences that are kept out of it")
        drawn.clear()
        evaluation.evaluate(cohort.network, cohort.task, cohort.parameters[0])
        evaluation.confirm(cohort.network, cohort.task, cohort.parameters[0], 1)
    streams = {key for key, _ in trained}
    expect(not any(key in streams for (key, _), _ in drawn), "evaluations draw from a stream of training")
    expect(all(kept for _, kept in drawn), "evaluations draw as training does")
    return f"{updates} updates of two seeds and the evaluations each draw from another place"


@contextmanager
def _watched(task: Task) -> Iterator[list[tuple[tuple[str, str], bool]]]:
    """Record for every draw of a task's class its place in a stream, and whether it is held out."""
    owner = next(kind for kind in type(task).__mro__ if "draw" in vars(kind))
    drawn: list[tuple[tuple[str, str], bool]] = []

    def watched(self: Task, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        state = generator.bit_generator.state["state"]
        drawn.append(((str(state["key"]), str(state["counter"])), held_out))
        batch: Batch = draw(self, generator, batch_size, held_out)
        return batch

    with replaced(owner, "draw", watched) as draw:
        yield drawn


def parameters_as_stated(trial: Trial) -> str:
    """Count the parameters of a network of one layer, and verify that a gradient reaches each of its tensors.

    Raises:
        BrokenRuleError: The number does not follow from the equations, or no gradient reaches a tensor.
    """
    if trial.layers > 1 or trial.direction != "forward" or trial.wiring.decodes:
        return "checked for one layer only"
    cohort = _backward(trial)
    network, cell = cohort.network, registry.cell(trial.cell)
    for slot in [slot for slot in network.layout.slots if slot.name not in network.frozen]:
        reached = bool((slot.view(cohort.gradients[0]) != 0).any())
        expect(reached, f"no gradient reaches {slot.name}, which is counted")
    inputs, units = cohort.task.input_size, trial.hidden_size
    by_name = None if _OF_OTHER_SIZE & set(cell.changed()) else STATED.get(cell.name())
    scans = network.scans(network.layout.views(cohort.parameters[0]))
    if not scans:
        return "a gradient reaches all parameters of the module, whose number is not documented"
    stated = by_name(inputs, units) if by_name else sum(own.count(inputs, units) for own, _ in scans)
    stated += (units + 1) * cohort.task.output_size
    if trial.initial_state == "learned":
        stated += sum(prod(shape) for own, _ in scans for shape in own.state_shapes(units).values())
    parameters = network.layout.num_parameters
    expect(parameters == stated, f"{parameters} parameters, documented are {stated}")
    return f"{stated} parameters, as documented"


def kernel_as_readable(trial: Trial) -> str:
    """Compare loss and gradient of training on the first batch with those of the readable path.

    Raises:
        BrokenRuleError: They differ by more than rounding.
    """
    cohort = _backward(trial)
    if cohort.network.path(trial.device, trial.dtype) != "fused":
        return "there is no kernel"
    with _without_kernels():
        wanted = _backward(trial)
    for what, taken, readable in (
        ("loss", cohort.losses[-1], wanted.losses[-1]),
        ("gradient", cohort.gradients, wanted.gradients),
    ):
        gap = float((taken - readable).abs().max() / readable.abs().max())
        expect(gap <= KERNEL_TOLERANCE, f"the kernel's {what} is off by {gap:.2g} of the readable path's largest")
    return f"the kernel's gradient equals the readable path's within {gap:.1g} of the largest entry"


def _cohort(trial: Trial, seeds: Sequence[int] = (0,)) -> Cohort:
    return Cohort([replace(trial, seed=seed) for seed in seeds], {})


def _backward(trial: Trial, seeds: Sequence[int] = (0,)) -> Cohort:
    """Return a cohort that has done the backward pass of its first update."""
    cohort = _cohort(trial, seeds)
    cohort.update = 1
    cohort._backward()
    return cohort


def _step(cohort: Cohort) -> Tensor:
    """Do one update and return the step of each trial divided by the rate, (S, P)."""
    before = cohort.parameters.double().clone()
    cohort.step()
    return (before - cohort.parameters.double()) / _RATE


@contextmanager
def _without_kernels() -> Iterator[None]:
    """Hide all kernels: cells run step by step and are differentiated by autograd."""
    before = vars(find)["find_spec"]
    vars(find)["find_spec"] = lambda name: None
    find.kernel_for.cache_clear()
    try:
        yield
    finally:
        vars(find)["find_spec"] = before
        find.kernel_for.cache_clear()

"""Numbers on which a verdict depends, computed again by other code: errors from outputs, intervals from equations.

A fault in an evaluation makes every network look better, or worse; a fault in an interval changes which differences
are found. Neither shows in any curve.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from longlag import registry
from longlag.checks.finding import expect
from longlag.networks.protocol import AnyNetwork
from longlag.stats import intervals
from longlag.tasks.base import ClassTask, Task
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial, TrialResult

SEQUENCES = {"evaluation": 1000, "confirmation": 10_000}
"""The numbers of sequences on which errors are measured, as documented."""
_STEPS = 2**17
"""The most time steps that are drawn from one place of a stream."""
ERROR_TOLERANCE = 1e-5
"""The relative tolerance of an error: errors are kept in float32 before they are averaged."""
INTERVAL_TOLERANCE = 1e-9
QUICK = Trial(
    "parity:steps=2",
    "rnn",
    "norm:1",
    0.03,
    0,
    updates=400,
    eval_every=20,
    hidden_size=8,
    batch_size=16,
)
"""A trial that solves its task within a second."""
SLOW = replace(QUICK, lr=1e-4)
"""A trial that does not solve it, so that its error is no trivial number."""


def trained_error_is_that_of_its_outputs() -> str:
    """Train two small networks, and compute their errors, losses and confirmed errors again from their outputs.

    Raises:
        BrokenRuleError: The numbers differ, or a network's status is not the one that follows from them.
    """
    kept: list[tuple[TrialResult, AnyNetwork, Tensor]] = []
    train([QUICK, SLOW], lambda result: None, keep=lambda *of: kept.append(of))
    task = registry.task(QUICK.task)
    ends = []
    for result, network, row in kept:
        error, loss = recomputed(network, task, row, "evaluation", 0)
        _expect_near("the error", result.error, error)
        _expect_near("the loss", result.measurements[-1].loss, loss)
        confirmed, _ = recomputed(network, task, row, "confirmation", 1)
        _expect_near("the confirmed error", evaluation.confirm(network, task, row, 1), confirmed)
        below = [point.error < task.solved_below for point in result.measurements[-2:]]
        solves = all(below) and confirmed < task.solved_below
        ended = f"{result.status}, with errors {[point.error for point in result.measurements[-2:]]} at the end"
        expect((result.status is Status.SOLVED) == solves, f"a network ends {ended} and {confirmed:.3g} confirmed")
        ends.append(f"{result.status} with {error:.3g}")
    expect(len(kept) == len({result.status for result, *_ in kept}) == 2, f"{' and '.join(ends)}: one should be solved")
    return f"{' and '.join(ends)}: errors of trained networks follow from their outputs"


def error_is_that_of_outputs(trial: Trial) -> str:
    """Compute the error of an untrained network's evaluation again from its outputs.

    Raises:
        BrokenRuleError: The errors differ.
    """
    cohort = Cohort([trial], {})
    row = cohort.parameters[0]
    wanted, _ = recomputed(cohort.network, cohort.task, row, "evaluation", 0)
    _expect_near("the error", evaluation.evaluate(cohort.network, cohort.task, row).error, wanted)
    return f"error {wanted:.3g} of an untrained network follows from its outputs"


def recomputed(network: AnyNetwork, task: Task, row: Tensor, name: str, index: int) -> tuple[float, float]:
    """Return the error and, for classes, the loss of a network on a stream, from its outputs (N, O) in float64.

    Args:
        network: The network.
        task: The network's task.
        row: (P,), the network's parameters.
        name: The name of the stream, a key of `SEQUENCES`.
        index: The index in the stream.
    """
    total, size = SEQUENCES[name], min(1000, max(1, _STEPS // task.length))
    errors: list[np.ndarray] = []
    losses: list[np.ndarray] = []
    for start in range(0, total, size):
        generator = stream(name, task.spec, task.version, start).generator(index)
        batch = task.draw(generator, min(size, total - start), held_out=True)
        batch = evaluation.to_device(batch, str(row.device), row.dtype)
        with torch.no_grad():
            outputs = network.outputs(network.layout.views(row), replace(batch, decoder_inputs=None))
        numbers = outputs.double().numpy(force=True)
        wrong = _wrong(task, numbers, batch.targets.numpy(force=True))
        if wrong is None:  # no classes: the task's own rule, averaged here
            wrong = task.errors(outputs, batch).double().numpy(force=True)
        else:
            chosen = np.take_along_axis(numbers, batch.targets.numpy(force=True)[:, None], axis=1)[:, 0]
            most = numbers.max(axis=1)
            losses.append(most + np.log(np.exp(numbers - most[:, None]).sum(axis=1)) - chosen)
        counts = slice(None) if batch.headline is None else batch.headline.numpy(force=True)
        errors.append(wrong[counts])
    loss = float(np.concatenate(losses).mean()) if losses else math.nan
    return float(np.concatenate(errors).mean()), loss


def _wrong(task: Task, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray | None:
    """Return 1 where the highest output is not the target, (N,), for tasks with this error; None for others."""
    plain = isinstance(task, ClassTask) and type(task).errors is ClassTask.errors
    return (outputs.argmax(axis=1) != targets).astype(float) if plain else None


def _expect_near(what: str, stated: float | None, wanted: float) -> None:
    near = stated is not None and abs(stated - wanted) <= ERROR_TOLERANCE * max(1.0, abs(wanted))
    expect(near, f"{what} of a network is {stated}, but its outputs give {wanted:.6g}")


def intervals_solve_their_equations(counts: Sequence[tuple[int, int]]) -> str:
    """Compute the intervals of solved shares again, from the equations that define their ends.

    Args:
        counts: Solved seeds and seeds of each entry.

    Raises:
        BrokenRuleError: An end differs.
    """
    for count, n in dict.fromkeys(counts):
        _expect_ends(f"exact interval of {count} of {n}", intervals.share_interval(count, n), _exact(count, n, 0.95))
        _expect_ends(f"score interval of {count} of {n}", intervals.score_interval(count / n, n, 0.9), _score(count, n))
    return f"intervals of {len(set(counts))} solved shares solve the equations that define them"


def _expect_ends(what: str, stated: tuple[float, float] | None, wanted: tuple[float, float]) -> None:
    ends = [] if stated is None else list(zip(stated, wanted, strict=True))
    near = bool(ends) and all(abs(one - other) <= INTERVAL_TOLERANCE for one, other in ends)
    expect(near, f"the {what} is {stated and tuple(stated)}, but its equation gives {wanted}")


def _exact(count: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the shares under which this many solved or more, or this many or fewer, have the tail's probability."""
    tail = (1 - confidence) / 2
    low = _root(lambda share: _at_least(count, n, share) - tail) if count else 0.0
    high = 1.0 - (_root(lambda share: _at_least(n - count, n, share) - tail) if count < n else 0.0)
    return low, high


def _at_least(count: int, n: int, share: float) -> float:
    return math.fsum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(count, n + 1))


def _score(count: int, n: int) -> tuple[float, float]:
    """Return the shares from which the observed one is 1.645 standard errors away, the ends of a 90 % interval."""
    seen, z = count / n, NormalDist().inv_cdf(0.95)
    low = _root(lambda share: share - seen + z * math.sqrt(share * (1 - share) / n), 0.0, seen) if count else 0.0
    high = _root(lambda share: share - seen - z * math.sqrt(share * (1 - share) / n), seen, 1.0) if count < n else 1.0
    return low, high


def _root(rising: Callable[[float], float], low: float = 0.0, high: float = 1.0) -> float:
    """Return the zero of a function that is negative at the lower end and not at the upper one."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high

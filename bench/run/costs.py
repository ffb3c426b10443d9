"""Estimates of a trial's cost in seconds and bytes, for plans and the order of work; no result depends on them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from longlag import registry
from longlag.networks.build import network_for, network_of
from longlag.networks.work import Sequences, Work
from longlag.plan.lags import at_lags, lags_in
from longlag.process.guards import time_limit
from longlag.training.evaluation import CONFIRMATION_SEQUENCES, EVALUATION_SEQUENCES
from longlag.values.trial import Trial
from longlag.values.wiring import Wiring

Answer = TypeVar("Answer")
_ASKED_SECONDS = 10.0

# Measured on one core of a server with AVX-512, roughly: seconds of one update or of one number's arithmetic.
_UPDATE = 350e-6
_PRODUCT = 1 / 80e9
_UNIT = 1e-9
_OUTPUT = 2.5e-9
_READABLE_STEP = 35e-6
_READABLE_UNIT = 6e-9
_SCAN = 550e-6
_BETWEEN = 1.5e-9
_BLOCK = 2e-3
_BY_TORCH = 1.3
_COHORT = 20e-3
"""Seconds of a cohort until its first update, and ..."""
_TOGETHER = 500e-6
"""... in each update, however many train together."""

_COPIES = 8
"""Matrices (S, P) in a cohort: parameters, gradients before and after clipping, the optimiser's state, the step."""
_KEPT = 2**25
"""The most numbers that one trial's scan keeps for the backward pass."""
_PROJECTED_KEPT = 5
"""Copies of the input projection of a chunk, where torch makes of it what is scanned."""
_BETWEEN_KEPT = 4
"""Copies of what goes up from layer to layer, where more lies between them than a plain stack has."""


def expected_seconds(trial: Trial) -> float:
    """Estimate the seconds that a trial takes on one core if it uses its whole budget."""
    network = trial.task, trial.cell, trial.hidden_size, trial.wiring
    return _seconds(*network, trial.batch_size) * trial.updates + (
        _evaluation_seconds(*network) * (2 + trial.updates / trial.eval_every)
        + _transfer_seconds(trial.test_lags, *network)
    )


def cohort_seconds(trials: Sequence[Trial]) -> float:
    """Estimate the seconds of trials that train together: the time of each, and that of the cohort itself."""
    return len(trials) * expected_seconds(trials[0]) + _COHORT + _TOGETHER * trials[0].updates


@dataclass(frozen=True)
class Pace:
    """The ratio of measured to estimated time on this machine.

    Attributes:
        times: The ratio.
        trials: The number of trials that it was measured on.
    """

    times: float
    trials: int


def pace_of(done: Iterable[tuple[Trial, int, float]]) -> Pace | None:
    """Return the pace of finished trials, each with its updates and seconds: the median, weighted by estimated cost.

    A median, since the first trials of a worker wait for compilers, and a busy machine delays some more than others.
    """
    costs = [(seconds, expected_seconds(replace(trial, updates=updates))) for trial, updates, seconds in done]
    ranked = sorted((seconds / cost, cost) for seconds, cost in costs)
    half, passed = sum(cost for _, cost in ranked) / 2, 0.0
    for times, cost in ranked:
        passed += cost
        if passed >= half:
            return Pace(times, len(ranked))
    return None


@registry.forgetful
@cache
def _seconds(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> float:
    """Estimate the seconds of one update."""
    overhead = sum(_overhead(work) for work in _work(task, cell, hidden_size, wiring, batch_size))
    return _UPDATE + overhead + 3 * _forward_seconds(task, cell, hidden_size, wiring, batch_size)


def _work(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> list[Work]:
    """Return the work of a network on the batches of a task, in counts."""
    made = registry.task(task)
    ends = _ends(task, batch_size) if wiring.decodes else 1
    sequences = Sequences(made.length, _scored_fraction(task), ends)
    return network_for(registry.cell(cell), made, hidden_size, wiring).work(sequences)


def _overhead(work: Work) -> float:
    """Estimate the part of an update's seconds that does not depend on the batch size."""
    readable = 0.0 if work.fused else _READABLE_STEP * work.steps * work.calls
    return readable + _SCAN * work.scans * work.pieces + _BLOCK * work.modules


@registry.forgetful
@cache
def _evaluation_seconds(task: str, cell: str, hidden_size: int, wiring: Wiring) -> float:
    """Estimate the seconds of one evaluation; the confirmation of trials that solve is spread over all trials."""
    sequences = EVALUATION_SEQUENCES + 0.03 * CONFIRMATION_SEQUENCES
    return _forward_seconds(task, cell, hidden_size, wiring, int(sequences))


@registry.forgetful
@cache
def _transfer_seconds(test_lags: str, task: str, cell: str, hidden_size: int, wiring: Wiring) -> float:
    """Estimate the seconds of a trial's tests at other distances."""
    specs = [turned.spec for turned in at_lags(registry.task(task), lags_in(test_lags))]
    return sum(_forward_seconds(spec, cell, hidden_size, wiring, EVALUATION_SEQUENCES) for spec in specs)


def _forward_seconds(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> float:
    return batch_size * sum(map(_part_seconds, _work(task, cell, hidden_size, wiring, batch_size)))


def _part_seconds(work: Work) -> float:
    """Estimate the seconds of one sequence's forward pass."""
    products = work.products * _PRODUCT * (_BY_TORCH if work.modules else 1)
    numbers = work.numbers * (_UNIT if work.fused else _READABLE_UNIT)
    return work.steps * (products + numbers + work.between * _BETWEEN + work.outputs * _OUTPUT)


@registry.forgetful
@cache
def _scored_fraction(task: str) -> float:
    """Return the share of time steps that are scored, in one drawn batch; 1 where none is drawn."""
    mask = _drawn_mask(task, 8)
    return 1.0 if mask is None else float(mask.double().mean())


@registry.forgetful
@cache
def _ends(task: str, batch_size: int) -> int:
    """Return at how many different steps an encoder stops reading, in one drawn batch; 1 where none is drawn."""
    mask = _drawn_mask(task, batch_size)
    return 1 if mask is None else len(set(mask.int().argmax(0).tolist()))


def _drawn_mask(task: str, batch_size: int) -> Any:
    """Draw one batch; return its mask (T, B), or None for a plugin, which draws in workers only: it may end them."""
    import numpy as np

    if registry.plugins_of([("task", task)]):
        return None
    return registry.task(task).draw(np.random.Generator(np.random.Philox(0)), batch_size).mask


def _asked(question: Callable[[], Answer], default: Answer) -> Answer:
    """Return an answer that a plugin may fail to give, or the default: its trials report the fault, not the plan."""
    try:
        with time_limit(_ASKED_SECONDS):
            return question()
    except (Exception, SystemExit):
        return default


def cohort_size(trial: Trial, memory: int, most: int) -> int:
    """Return how many trials like this may train together in ``memory`` bytes: 1 to ``most``.

    Trials compute one after the other, so that what a scan keeps is held once; each holds its matrices' rows.
    """
    row, scratch = _numbers(replace(trial, seed=0, lr=1.0, clip="none"))
    itemsize = 8 if trial.dtype == "float64" else 4
    return max(1, min(most, int((memory / itemsize - scratch) // (_COPIES * row))))


@registry.forgetful
@cache
def _numbers(trial: Trial) -> tuple[int, int]:
    of_network = trial.task, trial.cell, trial.hidden_size, trial.wiring
    kept = sum(_kept(work, trial.batch_size) for work in _work(*of_network, trial.batch_size))
    return _asked(lambda: network_of(trial).layout.row_size, 1), kept


def _kept(work: Work, batch_size: int) -> int:
    """Estimate how many numbers the forward pass keeps for the backward pass."""
    steps = math.ceil(work.steps) * batch_size
    scanned = min(steps * work.kept, _KEPT) * (1 + work.scans)
    projected = _PROJECTED_KEPT * min(steps * work.projected, _KEPT) * work.scans
    return scanned + projected + _BETWEEN_KEPT * steps * work.seen

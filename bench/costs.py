"""What a trial is expected to cost, in seconds and bytes: for plans and the order of work, never for a result."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

from bench import registry
from bench.assemble import network_of
from bench.evaluation import CONFIRMATION_SEQUENCES, EVALUATION_SEQUENCES
from bench.limits import time_limit
from bench.trial import Trial

Answer = TypeVar("Answer")
_ASKED_SECONDS = 10.0

# Measured on one core of a server, roughly: seconds of one update or of one number's arithmetic.
_UPDATE = 350e-6
_PRODUCT = 1 / 80e9
_UNIT = 1e-9
_OUTPUT = 2.5e-9
_READABLE_STEP = 35e-6

_COPIES = 8
"""Matrices (S, P) that a cohort holds: parameters, gradients before and after, the optimiser's, the step."""
_KEPT = 2**25
"""Numbers that one trial's scan keeps for the way back, at most."""


def expected_seconds(trial: Trial) -> float:
    """Estimate what a trial takes on one core if it uses its whole budget."""
    return _seconds(trial.task, trial.cell, trial.hidden_size, trial.layers, trial.batch_size) * trial.updates + (
        _evaluation_seconds(trial.task, trial.cell, trial.hidden_size, trial.layers)
        * (2 + trial.updates / trial.eval_every)
    )


@registry.forgetful
@cache
def _seconds(task: str, cell: str, hidden_size: int, layers: int, batch_size: int) -> float:
    """Estimate one update."""
    steps = registry.task(task).length
    overhead = 0.0 if _is_fused(cell) else _READABLE_STEP * steps * layers * len(registry.cell(cell).gates)
    return _UPDATE + overhead + 3 * _forward_seconds(task, cell, hidden_size, layers, batch_size)


@registry.forgetful
@cache
def _evaluation_seconds(task: str, cell: str, hidden_size: int, layers: int) -> float:
    """Estimate one evaluation; a trial that solves adds a confirmation, here spread over all trials."""
    sequences = EVALUATION_SEQUENCES + 0.03 * CONFIRMATION_SEQUENCES
    return _forward_seconds(task, cell, hidden_size, layers, int(sequences))


def _forward_seconds(task: str, cell: str, hidden_size: int, layers: int, batch_size: int) -> float:
    made, gates = registry.task(task), len(registry.cell(cell).gates)
    numbers = made.length * batch_size
    scan = hidden_size * gates * layers * (2 * hidden_size * _PRODUCT + _UNIT)
    return numbers * (scan + made.output_size * (2 * hidden_size * _PRODUCT + _OUTPUT) * _scored_fraction(task))


@registry.forgetful
@cache
def _scored_fraction(task: str) -> float:
    """Return the share of time steps that are scored, from one drawn batch; 1 where a plugin cannot draw one."""
    import numpy as np

    def share() -> float:
        mask = registry.task(task).draw(np.random.Generator(np.random.Philox(0)), 8).mask
        return float(mask.double().mean())

    return _asked(share, 1.0)


def _asked(question: Callable[[], Answer], default: Answer) -> Answer:
    """Ask what a plugin may be unable to say; what is wrong with it becomes the rows of its trials, not this plan's."""
    try:
        with time_limit(_ASKED_SECONDS):
            return question()
    except Exception:
        return default


def _is_fused(cell: str) -> bool:
    name = registry.cell(cell).name()
    return find_spec("numba") is not None and find_spec(f"bench.kernels.{name}") is not None


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
    made, equations = registry.task(trial.task), registry.cell(trial.cell)
    width = trial.hidden_size * (len(equations.gates) + len(equations.states))
    kept = min(made.length * trial.batch_size * width, _KEPT) * (1 + trial.layers)
    return _asked(lambda: network_of(trial).layout.row_size, 1), kept

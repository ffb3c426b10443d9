"""What a trial is expected to cost, in seconds and bytes: for plans and the order of work, never for a result."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TypeVar

from bench import registry, transfer
from bench.architectures.base import Architecture
from bench.assemble import network_for, network_of
from bench.evaluation import CONFIRMATION_SEQUENCES, EVALUATION_SEQUENCES
from bench.layers import Layers
from bench.limits import time_limit
from bench.trial import Trial
from bench.wiring import Wiring

Answer = TypeVar("Answer")
_ASKED_SECONDS = 10.0

# Measured on one core of a server, roughly: seconds of one update or of one number's arithmetic.
_UPDATE = 350e-6
_PRODUCT = 1 / 80e9
_UNIT = 1e-9
_OUTPUT = 2.5e-9
_READABLE_STEP = 35e-6
_SCAN = 200e-6
_BETWEEN = 5e-9
_BLOCK = 2e-3
_BY_TORCH = 1.3

_COPIES = 8
"""Matrices (S, P) that a cohort holds: parameters, gradients before and after, the optimiser's, the step."""
_KEPT = 2**25
"""Numbers that one trial's scan keeps for the way back, at most."""
_BETWEEN_KEPT = 4
"""Copies of what goes up from layer to layer, where more lies between them than a plain stack has."""


def expected_seconds(trial: Trial) -> float:
    """Estimate what a trial takes on one core if it uses its whole budget."""
    network = trial.task, trial.cell, trial.hidden_size, trial.wiring
    return _seconds(*network, trial.batch_size) * trial.updates + (
        _evaluation_seconds(*network) * (2 + trial.updates / trial.eval_every)
        + _transfer_seconds(trial.test_lags, *network)
    )


@registry.forgetful
@cache
def _seconds(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> float:
    """Estimate one update."""
    steps, scans = registry.task(task).length, wiring.layers * len(wiring.directions)
    if isinstance(registry.cell(cell), Architecture):
        overhead = _BLOCK * wiring.layers
    else:
        overhead = 0.0 if _is_fused(cell) else _READABLE_STEP * steps * scans * len(registry.cell(cell).gates)
        overhead += 0.0 if wiring.plain else _SCAN * scans
    return _UPDATE + overhead + 3 * _forward_seconds(task, cell, hidden_size, wiring, batch_size)


@registry.forgetful
@cache
def _evaluation_seconds(task: str, cell: str, hidden_size: int, wiring: Wiring) -> float:
    """Estimate one evaluation; a trial that solves adds a confirmation, here spread over all trials."""
    sequences = EVALUATION_SEQUENCES + 0.03 * CONFIRMATION_SEQUENCES
    return _forward_seconds(task, cell, hidden_size, wiring, int(sequences))


@registry.forgetful
@cache
def _transfer_seconds(test_lags: str, task: str, cell: str, hidden_size: int, wiring: Wiring) -> float:
    """Estimate the tests at other distances, once a trial."""
    specs = [turned.spec for turned in transfer.at_lags(registry.task(task), transfer.lags_in(test_lags))]
    return sum(_forward_seconds(spec, cell, hidden_size, wiring, EVALUATION_SEQUENCES) for spec in specs)


def _forward_seconds(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> float:
    made, equations = registry.task(task), registry.cell(cell)
    numbers = made.length * batch_size
    if isinstance(equations, Architecture):
        network = network_for(equations, made, hidden_size, wiring)
        products = 2 * network.layout.num_parameters + 2 * network.state_size
        return numbers * (products * _PRODUCT * _BY_TORCH + hidden_size * wiring.layers * _BETWEEN)
    layers = Layers(equations, made.input_size, hidden_size, wiring)
    gates = len(equations.gates)
    seen = sum(size for _, size in layers.scans[len(wiring.directions) :])  # the first layer's are often tokens
    products = 2 * hidden_size * gates * (seen + hidden_size * len(layers.scans))
    between = 0 if wiring.plain else _BETWEEN * layers.width * wiring.layers
    scan = products * _PRODUCT + hidden_size * gates * len(layers.scans) * _UNIT + between
    return numbers * (scan + made.output_size * (2 * layers.width * _PRODUCT + _OUTPUT) * _scored_fraction(task))


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
    made = registry.cell(cell)
    return made.standard and find_spec("numba") is not None and find_spec(f"bench.kernels.{made.name()}") is not None


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
    made, equations, wiring = registry.task(trial.task), registry.cell(trial.cell), trial.wiring
    layers = Layers(equations, made.input_size, trial.hidden_size, wiring)
    width = trial.hidden_size * (len(equations.gates) + len(equations.states))
    steps = made.length * trial.batch_size
    kept = min(steps * width, _KEPT) * (1 + len(layers.scans))
    if not wiring.plain:
        kept += _BETWEEN_KEPT * steps * sum(size for _, size in layers.scans)
    return _asked(lambda: network_of(trial).layout.row_size, 1), kept

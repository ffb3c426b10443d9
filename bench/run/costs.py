"""What a trial is expected to cost, in seconds and bytes: for plans and the order of work, never for a result."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from longlag import registry
from longlag.architectures.base import Architecture
from longlag.cells.base import Cell
from longlag.networks.build import network_for, network_of
from longlag.networks.layers import Layers
from longlag.plan.lags import at_lags, lags_in
from longlag.process.guards import time_limit
from longlag.scans.find import kernel_module
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

_COPIES = 8
"""Matrices (S, P) that a cohort holds: parameters, gradients before and after, the optimiser's, the step."""
_KEPT = 2**25
"""Numbers that one trial's scan keeps for the way back, at most."""
_PROJECTED_KEPT = 5
"""Copies of the input projection of a chunk, where torch makes of it what is scanned."""
_BETWEEN_KEPT = 4
"""Copies of what goes up from layer to layer, where more lies between them than a plain stack has."""


def expected_seconds(trial: Trial) -> float:
    """Estimate what a trial takes on one core if it uses its whole budget."""
    network = trial.task, trial.cell, trial.hidden_size, trial.wiring
    return _seconds(*network, trial.batch_size) * trial.updates + (
        _evaluation_seconds(*network) * (2 + trial.updates / trial.eval_every)
        + _transfer_seconds(trial.test_lags, *network)
    )


@dataclass(frozen=True)
class Pace:
    """How much longer trials take here than is expected.

    Attributes:
        times: As many times.
        trials: Trials that say so.
    """

    times: float
    trials: int


def pace_of(done: Iterable[tuple[Trial, int, float]]) -> Pace | None:
    """Return the pace of finished trials, each with its updates and seconds: the median, by what they are to cost.

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
    """Estimate one update."""
    overhead = sum(_overhead(part, wiring.plain) for part in _parts(task, cell, wiring, batch_size))
    return _UPDATE + overhead + 3 * _forward_seconds(task, cell, hidden_size, wiring, batch_size)


@dataclass(frozen=True)
class Part:
    """What runs over a part of each sequence: a whole network, or an encoder, or its decoder.

    Attributes:
        cell: Its spec.
        input_size: Numbers, or tokens, that it reads.
        wiring: Its layers.
        steps: Time steps.
        scored: Of these the share that is read out.
        pieces: Runs from one end of a sequence of the batch to the next, one after the other.
    """

    cell: str
    input_size: int
    wiring: Wiring
    steps: float
    scored: float
    pieces: int = 1


def _parts(task: str, cell: str, wiring: Wiring, batch_size: int) -> list[Part]:
    made, scored = registry.task(task), _scored_fraction(task)
    if not wiring.decodes:
        return [Part(cell, made.input_size, wiring, made.length, scored)]
    ends = _ends(task, batch_size)
    reading = Part(cell, made.input_size, wiring.encoder, made.length * (1 - scored), 0.0, ends)
    return [reading, Part(wiring.decoder_cell, made.output_size + 1, wiring.decoder, made.length * scored, 1.0)]


def _overhead(part: Part, plain: bool) -> float:
    """Estimate what an update takes whatever the batch's size."""
    scans, equations = part.wiring.layers * len(part.wiring.directions), registry.cell(part.cell)
    if isinstance(equations, Architecture):
        return _BLOCK * part.wiring.layers
    readable = 0.0 if _is_fused(part.cell) else _READABLE_STEP * part.steps * scans * len(equations.gates)
    return readable + (0.0 if plain else _SCAN * scans * part.pieces)


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
    specs = [turned.spec for turned in at_lags(registry.task(task), lags_in(test_lags))]
    return sum(_forward_seconds(spec, cell, hidden_size, wiring, EVALUATION_SEQUENCES) for spec in specs)


def _forward_seconds(task: str, cell: str, hidden_size: int, wiring: Wiring, batch_size: int) -> float:
    made, equations = registry.task(task), registry.cell(cell)
    if isinstance(equations, Architecture):
        network = network_for(equations, made, hidden_size, wiring)
        products = 2 * network.layout.num_parameters + 2 * network.state_size
        return made.length * batch_size * (products * _PRODUCT * _BY_TORCH + hidden_size * wiring.layers * _BETWEEN)
    parts = _parts(task, cell, wiring, batch_size)
    return batch_size * sum(_part_seconds(part, hidden_size, made.output_size, wiring.plain) for part in parts)


def _part_seconds(part: Part, hidden_size: int, output_size: int, plain: bool) -> float:
    """Estimate one sequence's way forward."""
    equations = registry.cell(part.cell)
    layers = Layers(equations, part.input_size, hidden_size, part.wiring)
    gates = len(equations.gates)
    seen = sum(size for _, size in layers.scans[len(part.wiring.directions) :])  # the first layer's are often tokens
    products = 2 * hidden_size * gates * (seen + hidden_size * len(layers.scans))
    between = 0 if plain else _BETWEEN * layers.width * part.wiring.layers
    numbers = (hidden_size * gates + _more_state(equations, hidden_size)) * len(layers.scans)
    scan = products * _PRODUCT + numbers * (_UNIT if _is_fused(part.cell) else _READABLE_UNIT) + between
    return part.steps * (scan + output_size * (2 * layers.width * _PRODUCT + _OUTPUT) * part.scored)


def _more_state(equations: Cell, hidden_size: int) -> int:
    """Return the numbers of a state beyond one a unit; a module's, which only running it tells, are left out."""
    return equations.state_count(hidden_size) - hidden_size * len(equations.states) if equations.steps else 0


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

    if registry.plugins_of(task, "rnn", "none"):
        return None
    return registry.task(task).draw(np.random.Generator(np.random.Philox(0)), batch_size).mask


def _asked(question: Callable[[], Answer], default: Answer) -> Answer:
    """Ask what a plugin may be unable to say; what is wrong with it becomes the rows of its trials, not this plan's."""
    try:
        with time_limit(_ASKED_SECONDS):
            return question()
    except (Exception, SystemExit):
        return default


def _is_fused(cell: str) -> bool:
    made = registry.cell(cell)
    return made.standard and kernel_module(made) is not None


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
    parts = _parts(trial.task, trial.cell, trial.wiring, trial.batch_size)
    kept = sum(_kept(part, trial.hidden_size, trial.batch_size, trial.wiring.plain) for part in parts)
    return _asked(lambda: network_of(trial).layout.row_size, 1), kept


def _kept(part: Part, hidden_size: int, batch_size: int, plain: bool) -> int:
    """Estimate the numbers that the way forward keeps for the way back."""
    equations = registry.cell(part.cell)
    layers = Layers(equations, part.input_size, hidden_size, part.wiring)
    more = _more_state(equations, hidden_size)
    width = hidden_size * (len(equations.gates) + len(equations.states)) + more
    steps = math.ceil(part.steps) * batch_size
    kept = min(steps * width, _KEPT) * (1 + len(layers.scans))
    if more:
        columns = sum(equations.gate_widths(hidden_size).values())
        kept += _PROJECTED_KEPT * min(steps * columns, _KEPT) * len(layers.scans)
    return kept if plain else kept + _BETWEEN_KEPT * steps * sum(size for _, size in layers.scans)

"""A training run as a value, and its result.

A trial holds the fields that decide its result and nothing else; its key is a hash of them. This module needs no heavy
library, so that plans and stores can handle trials without torch.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Any

from longlag.values.axes import Group, axes, axis
from longlag.values.frames import Frame
from longlag.values.rules import choice, chunk, lags, number, rate, seeds, share, spec, whole
from longlag.values.wiring import DIRECTIONS, INITIAL_STATES, MOST_LAYERS, NO_DECODER, NORMALISATIONS, SKIPS, Wiring

LARGEST_HIDDEN_SIZE = 16_384
MOST_UPDATES = 10_000_000
_setting, _network = partial(axis, Group.SETTING), partial(axis, Group.NETWORK)
_optimisation, _budget = partial(axis, Group.OPTIMISATION), partial(axis, Group.BUDGET)
_computation = partial(axis, Group.COMPUTATION, label="{}")


class Status(StrEnum):
    """The end of a trial: every trial has exactly one, and the first four are results."""

    SOLVED = "solved"
    UNSOLVED = "unsolved"
    EXPLODED = "exploded"
    DIVERGED = "diverged"
    FAILED = "failed"
    TIMEOUT = "timeout"

    @property
    def is_result(self) -> bool:
        """Whether the trial need not be trained again."""
        return self not in (Status.FAILED, Status.TIMEOUT)

    @property
    def has_network(self) -> bool:
        """Whether training left a network with finite numbers; a solved trial may have diverged later."""
        return self in (Status.SOLVED, Status.UNSOLVED, Status.EXPLODED)


class _Keyed:
    """A place for the key beside the fields: a trial takes 0.3 kB so, and 1.6 kB where it has a dictionary for it."""

    __slots__ = ("_key",)
    _key: str


@dataclass(frozen=True, slots=True)
class Trial(_Keyed):
    """Everything that decides one training run's result.

    Specs are in their shortest spelling (`longlag.plan.specs`), so that equal settings are equal values.
    ``truncate`` is the number of steps of a chunk of truncated backpropagation, 0 for whole sequences.
    ``task_version`` and ``cell_version`` are raised when the meaning of a task or cell changes. ``plugins`` are those
    that the specs name, each with a hash of its content (`registry.labels_of`), ``data`` is the name and a hash of the
    files that the task reads (`registry.data_of`). ``test_lags`` are other distances at which the trained network is
    tested, in time steps: ``50,100``. Without a decoder ``decoder_cell`` is ``none``, and its layers and version are 0.
    """

    task: str = _setting("Task", spec, spans=True, metavar="SPEC")
    cell: str = _setting("Cell", spec, spans=True, metavar="SPEC")
    clip: str = _setting("Clipping setting", spec, spans=True, metavar="SPEC", unset=("none",), in_cohort=True)
    lr: float = axis(Group.RATE, "Learning rate", rate, spans=True, unset=(), label="lr {}", in_cohort=True)
    seed: int = _setting("Seeds 0 to N-1", seeds, metavar="N", given_as="seeds", unset=(0, 1, 2), in_cohort=True)
    hidden_size: int = _network("Units of each layer", whole(1, LARGEST_HIDDEN_SIZE), default=32, label="{} units")
    layers: int = _network(
        "Layers, 1 to 32", whole(1, MOST_LAYERS), default=1, spans=True, label="{} layers", words={1: "1 layer"}
    )
    optimizer: str = _optimisation(
        "adam, adamw, lion, muon, rmsprop, sgd", spec, default="adam", spans=True, metavar="SPEC", label="{}"
    )
    skip: str = _network(
        "none, residual, dense, highway: between layers", choice(*SKIPS), default="none", spans=True, metavar="NAME"
    )
    direction: str = _network(
        "forward, bidirectional", choice(*DIRECTIONS), default="forward", spans=True, metavar="NAME"
    )
    normalisation: str = _network(
        "none, layer: between layers", choice(*NORMALISATIONS), default="none", spans=True, metavar="NAME"
    )
    dropout: float = _network("Between layers, 0 <= P < 1", share, default=0.0, spans=True, metavar="P")
    decoder_cell: str = _network("A decoder's cell, or none", spec, default=NO_DECODER, spans=True, metavar="SPEC")
    decoder_layers: int = _network(
        "1 to 32, with a decoder", whole(1, MOST_LAYERS), default=0, spans=True, unset=(),
        label="{} decoder layers", words={0: "", 1: "1 decoder layer"},
    )  # fmt: skip
    initial_state: str = _network(
        "zeros, learned: what each scan starts from", choice(*INITIAL_STATES), default="zeros", spans=True,
        metavar="NAME", words={"zeros": "from zeros", "learned": "initial state learned"},
    )  # fmt: skip
    truncate: int = _network(
        "Backpropagation in chunks of K steps, or none", chunk, default=0, spans=True, as_text=True, metavar="K",
        label="cut every {} steps", words={0: "sequences whole"},
    )  # fmt: skip
    batch_size: int = _budget("Sequences of a training batch", whole(1, 65_536), default=32, label="batch {}")
    updates: int = _budget(
        "Budget of optimiser steps", whole(1, MOST_UPDATES), default=1000, column="budget_updates", label="{} updates"
    )
    eval_every: int = _budget(
        "Updates between evaluations", whole(1, MOST_UPDATES), default=100, unset=None, label="evaluated every {}"
    )
    schedule: str = _optimisation(
        "Of the learning rate: constant, cosine:warmup=N", spec, default="constant", metavar="SPEC"
    )
    stop: str = _budget(
        "solved, never: whether a trial ends when it has solved", choice("solved", "never"), default="solved",
        metavar="WHEN", words={"solved": "until solved", "never": "to the end of the budget"},
    )  # fmt: skip
    weight_decay: float = _optimisation("Weight decay", number, default=0.0)
    weight_noise: float = _optimisation(
        "Standard deviation of noise on the weights in training", number, default=0.0, spans=True, metavar="SIGMA",
        label="weight noise {}",
    )  # fmt: skip
    dtype: str = _computation("float32 or float64", choice("float32", "float64"), default="float32", metavar="TYPE")
    device: str = _computation("cpu or cuda", choice("cpu", "cuda"), default="cpu", metavar="DEVICE")
    test_lags: str = axis(
        Group.TESTING, "Test the trained networks at these lags too, in time steps", lags, default="", unset=(),
        repeatable=True, metavar="N,N,...", label="tested at {}",
    )  # fmt: skip
    task_version: int = axis(Group.ORIGIN, default=1)
    cell_version: int = axis(Group.ORIGIN, default=1)
    decoder_cell_version: int = axis(Group.ORIGIN, default=0)
    plugins: str = axis(Group.ORIGIN, default="")
    data: str = axis(Group.ORIGIN, default="")

    def __post_init__(self) -> None:
        for name in _FLOATS:  # 1 and 1.0 are equal, but not in a key
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits from the content; fields at their default are left out."""
        try:
            return self._key
        except AttributeError:
            content = {name: value for name, axis in AXES.items() if (value := getattr(self, name)) != axis.default}
            key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
            object.__setattr__(self, "_key", key)
            return key

    @property
    def wiring(self) -> Wiring:
        """The way in which its layers are joined."""
        return Wiring(**{item.name: getattr(self, item.name) for item in fields(Wiring)})

    @property
    def specs(self) -> tuple[tuple[str, str], ...]:
        """The specs that may name a plugin, each with its kind."""
        decoder = (("cell", self.decoder_cell),) if self.wiring.decodes else ()
        named = ("task", "cell", "clip", "optimizer", "schedule")
        return *((kind, getattr(self, kind)) for kind in named), *decoder

    @property
    def cohort(self) -> tuple[Any, ...]:
        """The values that trials of a cohort share: all but seed, learning rate and clip."""
        return _common(self)


AXES = axes(Trial)
"""The declarations of a trial's fields, by name."""
_FLOATS = tuple(name for name, axis in AXES.items() if axis.kind is float)
_common = attrgetter(*(name for name, axis in AXES.items() if not axis.in_cohort))


@dataclass(frozen=True)
class Measurement:
    """The numbers of one evaluation; those of training are over the updates since the evaluation before.

    Attributes:
        update: Updates done.
        loss: Loss on the evaluation batch.
        error: Error on the evaluation batch.
        train_loss: Mean loss of the training batches; None at update 0.
        grad_norm_median: Median gradient norm before clipping; None at update 0.
        grad_norm_max: Largest finite gradient norm before clipping; None at update 0.
        clipped_fraction: Share of updates whose gradient the clip changed.
        clip_cosine: Mean cosine of the gradient after clipping to the one before; None where none has a direction.
        parameter_norm: Euclidean norm of all parameters.
        orthogonality_error: Largest entry of |B^T B - 1| for a cell that keeps a matrix B orthogonal; else None.
        slices: Error by slice: ``{"attractors": {"0": 0.0, "1": 0.4}}``.
    """

    update: int
    loss: float
    error: float
    train_loss: float | None
    grad_norm_median: float | None
    grad_norm_max: float | None
    clipped_fraction: float | None
    parameter_norm: float
    slices: dict[str, dict[str, float]] = field(default_factory=dict)
    clip_cosine: float | None = None
    orthogonality_error: float | None = None


@dataclass(frozen=True)
class Transfer:
    """The error of a trained network on its task at another distance.

    Attributes:
        lag: The distance, in time steps.
        min_lag: The smallest window with which it can be solved.
        baseline_error: The best error there without memory.
        solved_below: The error under which it counts as solved there.
        error: The error on the transfer stream of that distance, with the parameters at the end of training; None if it
            is not finite.
        trained_from: The shortest distance in training.
    """

    lag: int
    min_lag: int
    baseline_error: float
    solved_below: float
    error: float | None
    trained_from: int


@dataclass(frozen=True)
class TrialResult:
    """The result of one trial. Numbers that do not exist are None, never NaN or a sentinel.

    Attributes:
        trial: The trial.
        status: How it ended; solved even if training went on after that (``stop`` is never).
        error: Error at the last evaluation; None where it is not finite or there was none.
        confirmed_error: Error on the confirmation stream; only solved trials have one.
        updates: Updates done.
        updates_to_solve: The first of the two evaluations in a row that were below `solved_below`.
        diverged_at: The update at which a number became non-finite, counted from 1.
        diverged_in: The quantity that became non-finite: ``loss``, ``gradient`` or ``parameters``.
        exploded_at: The update at which the trial counted as exploded.
        path: The code that computed the scans: ``readable`` or ``fused``.
        grad_norm_median: Median of the finite gradient norms before clipping, over all updates.
        grad_norm_max: Largest finite gradient norm before clipping, over all updates.
        grad_norm_max_at: The update with that norm.
        grad_norm_after_max: Largest finite norm of a gradient that the optimiser took, after clipping.
        clipped_fraction: Share of updates whose gradient the clip changed.
        clip_cosine: Mean cosine of the gradient after clipping to the one before, over updates in which both have one.
        num_parameters: Trainable numbers.
        num_frozen: Numbers that are drawn with the parameters and never trained; None where there are none.
        state_size: Numbers carried from one time step to the next.
        example: Numbers that the task reads from the network's outputs on its example, by name.
        transfer: Errors at the trial's ``test_lags``; empty where its parameters are not finite.
        reason: Why it failed or timed out.
        measurements: The curve, one entry an evaluation.
        wall_seconds: This trial's share of its cohort's time.
        environment: Versions, processor and source of the code that made it.
        fingerprint: A hash of status and curve, to the last digit (`fingerprint_of`).
        frames: Results of lenses, where any ran; they change no other field.
    """

    trial: Trial
    status: Status
    error: float | None = None
    confirmed_error: float | None = None
    updates: int = 0
    updates_to_solve: int | None = None
    diverged_at: int | None = None
    diverged_in: str | None = None
    exploded_at: int | None = None
    path: str | None = None
    grad_norm_median: float | None = None
    grad_norm_max: float | None = None
    grad_norm_max_at: int | None = None
    grad_norm_after_max: float | None = None
    clipped_fraction: float | None = None
    clip_cosine: float | None = None
    num_parameters: int | None = None
    num_frozen: int | None = None
    state_size: int | None = None
    example: dict[str, float] = field(default_factory=dict)
    transfer: tuple[Transfer, ...] = ()
    reason: str | None = None
    measurements: tuple[Measurement, ...] = ()
    wall_seconds: float | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    frames: tuple[Frame, ...] = ()

    @property
    def has_network(self) -> bool:
        """Whether training left a network with finite numbers."""
        return self.status.has_network and self.diverged_at is None


_WITNESSES = ("loss", "error", "train_loss", "grad_norm_median", "grad_norm_max", "parameter_norm")


def fingerprint_of(status: Status, updates: int, curve: Sequence[Measurement]) -> str:
    """Return sixteen hexadecimal digits from how a trial ended and the unrounded numbers of its curve.

    Two trials with the same fingerprint had the same end and the same curve, to the last digit.
    """
    points = [[point.update, *(_exact(getattr(point, name)) for name in _WITNESSES)] for point in curve]
    content = json.dumps([status.value, updates, points])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _exact(value: float | None) -> str | None:
    return None if value is None else float(value).hex()

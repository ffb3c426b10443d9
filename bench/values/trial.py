"""One training run as a value, what came out of it, and how it ended.

A trial is the fields that decide its result, nothing else; its key is made of them. This module needs no heavy
library, so that plans and stores can speak of trials without torch.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

from longlag.values.wiring import NO_DECODER, Wiring


class Status(StrEnum):
    """How a trial ended; every trial ends in exactly one, and the first four are results."""

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
        """Whether training left a network with finite numbers."""
        return self in (Status.SOLVED, Status.UNSOLVED, Status.EXPLODED)


@dataclass(frozen=True)
class Trial:
    """Everything that decides one training run's result.

    Specs are in their shortest spelling (`registry.canonical`), so that equal settings are equal values.
    ``truncate`` is the number of steps of a chunk of truncated backpropagation, 0 where sequences are left whole.
    ``task_version`` and ``cell_version`` are raised where the meaning of a task or cell changes. ``plugins`` are those
    that the specs name, each with a hash of its content (`registry.labels_of`). ``test_lags`` are other distances
    at which the trained network is tested, in time steps: ``50,100``. Without a decoder ``decoder_cell`` is ``none``,
    and its layers and version are 0.
    """

    task: str
    cell: str
    clip: str
    lr: float
    seed: int
    task_version: int = 1
    cell_version: int = 1
    optimizer: str = "adam"
    schedule: str = "constant"
    weight_decay: float = 0.0
    hidden_size: int = 32
    layers: int = 1
    skip: str = "none"
    direction: str = "forward"
    normalisation: str = "none"
    dropout: float = 0.0
    truncate: int = 0
    batch_size: int = 32
    updates: int = 1000
    eval_every: int = 100
    dtype: str = "float32"
    device: str = "cpu"
    plugins: str = ""
    test_lags: str = ""
    decoder_cell: str = NO_DECODER
    decoder_layers: int = 0
    decoder_cell_version: int = 0

    def __post_init__(self) -> None:
        for name in ("lr", "weight_decay", "dropout"):  # 1 and 1.0 are equal, but not in a key
            object.__setattr__(self, name, float(getattr(self, name)))

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits from the content; fields at their default are left out."""
        content = {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def wiring(self) -> Wiring:
        """How its layers are joined."""
        return Wiring(**{item.name: getattr(self, item.name) for item in fields(Wiring)})

    @property
    def specs(self) -> tuple[str, str, str, str]:
        """What may name a plugin: task, cell, clip and the decoder's cell."""
        return self.task, self.cell, self.clip, self.decoder_cell

    @property
    def cohort(self) -> tuple[Any, ...]:
        """What trials that train together share: everything but seed, learning rate and clip."""
        return tuple(value for name, value in asdict(self).items() if name not in ("seed", "lr", "clip"))


@dataclass(frozen=True)
class Measurement:
    """What one evaluation saw; train-side numbers are over the updates since the evaluation before.

    Attributes:
        update: Updates done.
        loss: Loss on the evaluation batch.
        error: Error on the evaluation batch.
        train_loss: Mean loss of the training batches; None at update 0.
        grad_norm_median: Median gradient norm before clipping; None at update 0.
        grad_norm_max: Largest finite one.
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
    """What a trained network makes of its task at another distance.

    Attributes:
        lag: The distance, in time steps.
        min_lag: The smallest window with which it can be solved.
        baseline_error: The best error there without memory.
        solved_below: The error under which it counts as solved there.
        error: On the transfer stream of that distance, with the parameters the training ended with; None where it is
            not finite.
        trained_from: The shortest distance that was trained at.
    """

    lag: int
    min_lag: int
    baseline_error: float
    solved_below: float
    error: float | None
    trained_from: int


@dataclass(frozen=True)
class TrialResult:
    """What came out of one trial. Numbers that do not exist are None, never NaN or a sentinel.

    Attributes:
        error: Error at the last evaluation; None where it is not finite or there was none.
        confirmed_error: Error on the confirmation stream; only solved trials have one.
        updates: Updates done.
        updates_to_solve: The first of the two evaluations in a row that were below `solved_below`.
        diverged_at: The update at which a number became non-finite, counted from 1.
        diverged_in: That quantity: ``loss``, ``gradient`` or ``parameters``.
        exploded_at: The update at which the trial counted as exploded.
        path: Which code computed the scans: ``readable`` or ``fused``.
        grad_norm_median: Over all updates, before clipping, finite ones.
        grad_norm_max: The largest finite one, reached at update `grad_norm_max_at`.
        grad_norm_after_max: The largest norm that the optimiser took.
        clipped_fraction: Share of updates whose gradient the clip changed.
        clip_cosine: Mean cosine of the gradient after clipping to the one before, over updates in which both have one.
        num_parameters: Trainable numbers.
        state_size: Numbers carried from one time step to the next.
        example: What the task's example gave, by name.
        transfer: Errors at the trial's ``test_lags``; empty where its parameters are not finite.
        reason: Why it failed or timed out.
        measurements: The curve, one entry an evaluation.
        wall_seconds: This trial's share of its cohort's time.
        environment: Versions, processor and source of the code that made it.
        fingerprint: Of status and curve, to the last digit (`fingerprint_of`).
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
    state_size: int | None = None
    example: dict[str, float] = field(default_factory=dict)
    transfer: tuple[Transfer, ...] = ()
    reason: str | None = None
    measurements: tuple[Measurement, ...] = ()
    wall_seconds: float | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None


_WITNESSES = ("loss", "error", "train_loss", "grad_norm_median", "grad_norm_max", "parameter_norm")


def fingerprint_of(status: Status, updates: int, curve: Sequence[Measurement]) -> str:
    """Return sixteen hexadecimal digits from how a trial ended and the unrounded numbers of its curve.

    Two trials with the same fingerprint went the same way, to the last digit.
    """
    points = [[point.update, *(_exact(getattr(point, name)) for name in _WITNESSES)] for point in curve]
    content = json.dumps([status.value, updates, points])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _exact(value: float | None) -> str | None:
    return None if value is None else float(value).hex()

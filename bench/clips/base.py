"""The contract of every clipping setting.

A clip works on the rows of a gradient matrix (R, P), a row per trial, after the whole backward pass and before
the update. It never looks across rows: the norm is that of one trial, over all of its parameters. A `Context` holds
everything else that it may read: the place of each tensor, the parameters and its memory of each trial.

Two settings work inside the backward pass instead (`Clip.in_backward`): they declare a rule for it, and leave the
gradient that results from it unchanged. They may be combined with another: ``norm:1+omega:4``. So may a guard, which
acts only on gradients that cannot be trusted: ``norm:1+guard``.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, replace
from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor

from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Configurable, Option, option
from longlag.values.layout import Layout

__all__ = ["TOLERANCE", "Clip", "Context", "UsageError", "option", "row_norms", "scale_rows", "threshold"]

TOLERANCE = 1e-5
"""Largest relative difference between a clipped norm and its limit: float32 gradients, scaled once."""

SMALLEST, LARGEST = 1e-30, 1e30
"""The thresholds allowed: float32 holds them, and the components of a gradient of that norm, in full precision."""


@dataclass(frozen=True)
class Context:
    """The data that a clip may read in addition to the gradients.

    Attributes:
        layout: Where each tensor lies in a row.
        parameters: (R, P), before the update.
        memory: (R, M) float64, the clip's memory of each trial: zeros at first, at least `Clip.memory` columns.
    """

    layout: Layout
    parameters: Tensor
    memory: Tensor

    def rows(self, rows: slice) -> "Context":
        """Return the context of some of the trials; its memory is a view, so that changes to it are kept."""
        return replace(self, parameters=self.parameters[rows], memory=self.memory[rows])


def threshold(summary: str) -> Any:
    """Declare a field that is a threshold: a number above zero without a default, which a spec gives by place.

    Args:
        summary: One line for listings.
    """
    return field(metadata={"summary": summary})


@dataclass(frozen=True)
class Clip(Configurable, ABC):
    """A clipping setting as a value, spelled ``name`` or ``name:threshold``.

    A field without a default is a threshold, declared by `threshold` or by its type alone. Fields made with `option`
    have a default and are spelled by name, after the thresholds.
    """

    kind: ClassVar[str] = "clip"
    summary: ClassVar[str]
    reference: ClassVar[str]
    largest: ClassVar[float] = LARGEST
    """The largest threshold."""
    memory: ClassVar[int] = 0
    """The number of values that it remembers of each trial: see `observe` and `memory_size`."""
    guards: ClassVar[bool] = False
    """Whether it replaces gradients that cannot be trusted: see `replaced`. Another clip may then be added to it."""
    drops: ClassVar[bool] = False
    """Whether it may drop a whole update: see `dropped`."""
    in_backward: ClassVar[bool] = False
    """Whether it works inside the backward pass: see `signal_limit` and `omega`."""

    @classmethod
    def option_of(cls, item: Field[Any]) -> Option:
        """Return the option that a field declares; a field without a default is a threshold.

        Raises:
            UsageError: A field with a default is not an option.
        """
        if item.default is not MISSING:
            return super().option_of(item)
        summary = item.metadata.get("summary", "a threshold")
        return Option(float, None, summary, SMALLEST, cls.largest, words="a number above 0")

    @property
    def signal_limit(self) -> float:
        """The largest entry that the backward signal may have at any step; infinity by default."""
        return inf

    @property
    def omega(self) -> float:
        """The factor of Pascanu's regulariser; 0 by default."""
        return 0.0

    def memory_size(self, layout: Layout) -> int:
        """Return the number of values that it remembers of each trial: `memory`, unless that depends on the tensors."""
        return self.memory

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        """Update the memory from the raw gradients of an update, before `apply`; does nothing by default.

        Args:
            gradients: (R, P), the raw gradients; only read.
            norms: (R,) float64, their norms. Rows that are not finite should not change the memory.
            context: The context that `apply` will get.
        """

    @abstractmethod
    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        """Clip in place.

        Args:
            gradients: (R, P), the raw gradients of R trials.
            norms: (R,) float64, their norms.
            context: The layout, parameters and memory; only read.
        """

    def dropped(self, norms: Tensor) -> Tensor:
        """Return from the raw norms (R,) which updates are dropped, (R,) bool: no parameter or running quantity moves.

        A clip that drops updates declares it in `drops`.
        """
        return torch.zeros_like(norms, dtype=torch.bool)

    def replaced(self, norms: Tensor) -> Tensor:
        """Return from the raw norms (R,) which gradients are replaced, (R,) bool: their loss need not be finite.

        A clip that replaces gradients declares it in `guards`, and judges rows that are not finite in `holds`, too.
        """
        return torch.zeros_like(norms, dtype=torch.bool)

    @abstractmethod
    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Return for each row whether the gradient that the optimiser took keeps this setting's promise, (R,) bool.

        It follows the definition, independently of `apply`: a run verifies with it that clipping happened. The caller
        handles rows with a non-finite raw gradient.

        Args:
            raw: (R, P), gradients as the backward pass left them.
            taken: (R, P), gradients as the optimiser read them.
            raw_norms: (R,) float64, norms of ``raw``.
            taken_norms: (R,) float64, norms of ``taken``.
            context: The context that `apply` had.
        """


@dataclass(frozen=True)
class Together(Clip):
    """Several settings combined: one for the gradient, a guard, then those for the backward pass.

    The first part clips and judges gradients; the guard judges those that it replaces.

    Attributes:
        parts: At least two, in this order.
    """

    summary: ClassVar[str] = "settings side by side"
    reference: ClassVar[str] = "the references of its parts"

    parts: tuple[Clip, ...]

    def __post_init__(self) -> None:
        if len({type(part) for part in self.parts}) < len(self.parts):
            raise UsageError(f"clip {self.spec!r} names a setting twice")
        if sum(not (part.in_backward or part.guards) for part in self.parts) > 1:
            raise UsageError(
                f"clip {self.spec!r}: only one setting may clip the gradient; guard, omega and state may be added"
            )

    @property
    def spec(self) -> str:
        return "+".join(part.spec for part in self.parts)

    def memory_size(self, layout: Layout) -> int:
        return self.parts[0].memory_size(layout)

    @property
    def guards(self) -> bool:  # type: ignore[override]
        return any(part.guards for part in self.parts)

    @property
    def drops(self) -> bool:  # type: ignore[override]
        return self.parts[0].drops

    @property
    def signal_limit(self) -> float:
        return min(part.signal_limit for part in self.parts)

    @property
    def omega(self) -> float:
        return sum(part.omega for part in self.parts)

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        self.parts[0].observe(gradients, norms, context)

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        for part in self.parts:
            part.apply(gradients, norms, context)

    def dropped(self, norms: Tensor) -> Tensor:
        return self.parts[0].dropped(norms)

    def replaced(self, norms: Tensor) -> Tensor:
        return torch.stack([part.replaced(norms) for part in self.parts]).any(0)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        given = raw, taken, raw_norms, taken_norms, context
        kept = self.parts[0].holds(*given)
        for part in self.parts[1:]:
            kept = torch.where(part.replaced(raw_norms), part.holds(*given), kept)
        return kept


def side_by_side(parts: Sequence[Clip]) -> Clip:
    """Return settings combined into one, in their canonical order; ``none`` beside another is dropped.

    Raises:
        UsageError: A setting is given twice, or two of them clip the gradient.
    """
    clipping = [part for part in parts if part.spec != "none"]
    ordered = sorted(clipping, key=lambda part: (part.in_backward, part.guards, part.name()))
    return Together(tuple(ordered)) if len(ordered) > 1 else [*ordered, *parts][0]


def scale_rows(gradients: Tensor, factors: Tensor) -> None:
    """Multiply each row of (R, P) by its factor, (R,) float64, in place.

    Torch multiplies in float64 and rounds once: a factor c / |g| may be below what float32 holds.
    """
    gradients.mul_(factors.unsqueeze(1))


def row_norms(matrix: Tensor, order: float = 2.0) -> Tensor:
    """Return the norm of each row, (R,) float64: the Euclidean one, unless an order of 1 or infinity is given.

    It is computed a row at a time, so that a trial's norm is the same bytes in any company, and in float64, so that the
    norm is non-finite only where an entry is (float32 squares overflow at 1e19). Rows that are float64 themselves are
    divided by their largest entry first, for the same reason.
    """
    if matrix.dtype != torch.float64:
        return torch.stack([torch.linalg.vector_norm(row, order, dtype=torch.float64) for row in matrix])
    peaks = matrix.abs().amax(1)
    scales = torch.where(peaks.isfinite() & (peaks > 0), peaks, 1.0)
    scaled = matrix / scales.unsqueeze(1)
    return torch.stack([torch.linalg.vector_norm(row, order) for row in scaled]) * scales

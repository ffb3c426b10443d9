"""Adaptive clipping: the gradient of a unit's weights is limited in proportion to the norm of the weights.

g_i <- g_i * r max(|w_i|, eps) / |g_i|   if |g_i| > r max(|w_i|, eps), eps = 0.001

w_i are the weights of one tensor into unit i; the bias of a gate, or any other vector, is a w as a whole. The readout
is not clipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, threshold

EPS = 1e-3
"""The lower bound of a weight norm in the limit, so that weights at zero can change."""


@dataclass(frozen=True)
class ClipAdaptive(Clip):
    """Clipping by unit, relative to the norm of its weights."""

    summary: ClassVar[str] = "gradient of each unit's weights kept below r times the weights' norm; readout not clipped"
    reference: ClassVar[str] = "Brock, De, Smith & Simonyan 2021, equation 3"

    ratio: float = threshold("r, the largest ratio of a unit's gradient norm to its weight norm")

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        for row, weights in zip(gradients, context.parameters, strict=True):  # sums depend on shape: a trial at a time
            for gradient, weight in _units(row, weights, context):
                length, limit = _norms(gradient), self.ratio * _norms(weight).clamp(min=EPS)
                gradient.mul_(torch.where(length > limit, limit / length, 1.0))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        readout = [slot for slot in context.layout.slots if slot.name.startswith("readout.")]
        kept = []
        for before, after, weights in zip(raw, taken, context.parameters, strict=True):
            units = zip(_units(before, weights, context), _units(after, weights, context), strict=True)
            checks = [(slot.view(before) == slot.view(after)).all() for slot in readout]
            for (old, weight), (new, _) in units:
                promised = torch.minimum(_norms(old), self.ratio * _norms(weight).clamp(min=EPS))
                checks.append(((_norms(new) - promised).abs() <= TOLERANCE * promised).all())
            kept.append(torch.stack(checks).all())
        return torch.stack(kept)


def _units(row: Tensor, weights: Tensor, context: Context) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield matching views of a gradient and its weights, (..., units) or (numbers, 1)."""
    for slot in context.layout.slots:
        if slot.name.startswith("readout."):
            continue
        if len(slot.shape) > 1:
            yield slot.view(row).movedim(slot.unit_axis, -1), slot.view(weights).movedim(slot.unit_axis, -1)
        else:
            parts = (slot.part_views(of.unsqueeze(0)) for of in (row, weights))
            yield from ((part.view(-1, 1), of.view(-1, 1)) for part, of in zip(*parts, strict=True))


def _norms(matrix: Tensor) -> Tensor:
    """Return the norm over all axes but the last, float64; float64 entries are scaled first, against overflow."""
    others = tuple(range(matrix.ndim - 1))
    if matrix.dtype != torch.float64:
        return matrix.double().square_().sum(others).sqrt_()
    peaks = matrix.abs().amax(others)
    scales = torch.where(peaks.isfinite() & (peaks > 0), peaks, 1.0)
    return (matrix / scales).square_().sum(others).sqrt_() * scales

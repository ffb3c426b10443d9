"""Norm clipping by tensor: the gradient of each logical tensor is scaled down to the threshold by itself.

g_k <- g_k * c / |g_k|   if |g_k| > c, for each tensor k

There is a logical tensor for each gate, as in the equations, even where gates are stored as one tensor.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, row_norms, threshold


@dataclass(frozen=True)
class ClipLayer(Clip):
    """Norm clipping of each tensor at ``max_norm``."""

    summary: ClassVar[str] = "gradient of each tensor, one per gate, scaled to norm c where its norm is above c"
    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 3.2, by tensor instead of over all parameters"

    max_norm: float = threshold("c, the largest norm of a tensor's gradient")

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        for slot in context.layout.slots:
            for part in slot.part_views(gradients):
                lengths = row_norms(part.flatten(1))
                factors = torch.where(lengths > self.max_norm, self.max_norm / lengths, 1.0)
                part.mul_(factors.view(-1, *[1] * (part.ndim - 1)))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        kept = torch.ones_like(raw_norms, dtype=torch.bool)
        for slot in context.layout.slots:
            for before, after in zip(slot.part_views(raw), slot.part_views(taken), strict=True):
                promised = row_norms(before.flatten(1)).clamp(max=self.max_norm)
                kept &= (row_norms(after.flatten(1)) - promised).abs() <= TOLERANCE * promised
        return kept

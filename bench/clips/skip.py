"""Skipping: an update whose gradient norm is above the threshold, or not finite, is dropped.

g <- 0, and neither parameters nor the optimiser's running quantities move,   if |g| > c or not finite
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import Clip, Context, threshold


@dataclass(frozen=True)
class Skip(Clip):
    """Drop an update whose norm is above ``max_norm``."""

    summary: ClassVar[str] = "update dropped where the gradient's norm is above c or not finite"
    reference: ClassVar[str] = "common practice; as loss scaling does it: Micikevicius et al. 2018, section 3.2"
    drops: ClassVar[bool] = True

    max_norm: float = threshold("c, the largest norm of a gradient that is taken")

    def dropped(self, norms: Tensor) -> Tensor:
        return ~(norms <= self.max_norm)  # also true of NaN

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        gradients.masked_fill_(self.dropped(norms).unsqueeze(1), 0.0)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        unchanged = (raw == taken).all(1)
        return torch.where(raw_norms <= self.max_norm, unchanged, (taken == 0).all(1))

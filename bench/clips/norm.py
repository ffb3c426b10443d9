"""Norm clipping: a gradient with a larger norm is scaled to the threshold; its direction stays.

g <- g * c / |g|   if |g| > c, with |g| over all parameters of the trial: the Euclidean norm, or the sum (type 1) or the
largest (type inf) of the absolute entries
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, option, row_norms, scale_rows, threshold


@dataclass(frozen=True)
class ClipNorm(Clip):
    """Norm clipping at ``max_norm``."""

    summary: ClassVar[str] = "gradient scaled to norm c where its norm is above c"
    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 3.2; types as in torch's clip_grad_norm_"

    max_norm: float = threshold("c, the largest norm of a gradient")
    type: str = option("2", "which norm", choices=("2", "1", "inf"))

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        norms = norms if self.type == "2" else row_norms(gradients, float(self.type))
        factors = torch.where(norms > self.max_norm, self.max_norm / norms, 1.0)
        scale_rows(gradients, factors)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        if self.type != "2":
            raw_norms, taken_norms = (row_norms(of, float(self.type)) for of in (raw, taken))
        promised = raw_norms.clamp(max=self.max_norm)
        return (taken_norms - promised).abs() <= TOLERANCE * promised

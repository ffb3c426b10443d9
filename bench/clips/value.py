"""Value clipping: every component of the gradient is clipped to an interval; its direction may change.

g_i <- min(max(g_i, -c), c)
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import Clip, Context, threshold


@dataclass(frozen=True)
class ClipValue(Clip):
    """Component-wise clipping at ``clip_value``."""

    summary: ClassVar[str] = "each component of the gradient kept within -c to c"
    reference: ClassVar[str] = "as in the code of Arjovsky, Shah & Bengio 2016"

    clip_value: float = threshold("c, the largest component")

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        gradients.clamp_(-self.clip_value, self.clip_value)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        bounded = torch.minimum(torch.maximum(raw, raw.new_tensor(-self.clip_value)), raw.new_tensor(self.clip_value))
        return (bounded == taken).all(1)

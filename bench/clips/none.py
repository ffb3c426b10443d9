"""No clipping: the optimiser takes the gradient unchanged."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.clips.base import Clip, Context


@dataclass(frozen=True)
class NoClip(Clip):
    """The gradient is unchanged."""

    summary: ClassVar[str] = "no clipping"
    reference: ClassVar[str] = "the control"

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        pass

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        return (raw == taken).all(1)

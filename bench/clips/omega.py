"""Pascanu's regulariser, which keeps the backward signal from fading: often with norm clipping, ``norm:1+omega:4``.

g <- g + a dOmega/dU      Omega: mean of (|J_t^T d_t| / |d_t| - 1)² over steps and sequences, d_t the backward signal

`longlag.networks.omega` has the details. The authors' a is 4 in the paper and 2 in their program.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.clips.base import Clip, Context, threshold


@dataclass(frozen=True)
class Omega(Clip):
    """``factor`` times the one-step gradient of Omega is added to the gradient, before anything is clipped."""

    summary: ClassVar[str] = "a times the gradient of Omega added: keeps the backward signal's norm from step to step"
    reference: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, equations 9 and 10"
    in_backward: ClassVar[bool] = True

    factor: float = threshold("a, the weight of the regulariser")

    @property
    def omega(self) -> float:
        return self.factor

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        pass

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        return (raw == taken).all(1)

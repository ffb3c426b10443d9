"""Adam."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, each
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam with bias correction."""

    reference: ClassVar[str] = "Kingma & Ba 2015, algorithm 1"
    memory: ClassVar[tuple[str, ...]] = ("mean", "square")

    beta1: float = option(0.9, "decay of the mean", low=0, high=0.999999)
    beta2: float = option(0.999, "decay of the mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to the root", low=1e-30, high=1)  # above 0: padding divides by it

    def _direction(self, gradients: Tensor, state: OptimiserState, update: int | Sequence[int]) -> Tensor:
        mean, square = state["mean"], state["square"]
        mean.mul_(self.beta1).add_(gradients * (1 - self.beta1))
        square.mul_(self.beta2).add_(gradients.square().mul_(1 - self.beta2))
        root = square.sqrt().div_(each(lambda n: (1 - self.beta2**n) ** 0.5, update, square)).add_(self.eps)
        return (mean / each(lambda n: 1 - self.beta1**n, update, mean)).div_(root)

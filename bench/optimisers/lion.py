"""Lion: the sign of an average of momentum and gradient, found by a search over programs.

θ <- θ - η (λ θ + sign(β1 m + (1 - β1) g))      m <- β2 m + (1 - β2) g
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, option


@dataclass(frozen=True)
class Lion(Optimiser):
    """Sign descent along an average of momentum and gradient; rates 3 to 10 times smaller than Adam's are usual."""

    reference: ClassVar[str] = "Chen et al. 2023, algorithm 2"
    memory: ClassVar[tuple[str, ...]] = ("mean",)
    decoupled_decay: ClassVar[bool] = True

    beta1: float = option(0.9, "share of the momentum in a step", low=0, high=0.999999)
    beta2: float = option(0.99, "decay of the momentum", low=0, high=0.999999)

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        mean, gradients = state["mean"], update.gradients
        sign = (mean * self.beta1).add_(gradients * (1 - self.beta1)).sign_()
        mean.mul_(self.beta2).add_(gradients * (1 - self.beta2))
        return sign

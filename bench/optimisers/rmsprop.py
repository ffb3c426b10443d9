"""RMSprop."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, option


@dataclass(frozen=True)
class Rmsprop(Optimiser):
    """RMSprop, not centred."""

    reference: ClassVar[str] = "Tieleman & Hinton 2012, lecture 6.5; as torch.optim.RMSprop"
    memory: ClassVar[tuple[str, ...]] = ("square",)

    alpha: float = option(0.99, "decay of the mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to the root", low=1e-30, high=1)  # above 0: padding divides by it

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        square = state["square"]
        square.mul_(self.alpha).add_(update.gradients.square().mul_(1 - self.alpha))
        return update.gradients / square.sqrt().add_(self.eps)

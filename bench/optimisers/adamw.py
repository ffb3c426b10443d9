"""Adam whose weight decay acts on the weights directly, not through the moments.

θ <- θ - η (λ θ + m̂ / (sqrt(v̂) + eps))
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, option
from longlag.optimisers.support.moments import adam_direction


@dataclass(frozen=True)
class AdamW(Optimiser):
    """Adam with decoupled weight decay; without weight decay the same as adam."""

    reference: ClassVar[str] = "Loshchilov & Hutter 2019, algorithm 2, the schedule also on the decay as in torch.optim"
    memory: ClassVar[tuple[str, ...]] = ("mean", "square")
    decoupled_decay: ClassVar[bool] = True

    beta1: float = option(0.9, "decay of the mean", low=0, high=0.999999)
    beta2: float = option(0.999, "decay of the mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to the root", low=1e-30, high=1)  # above 0: padding divides by it

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        return adam_direction(update, state, self.beta1, self.beta2, self.eps)

"""Skeleton: one line that says how a gradient becomes a step.

Write the equations here, like the code below (g is the gradient after clipping, η the learning rate):

m <- decay m + (1 - decay) g
θ <- θ - η sign(m)
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, option


@dataclass(frozen=True)
class Skeleton(Optimiser):
    """One line for listings."""

    reference: ClassVar[str] = "who proposed it, and where"
    memory: ClassVar[tuple[str, ...]] = ("mean",)  # running quantities of each parameter; zeros at first
    decoupled_decay: ClassVar[bool] = False  # True: weight decay shrinks the weights; False: it is added to g

    # Options are spelled skeleton:decay=0.5; each has a default and may have limits.
    decay: float = option(0.9, "share of the mean that is kept", low=0, high=0.999999)

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        """Return the step at learning rate 1, (S, P), to be subtracted; a row is a trial, independent of other rows.

        `update` has the parameters, the gradients, the layout of a row and each trial's number of updates; it is only
        read. The state is changed in place; the optimiser must have no other memory.
        """
        mean = state["mean"]
        mean.mul_(self.decay).add_(update.gradients * (1 - self.decay))
        return mean.sign()

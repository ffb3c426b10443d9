"""Gradient descent."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, UsageError, option


@dataclass(frozen=True)
class Sgd(Optimiser):
    """Gradient descent, plain, with heavy-ball momentum, or with Nesterov's."""

    reference: ClassVar[str] = "Polyak 1964; Sutskever et al. 2013; both as in torch.optim.SGD"
    memory: ClassVar[tuple[str, ...]] = ("velocity",)

    momentum: float = option(0.0, "share of the last step that is kept", low=0, high=0.999999)
    nesterov: bool = option(False, "step along the gradient plus momentum times the velocity")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise UsageError("optimizer sgd: nesterov needs a momentum above 0, as in sgd:momentum=0.9,nesterov=true")

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        velocity = state["velocity"].mul_(self.momentum).add_(update.gradients)
        return update.gradients + velocity * self.momentum if self.nesterov else velocity

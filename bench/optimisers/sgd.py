"""Gradient descent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Sgd(Optimiser):
    """Gradient descent, plain or with (heavy-ball) momentum."""

    reference: ClassVar[str] = "Polyak 1964; momentum as in torch.optim.SGD"
    memory: ClassVar[tuple[str, ...]] = ("velocity",)

    momentum: float = option(0.0, "share of the last step that is kept", low=0, high=0.999999)

    def _direction(self, gradients: Tensor, state: OptimiserState, update: int | Sequence[int]) -> Tensor:
        return state["velocity"].mul_(self.momentum).add_(gradients).clone()

"""What every optimiser promises: one elementwise update of the cohort's matrix, for all trials.

Every operation here rounds once (+, -, ×, ÷, square root), so that a number is the same bytes wherever in the
matrix it lies; a fused multiply-and-add may round once in the body of a vectorised loop and twice at its tail.
Weight decay is added to the gradient after clipping, as in torch.optim.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from longlag.tasks.support.options import Configurable

OptimiserState = dict[str, Tensor]


@dataclass(frozen=True)
class Optimiser(Configurable, ABC):
    """How a gradient becomes a step, for S trials at once."""

    kind: ClassVar[str] = "optimizer"
    reference: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]
    """The running quantities kept for every parameter."""

    @final
    def start(self, parameters: Tensor) -> OptimiserState:
        """Return the state before the first update: zeros (S, P) for each of `memory`."""
        return {name: torch.zeros_like(parameters) for name in self.memory}

    @final
    def step(
        self,
        parameters: Tensor,
        gradients: Tensor,
        state: OptimiserState,
        rates: Tensor,
        update: int | Sequence[int],
        decay: float,
        witness: Callable[[Tensor], None],
    ) -> Tensor:
        """Return what to subtract from the parameters, (S, P).

        Args:
            parameters: (S, P), left as they are.
            gradients: (S, P), after clipping.
            state: The running quantities, changed in place.
            rates: (S, 1), this update's learning rates.
            update: Which update this is, from 1; for each trial, where some have dropped updates.
            decay: Weight decay.
            witness: Gets the very gradients that are taken, to hold them against the clip's promise.
        """
        witness(gradients)
        return self._direction(gradients + parameters * decay if decay else gradients, state, update) * rates

    @abstractmethod
    def _direction(self, gradients: Tensor, state: OptimiserState, update: int | Sequence[int]) -> Tensor:
        """Return the step at learning rate 1, (S, P)."""


def each(correction: Callable[[int], float], update: int | Sequence[int], like: Tensor) -> float | Tensor:
    """Return a correction that depends on the update: a number, or a column (S, 1) of the same numbers."""
    if isinstance(update, int):
        return correction(update)
    return torch.tensor([[correction(n)] for n in update], dtype=like.dtype, device=like.device)

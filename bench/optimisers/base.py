"""The contract of every optimiser: one update of the cohort's matrix, a row per trial.

A trial's numbers must not depend on its company. Operations on the whole matrix that round once (+, -, ×, ÷, square
root) satisfy this: a number is the same bytes anywhere in the matrix. A fused multiply-and-add may round once in the
body of a vectorised loop and twice at its tail. Sums and matrix products run a row at a time, as in
`longlag.optimisers.muon`. The sequence of operations must depend on the optimiser alone, not on the other trials.

An optimiser has no memory but its state: a trial's row of it is dropped when the trial ends, and restored when a clip
drops an update.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
from torch import Tensor

from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Configurable, option
from longlag.values.layout import Layout

__all__ = ["Optimiser", "OptimiserState", "Update", "UsageError", "option"]

OptimiserState = dict[str, Tensor]
"""The running quantities by name, (S, P) each."""


@dataclass(frozen=True)
class Update:
    """The data of one update of S trials; an optimiser only reads it.

    Attributes:
        parameters: (S, P), before the update.
        gradients: (S, P), after clipping.
        rates: (S, 1) or (S, P), this update's learning rates.
        counts: The number of updates that each trial has taken, this one included: S numbers from 1 on. Updates that a
            clip dropped do not count, so that trials may differ.
        weight_decay: λ, the weight decay.
        layout: Where each tensor lies in a row.
    """

    parameters: Tensor
    gradients: Tensor
    rates: Tensor
    counts: tuple[int, ...]
    weight_decay: float
    layout: Layout

    def each(self, correction: Callable[[int], float]) -> Tensor:
        """Return a correction that depends on a trial's number of updates, (S, 1)."""
        numbers = [[correction(count)] for count in self.counts]
        return torch.tensor(numbers, dtype=self.gradients.dtype, device=self.gradients.device)


@dataclass(frozen=True)
class Optimiser(Configurable, ABC):
    """Turns gradients into steps, for S trials at once; a subclass defines `direction`."""

    kind: ClassVar[str] = "optimizer"
    reference: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]
    """The running quantities, kept for every parameter."""
    decoupled_decay: ClassVar[bool] = False
    """Whether weight decay acts on the step (θ <- θ - ηλθ - η direction, Loshchilov & Hutter 2019); by default it acts
    on the gradient after clipping (g + λθ, as in torch.optim)."""

    @final
    def start(self, parameters: Tensor) -> OptimiserState:
        """Return the state before the first update: zeros (S, P) for each of `memory`."""
        return {name: torch.zeros_like(parameters) for name in self.memory}

    @final
    def step(self, update: Update, state: OptimiserState, witness: Callable[[Tensor], None]) -> Tensor:
        """Return the step to subtract from the parameters, (S, P).

        Args:
            update: The update.
            state: The running quantities, changed in place.
            witness: Called with the gradients from which the step is computed, to audit the clip.
        """
        witness(update.gradients)
        decayed = update.parameters * update.weight_decay if update.weight_decay else None
        if decayed is not None and not self.decoupled_decay:
            update = replace(update, gradients=update.gradients + decayed)
        direction = self.direction(update, state)
        if decayed is not None and self.decoupled_decay:
            direction = direction + decayed
        return direction * update.rates

    @abstractmethod
    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        """Return the step at learning rate 1, (S, P), to be subtracted, without decoupled weight decay.

        Args:
            update: The update; coupled weight decay is already in its gradients.
            state: The running quantities, to be changed in place.
        """

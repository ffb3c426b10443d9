"""Optimisers and learning-rate schedules on the cohort's matrix: one elementwise update for all trials.

Every operation here rounds once (+, -, ×, ÷, square root), so that a number is the same bytes wherever in the
matrix it lies; a fused multiply-and-add may round once in the body of a vectorised loop and twice at its tail.
Weight decay is added to the gradient after clipping, as in torch.optim.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar, final

import torch
from torch import Tensor

from longlag.tasks.options import Configurable, option

State = dict[str, Tensor]


class _NamedByClass(Configurable):
    @classmethod
    def name(cls) -> str:
        return cls.__name__.lower()


@dataclass(frozen=True)
class Optimiser(_NamedByClass, ABC):
    """How a gradient becomes a step, for S trials at once."""

    kind: ClassVar[str] = "optimizer"
    reference: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]
    """The running quantities kept for every parameter."""

    @final
    def start(self, parameters: Tensor) -> State:
        """Return the state before the first update: zeros (S, P) for each of `memory`."""
        return {name: torch.zeros_like(parameters) for name in self.memory}

    @final
    def step(
        self,
        parameters: Tensor,
        gradients: Tensor,
        state: State,
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
    def _direction(self, gradients: Tensor, state: State, update: int | Sequence[int]) -> Tensor:
        """Return the step at learning rate 1, (S, P)."""


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam with bias correction."""

    reference: ClassVar[str] = "Kingma & Ba 2015, algorithm 1"
    memory: ClassVar[tuple[str, ...]] = ("mean", "square")

    beta1: float = option(0.9, "decay of the mean", low=0, high=0.999999)
    beta2: float = option(0.999, "decay of the mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to the root", low=1e-30, high=1)  # above 0: padding divides by it

    def _direction(self, gradients: Tensor, state: State, update: int | Sequence[int]) -> Tensor:
        mean, square = state["mean"], state["square"]
        mean.mul_(self.beta1).add_(gradients * (1 - self.beta1))
        square.mul_(self.beta2).add_(gradients.square().mul_(1 - self.beta2))
        root = square.sqrt().div_(_each(lambda n: (1 - self.beta2**n) ** 0.5, update, square)).add_(self.eps)
        return (mean / _each(lambda n: 1 - self.beta1**n, update, mean)).div_(root)


def _each(correction: Callable[[int], float], update: int | Sequence[int], like: Tensor) -> float | Tensor:
    """Return a correction that depends on the update: a number, or a column (S, 1) of the same numbers."""
    if isinstance(update, int):
        return correction(update)
    return torch.tensor([[correction(n)] for n in update], dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class Sgd(Optimiser):
    """Gradient descent, plain or with (heavy-ball) momentum."""

    reference: ClassVar[str] = "Polyak 1964; momentum as in torch.optim.SGD"
    memory: ClassVar[tuple[str, ...]] = ("velocity",)

    momentum: float = option(0.0, "share of the last step that is kept", low=0, high=0.999999)

    def _direction(self, gradients: Tensor, state: State, update: int | Sequence[int]) -> Tensor:
        return state["velocity"].mul_(self.momentum).add_(gradients).clone()


@dataclass(frozen=True)
class Rmsprop(Optimiser):
    """RMSprop, not centred."""

    reference: ClassVar[str] = "Tieleman & Hinton 2012, lecture 6.5; as torch.optim.RMSprop"
    memory: ClassVar[tuple[str, ...]] = ("square",)

    alpha: float = option(0.99, "decay of the mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to the root", low=1e-30, high=1)  # above 0: padding divides by it

    def _direction(self, gradients: Tensor, state: State, update: int | Sequence[int]) -> Tensor:
        square = state["square"]
        square.mul_(self.alpha).add_(gradients.square().mul_(1 - self.alpha))
        return gradients / square.sqrt().add_(self.eps)


@dataclass(frozen=True)
class Schedule(_NamedByClass, ABC):
    """A factor on the learning rate over a trial's updates."""

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def factor(self, update: int, budget: int) -> float:
        """Return the factor at ``update`` (from 1) of ``budget`` updates."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The rate as given."""

    def factor(self, update: int, budget: int) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to ``final`` of it (Loshchilov & Hutter 2017, without restarts)."""

    final: float = option(0.0, "share of the rate at the end", low=0, high=1)

    def factor(self, update: int, budget: int) -> float:
        return self.final + (1 - self.final) * (1 + cos(pi * (update - 1) / budget)) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """Linear from nothing to the full rate, which is then kept."""

    updates: int = option(100, "length of the rise", low=1, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        return min(update / self.updates, 1.0)


OPTIMISERS = (Adam, Sgd, Rmsprop)
SCHEDULES = (Constant, Cosine, Warmup)

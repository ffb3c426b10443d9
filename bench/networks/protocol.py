"""The contract of every network: the methods that training, evaluation and plans call."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.networks.work import Sequences, Work
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout


class AnyNetwork(ABC):
    """A network of one trial, computed from views of its row of parameters."""

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Where each tensor lies in a row."""

    @property
    def frozen(self) -> frozenset[str]:
        """The names of tensors in `layout` that are drawn from the seed and never trained."""
        return frozenset()

    @property
    def makes_noise(self) -> bool:
        """Whether parts of it draw noise themselves in training, and so need a generator."""
        return False

    @final
    @property
    def num_frozen(self) -> int:
        """The number of values that are never trained."""
        return sum(slot.size for slot in self.layout.slots if slot.name in self.frozen)

    @final
    @property
    def num_parameters(self) -> int:
        """The number of values that are trained."""
        return self.layout.num_parameters - self.num_frozen

    @property
    @abstractmethod
    def state_size(self) -> int:
        """The number of values carried from one time step to the next."""

    @abstractmethod
    def path(self, device: str, dtype: str) -> str:
        """Return the code that runs the scans: ``fused`` or ``readable``."""

    @abstractmethod
    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64."""

    @abstractmethod
    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return the cell of each scan with its tensors by its own names; empty where modules run whole sequences.

        Args:
            views: The tensors of one trial, by their names in `layout`.
        """

    @abstractmethod
    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Compile the code that `gradient` needs, so that no update's time includes it.

        Args:
            tokens: Whether inputs are tokens, not vectors.
            device: The device that it will run on.
            dtype: The precision.
        """

    @abstractmethod
    def work(self, sequences: Sequences) -> list[Work]:
        """Return the work on a batch in counts, for each part of the network, in the order in which they run."""

    @abstractmethod
    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O), from the tensors of one trial by name.

        Args:
            views: The tensors by their names in `layout`.
            batch: The batch.
            noise: The generator of dropout in training; None in evaluation.
            backward: The rules for the backward signal of each scan.
        """

    @abstractmethod
    def gradient(
        self,
        task: Task,
        row: Tensor,
        gradient: Tensor,
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Write one trial's gradient and return its loss.

        Args:
            task: The task, which defines the loss.
            row: (P,), the parameters.
            gradient: (P,), overwritten; padding stays zero.
            batch: The batch.
            noise: The generator of dropout; without it nothing is dropped.
            backward: The rules of the backward pass.
        """

    @final
    def by_autograd(
        self,
        task: Task,
        row: Tensor,
        gradient: Tensor,
        batch: Batch,
        noise: np.random.Generator | None,
        backward: Backward,
    ) -> Tensor:
        """Compute `gradient` by autograd, in which a fused scan is one operation; Omega is left out."""
        frozen = self.frozen
        views = {
            name: view.detach().requires_grad_(name not in frozen) for name, view in self.layout.views(row).items()
        }
        loss = task.loss(self.outputs(views, batch, noise, backward), batch)
        leaves = [view for view in views.values() if view.requires_grad]
        partials = iter(torch.autograd.grad(loss, leaves, materialize_grads=True))
        for slot in self.layout.slots:
            slot.view(gradient).copy_(torch.zeros(()) if slot.name in frozen else next(partials))
        return loss.detach()

    @final
    def rate_factors(self) -> Tensor | None:
        """Return factors on the learning rate, (P,) float64, 0 for frozen tensors; None if all are 1."""
        row, declared = torch.ones(self.layout.row_size, dtype=torch.float64), bool(self.frozen)
        for slot in self.layout.slots:
            if slot.name in self.frozen:
                slot.view(row).zero_()
        for cell, tensors in self.scans(self.layout.views(row)):
            for name, factor in cell.rate_factors().items():
                tensors[name].fill_(factor)
                declared = True
        return row if declared else None

    @final
    @torch.no_grad()
    def orthogonality_error(self, row: Tensor) -> float | None:
        """Return the largest `Cell.orthogonality_error` of all scans; None if no cell has an orthogonal matrix."""
        errors = [cell.orthogonality_error(tensors) for cell, tensors in self.scans(self.layout.views(row))]
        known = [float(error) for error in errors if error is not None]
        return max(known) if known else None


class SequenceNetwork(AnyNetwork):
    """A network that has states at each step of its input sequence: all except those with a decoder."""

    @abstractmethod
    def states(self, views: Mapping[str, Tensor], inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the states that the readout reads, at every step, (T, B, W).

        Args:
            views: The tensors by their names in `layout`.
            inputs: (T, B) tokens or (T, B, I) vectors.
            lengths: (B,), the lengths of sequences; T by default.
        """

    @abstractmethod
    def reach(self, length: int) -> int:
        """Return the number of steps of a sequence that the state at the last one depends on, the last included."""

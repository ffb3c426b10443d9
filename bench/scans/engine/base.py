"""The contract of a kernel: it runs a cell forward and backward over sequences in compiled loops."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.scans.engine import layer
from longlag.scans.engine.chunks import run_in_chunks
from longlag.scans.engine.differentiable import run_kernel
from longlag.scans.engine.pair import Pair
from longlag.values.backward import PLAIN, Backward, Signal


class Fused(ABC):
    """A cell's kernel."""

    direct: ClassVar[bool]
    """Whether the scan's weights and outputs are those of the cell, so that layers do not need autograd."""

    @abstractmethod
    def run(
        self, cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, initial: State | None = None
    ) -> tuple[Tensor, State]:
        """Run over a batch of sequences.

        Args:
            cell: The cell.
            inputs: Tokens (T, B) or vectors (T, B, I).
            weights: The cell's weights, by name.
            backward: What happens to the signal in the backward pass.
            initial: The states before the first step, (B, ...) each; zeros by default.

        Returns:
            The outputs (T, B, H) and the states after the last step.
        """

    @abstractmethod
    def warm(self, tokens: bool, dtype: str) -> None:
        """Compile the code that training needs, or load it from disk, so that no update is timed with it.

        Args:
            tokens: Whether inputs are tokens; else they are vectors.
            dtype: The precision.
        """


class Kernel(Pair, Fused):
    """A pair of functions for one unit at one time step, run by shared loops (`longlag.scans.engine.scan`)."""

    direct: ClassVar[bool] = True
    """As in `Fused`; where false, `weights` and `read` compute the scan's weights and the cell's outputs."""

    def run(
        self, cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, initial: State | None = None
    ) -> tuple[Tensor, State]:
        """Run over a batch of sequences."""
        states, *others = run_kernel(self, self.weights(cell, weights), inputs, initial, backward)
        outputs = self.read(cell, partial(cell.project, inputs, weights), states, weights)
        if backward.seen is not None and self.outputs > 1:
            backward.seen[-1].listen(outputs)
        return outputs, (states[-1] if self.outputs == 1 else states[0, -1], *others)

    def warm(self, tokens: bool, dtype: str) -> None:
        """Compile by running one step of one unit forward and backward."""
        layer.warm(self, tokens, dtype)

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Return the scan's weights, computed differentiably from the cell's; by default they are the same."""
        return weights

    def read(self, cell: Cell, projected: Callable[[], Tensor], states: Tensor, weights: Weights) -> Tensor:
        """Return the cell's outputs (T, B, H) at every step.

        Args:
            cell: The cell.
            projected: Computes the cell's input projection, (T, B, ...).
            states: The scan's outputs, (T, B, H), or (outputs, T, B, H) where the kernel has several.
            weights: The cell's weights, by name.
        """
        return states


class OwnLoops(Fused):
    """A scan with its own loops over time, for cells whose units cannot be computed one by one.

    Torch computes the loops' inputs for all time steps of a chunk together.
    """

    direct: ClassVar[bool] = False

    def run(
        self, cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, initial: State | None = None
    ) -> tuple[Tensor, State]:
        """Run over a batch of sequences."""
        size, batch = cell.hidden_size(weights), inputs.shape[1]
        state = cell.start(batch, size, weights["input_weight"]) if initial is None else initial
        signal = backward.watch(inputs, state, size)

        def piece(start: int, inputs: Tensor, weights: Weights, state: State) -> tuple[Tensor, State]:
            seen = None if signal is None else signal.over(slice(start, start + len(inputs)))
            return self.scan(cell, cell.project(inputs, weights), weights, state, backward, seen, start)

        numbers = sum(cell.gate_widths(size).values()) + (cell.state_count(size) if torch.is_grad_enabled() else 0)
        length = max(1, layer.KEPT_NUMBERS // max(1, numbers * batch))
        outputs, state = run_in_chunks(piece, length, inputs, weights, state)
        if signal is not None:
            signal.listen(outputs)
        return outputs, state

    @abstractmethod
    def scan(
        self, cell: Cell, projected: Tensor, weights: Weights, state: State, backward: Backward, signal: Signal | None,
        start: int,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """Run over one chunk of time steps, like `longlag.scans.run.scan`.

        Args:
            cell: The cell.
            projected: (T, B, ...), the chunk's projected inputs.
            weights: The cell's weights, by name.
            state: The states before the chunk, (B, ...) each.
            backward: What happens to the signal in the backward pass.
            signal: Filled with the signal that was carried; None if nobody wants it.
            start: The place of the chunk's first time step in the whole sequence.

        Returns:
            The outputs (T, B, H) and the states after the chunk.
        """

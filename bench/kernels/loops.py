"""A cell's own loops over time, as one step of autograd: run in chunks of time, whose states are kept or made again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.backward import PLAIN, Backward, Signal
from bench.kernels import layer, workspace

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Loops:
    """Compiled loops, there and back.

    Attributes:
        forward: Gets what is given at each step (T, ...) and what is steady; states, the initial ones in row 0; and
            outputs, written. The states before step t are in row t, or in t modulo the rows where fewer are kept.
        backward: Gets what is given; all states (T + 1, ...); the outputs' gradients; the gradients of the last states
            by what comes later, which become the initial states'; the gradients of what is given, written, or added
            to for what is steady; the backward signal after clipping (T, ...), written, with no time steps where it is
            not kept; its limit, of the arrays' type, infinity leaving it as it is; the steps of a chunk at whose
            borders it ends, 0 for none; and the place of the first time step here in the whole sequence.
        batch_axis: The axis of a state that counts the sequences.
        steady: How many of the tensors given, the last ones, are the same at every step and for all sequences. Their
            gradients are found for each sequence, along an axis behind the others.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    batch_axis: int
    steady: int = 0

    def run(
        self, given: Sequence[Tensor], initial: Tensor, how: Backward = PLAIN, signal: Signal | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run over a batch of sequences, with gradients through every tensor.

        Args:
            given: As the loops want it; outputs are shaped like the first tensor.
            initial: The states before the first step.
            how: How the way back goes.
            signal: Is filled with what was carried, but for what arrived.

        Returns:
            The outputs and the last states.
        """
        tensors = [tensor.contiguous() for tensor in (*given, initial)]
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return _Scan.apply(self, how, signal, *tensors)  # type: ignore[no-untyped-call,no-any-return]
        outputs, last = _Chunks(self, tensors).pass_over()
        return torch.from_numpy(outputs), torch.from_numpy(last)


class _Chunks:
    """The arrays of one call, run in chunks of time; a chunk's length follows from the shape alone."""

    def __init__(self, loops: Loops, tensors: Sequence[Tensor]) -> None:
        *given, self.initial = (tensor.detach().numpy() for tensor in tensors)
        place = len(given) - loops.steady
        self.loops, self.along, self.steady = loops, given[:place], given[place:]
        self.steps = len(given[0])
        self.length = min(self.steps, max(1, layer.KEPT_NUMBERS // max(1, self.initial.size)))

    def pass_over(self) -> tuple[Array, Array]:
        """Return the outputs and the last states, nothing being kept on the way."""
        states, outputs = workspace.take((2, *self.initial.shape), self.initial.dtype), np.empty_like(self.along[0])
        states[0] = self.initial
        self.loops.forward((*self.along, *self.steady), states, outputs)
        last = states[self.steps % 2].copy()
        workspace.give_back([states])
        return outputs, last

    def given(self, start: int) -> tuple[Array, ...]:
        """Return what the chunk that starts there is given."""
        return (*(array[start : start + self.length] for array in self.along), *self.steady)

    def forward(self, start: int, state: Array) -> tuple[Array, Array]:
        """Run the chunk that starts there; return its states (T + 1, ...) and outputs."""
        given = self.given(start)
        states = workspace.take((len(given[0]) + 1, *state.shape), state.dtype)
        states[0], outputs = state, np.empty_like(given[0])
        self.loops.forward(given, states, outputs)
        return states, outputs

    def all_forward(self) -> tuple[Array, Array, list[Array], Array | None]:
        """Return the outputs, the last states, the states at the chunks' borders, and those of a single chunk."""
        outputs, state, borders, whole = np.empty_like(self.along[0]), self.initial, [], self.length == self.steps
        for start in range(0, self.steps, self.length):
            borders.append(state)
            states, outputs[start : start + self.length] = self.forward(start, state)
            state = states[-1].copy()
            if not whole:
                workspace.give_back([states])
        return outputs, state, borders, states if whole else None


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: Loops, how: Backward, signal: Signal | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, last, ctx.borders, ctx.states = _Chunks(loops, tensors).all_forward()
        ctx.save_for_backward(*tensors)
        ctx.loops, ctx.how, ctx.signal = loops, how, signal
        return torch.from_numpy(outputs), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, by_last: Tensor) -> tuple[Tensor | None, ...]:
        loops, chunks, signal = ctx.loops, _Chunks(ctx.loops, ctx.saved_tensors), ctx.signal
        by_output, carry = by_outputs.contiguous().numpy(), by_last.contiguous().numpy().copy()
        by_along, batch = [np.empty_like(array) for array in chunks.along], carry.shape[loops.batch_axis]
        by_steady = [np.zeros((*array.shape, batch), array.dtype) for array in chunks.steady]
        limit = carry.dtype.type(ctx.how.signal_limit)
        for start in reversed(range(0, chunks.steps, chunks.length)):
            states, ctx.states = ctx.states, None
            if states is None:  # several chunks, or a second time, the graph having been retained
                states, _ = chunks.forward(start, ctx.borders[start // chunks.length])
            here = slice(start, start + chunks.length)
            signals = np.empty((len(states) - 1 if signal is not None else 0, *carry.shape), carry.dtype)
            found = (*(array[here] for array in by_along), *by_steady)
            how = (signals, limit, ctx.how.truncate, start)
            loops.backward(chunks.given(start), states, by_output[here], carry, found, *how)
            if signal is not None:
                for kept, along in ((signal.before, states[:-1]), (signal.passed, signals)):
                    kept[0][here] = torch.from_numpy(along).movedim(_along(loops.batch_axis), 1)
            workspace.give_back([states])
        summed = [array.sum(-1) for array in by_steady]
        return None, None, None, *map(torch.from_numpy, [*by_along, *summed, carry])


def _along(axis: int) -> int:
    """Return where an axis of a state stands behind that of time."""
    return axis if axis < 0 else axis + 1

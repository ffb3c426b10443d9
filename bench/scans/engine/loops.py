"""A cell's own loops over time as a function of autograd."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from longlag.scans.engine import workspace
from longlag.scans.engine.scan import SignalRules
from longlag.values.backward import PLAIN, Backward, Signal

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Loops:
    """Compiled loops over time, forward and backward.

    Attributes:
        given: The class of the loops' inputs, a named tuple of arrays: first those with a time axis, (T, ...), then
            the constant ones.
        forward: The forward loop. Its arguments are the inputs; the states, with the initial ones in row 0; and the
            outputs, written. The states before step t are in row t, or in t modulo the rows if fewer are kept.
        backward: The backward loop. Its arguments are the inputs; all states (T + 1, ...); the gradients by the
            outputs; the gradients by the last states, replaced by those by the initial states; the gradients by the
            inputs, written, or added to for constant inputs; and the rules of the signal.
        batch_axis: The axis of a state that counts the sequences.
        steady: How many of the inputs, the last ones, are constant over steps and sequences. The loop computes their
            gradients for each sequence, along a last axis.
    """

    given: Callable[..., tuple[Array, ...]]
    forward: Callable[..., None]
    backward: Callable[..., None]
    batch_axis: int
    steady: int = 0

    def run(
        self, given: Sequence[Tensor], initial: Tensor, backward: Backward = PLAIN, signal: Signal | None = None,
        start: int = 0,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Run over a batch of sequences, with gradients through every tensor.

        Args:
            given: The inputs, in the order of the class `given`; the outputs have the shape of the first one.
            initial: The states before the first step.
            backward: What happens to the signal in the backward pass.
            signal: Filled with the signal that was carried; `arriving` is left to the caller.
            start: The place of the first time step in the whole sequence.

        Returns:
            The outputs and the states after the last step.
        """
        tensors = [tensor.contiguous() for tensor in (*given, initial)]
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return _Scan.apply(self, backward, signal, start, *tensors)  # type: ignore[no-untyped-call,no-any-return]
        outputs, states = self.forward_over(tensors, 2)
        last = torch.from_numpy(states[len(outputs) % 2].copy())
        workspace.give_back([states])
        return torch.from_numpy(outputs), last

    def forward_over(self, tensors: Sequence[Tensor], rows: int) -> tuple[Array, Array]:
        """Return the outputs and ``rows`` rows of states; the caller may give the states back to `workspace`."""
        *given, initial = (tensor.detach().numpy() for tensor in tensors)
        outputs, states = np.empty_like(given[0]), workspace.take((rows, *initial.shape), initial.dtype)
        states[0] = initial
        self.forward(self.given(*given), states, outputs)
        return outputs, states


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loops: Loops, backward: Backward, signal: Signal | None, start: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        outputs, ctx.states = loops.forward_over(tensors, len(tensors[0]) + 1)
        ctx.save_for_backward(*tensors)
        ctx.loops, ctx.backward_pass, ctx.signal, ctx.start = loops, backward, signal, start
        return torch.from_numpy(outputs), torch.from_numpy(ctx.states[-1].copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, by_last: Tensor) -> tuple[Tensor | None, ...]:
        loops, tensors, signal = ctx.loops, ctx.saved_tensors, ctx.signal
        states, ctx.states = ctx.states, None
        if states is None:  # a second backward pass over a retained graph
            _, states = loops.forward_over(tensors, len(tensors[0]) + 1)
        given = loops.given(*(tensor.detach().numpy() for tensor in tensors[:-1]))
        by_output, carry = by_outputs.contiguous().numpy(), by_last.contiguous().numpy().copy()
        place, batch = len(given) - loops.steady, carry.shape[loops.batch_axis]
        by_along = [np.empty_like(array) for array in given[:place]]
        by_steady = [np.zeros((*array.shape, batch), array.dtype) for array in given[place:]]
        passed = np.empty((len(by_output) if signal is not None else 0, *carry.shape), carry.dtype)
        limit = carry.dtype.type(ctx.backward_pass.signal_limit)
        rules = SignalRules(passed, limit, ctx.backward_pass.truncate, ctx.start)
        loops.backward(given, states, by_output, carry, loops.given(*by_along, *by_steady), rules)
        if signal is not None:
            axis = loops.batch_axis if loops.batch_axis < 0 else 1 + loops.batch_axis
            signal.before[0].copy_(torch.from_numpy(states[:-1]).movedim(axis, 1))
            signal.passed[0].copy_(torch.from_numpy(passed).movedim(axis, 1))
        workspace.give_back([states])
        summed = [array.sum(-1) for array in by_steady]
        return None, None, None, None, *map(torch.from_numpy, [*by_along, *summed, carry])

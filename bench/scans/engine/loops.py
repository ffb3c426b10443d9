"""A cell's own loops over time, as one step of autograd."""

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
    """Compiled loops, there and back.

    Attributes:
        given: The class of what is given, a named tuple of arrays: those of each step, (T, ...), then the steady ones.
        forward: Gets what is given; states, the initial ones in row 0; and outputs, written. The states before step t
            are in row t, or in t modulo the rows where fewer are kept.
        backward: Gets what is given; all states (T + 1, ...); the gradients by the outputs; those by the last states,
            through what comes later, which become those by the initial states; those by what is given, written, or
            added to for what is steady; and the rules of the signal.
        batch_axis: The axis of a state that counts the sequences.
        steady: How many of the tensors given, the last ones, are the same at every step and for all sequences. Their
            gradients are found for each sequence, along an axis behind the others.
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
            given: In the order of the loops' own class; outputs are shaped like the first tensor.
            initial: The states before the first step.
            backward: How the way back goes.
            signal: Is filled with what was carried, but for what arrived.
            start: The place of the first time step here in the whole sequence.

        Returns:
            The outputs and the last states.
        """
        tensors = [tensor.contiguous() for tensor in (*given, initial)]
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return _Scan.apply(self, backward, signal, start, *tensors)  # type: ignore[no-untyped-call,no-any-return]
        outputs, states = self.forward_over(tensors, 2)
        last = torch.from_numpy(states[len(outputs) % 2].copy())
        workspace.give_back([states])
        return torch.from_numpy(outputs), last

    def forward_over(self, tensors: Sequence[Tensor], rows: int) -> tuple[Array, Array]:
        """Return the outputs and ``rows`` rows of states, which `workspace` may have back."""
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
        if states is None:  # a second time, the graph having been retained
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

"""A diagonal linear recurrence steered by its inputs, with its readout, as one step of autograd.

    a = exp(d c)        s' = a s + x w        y = sum over n of r s'

for N numbers s of each of H units. d and x belong to a unit, w and r to a number, at every step and sequence; c is
negative and stays. With dy the loss's derivative by y, and ds' all that reaches s', r dy and what comes from later:

    dr = sum_h dy s'    dw = sum_h ds' x    dx = sum_n ds' w    ds = ds' a
    q  = ds' s a        dd = sum_n q c      dc = sum over steps and sequences of q d

Since units share w and r, and numbers share d and x, no pass over single units (`bench.kernels.scan`) can do it.
Sequences stand last in every array: a sum over units or numbers adds row to row, in the order of the loops.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.backward import PLAIN, Backward, Signal
from bench.kernels import layer, workspace
from bench.kernels.compiler import compiled, rounded, separate
from bench.kernels.functions import vanishing_exp
from bench.kernels.scan import bound

Array = np.ndarray[Any, Any]


@rounded
def _forward(d: Any, x: Any, w: Any, c: Any, s: Any) -> Any:
    return vanishing_exp(d * c) * s + x * w


@separate
def _advance(d: Any, x: Any, w: Any, r: Any, c: Any, before: Any, after: Any, outputs: Any) -> None:
    """Apply one time step; arrays as of `scan_forward`, without the time."""
    numbers, units, batch = before.shape
    outputs[:] = 0
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                s = _forward(d[h, b], x[h, b], w[n, b], c[n, h], before[n, h, b])
                after[n, h, b] = s
                outputs[h, b] += r[n, b] * s


@compiled
def scan_forward(given: Any, states: Any, outputs: Any) -> None:
    """Run forward in time.

    Args:
        given: d, x (T, H, B); w, r (T, N, B); c (N, H).
        states: (T + 1, N, H, B), the initial ones at time 0; the others are written.
        outputs: (T, H, B), written.
    """
    d, x, w, r, c = given
    for t in range(len(d)):
        _advance(d[t], x[t], w[t], r[t], c, states[t], states[t + 1], outputs[t])


@separate
def _arrive(carry: Any, r: Any, by_output: Any) -> None:
    """Add what reaches the states through the output of a time step."""
    numbers, units, batch = carry.shape
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                carry[n, h, b] += r[n, b] * by_output[h, b]


@separate
def _retreat(d: Any, x: Any, w: Any, c: Any, before: Any, after: Any, by_output: Any, carry: Any,
             by_d: Any, by_x: Any, by_w: Any, by_r: Any, by_c: Any) -> None:  # fmt: skip
    """Go back one time step; in several loops, which are vectorised only with few arrays each."""
    numbers, units, batch = before.shape
    by_d[:], by_x[:], by_w[:], by_r[:] = 0, 0, 0, 0
    q = np.empty_like(by_d[0])
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                by_w[n, b] += carry[n, h, b] * x[h, b]
                by_x[h, b] += carry[n, h, b] * w[n, b]
            for b in range(batch):
                by_r[n, b] += by_output[h, b] * after[n, h, b]
            for b in range(batch):
                a = vanishing_exp(d[h, b] * c[n, h])
                q[b] = carry[n, h, b] * before[n, h, b] * a
                carry[n, h, b] *= a
            for b in range(batch):
                by_d[h, b] += q[b] * c[n, h]
                by_c[n, h, b] += q[b] * d[h, b]


@compiled
def scan_backward(given: Any, states: Any, by_output: Any, carry: Any, found: Any, signals: Any, limit: Any,
                  truncate: int, start: int) -> None:  # fmt: skip
    """Run backward in time; `bench.backward` has the rules of the signal.

    Args:
        given: As of `scan_forward`.
        states: (T + 1, N, H, B), as `scan_forward` left them.
        by_output: (T, H, B), gradients of the outputs.
        carry: (N, H, B), gradients of the last states by what comes later; becomes the initial states'.
        found: The gradients of d, x, w and r, written; and that of c by each sequence, (N, H, B), added to.
        signals: (T, N, H, B), becomes the backward signal after clipping; with no time steps it is not kept.
        limit: The largest entry of the backward signal, of the arrays' type; infinity leaves it as it is.
        truncate: Steps of a chunk, at whose borders the signal ends; 0 for none.
        start: The place of the first time step here in the whole sequence.
    """
    d, x, w, r, c = given
    by_d, by_x, by_w, by_r, by_c = found
    for t in range(len(d) - 1, -1, -1):
        _arrive(carry, r[t], by_output[t])
        if limit < np.inf:
            bound(carry.reshape(-1), limit)
        if len(signals) > 0:
            signals[t] = carry
        _retreat(d[t], x[t], w[t], c, states[t], states[t + 1], by_output[t], carry,
                 by_d[t], by_x[t], by_w[t], by_r[t], by_c)  # fmt: skip
        if truncate > 0 and start + t > 0 and (start + t) % truncate == 0:
            carry[:] = 0


def run_diagonal(
    d: Tensor, x: Tensor, w: Tensor, r: Tensor, c: Tensor, initial: Tensor, how: Backward = PLAIN,
    signal: Signal | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run over a batch of sequences, with gradients through every tensor.

    Args:
        d: (T, H, B), as x; w and r are (T, N, B), c is (N, H).
        x: See there.
        w: See there.
        r: See there.
        c: See there.
        initial: (N, H, B), the states before the first step.
        how: How the way back goes.
        signal: Is filled with what was carried, but for what arrived.

    Returns:
        The outputs (T, H, B) and the last states (N, H, B).
    """
    tensors = [tensor.contiguous() for tensor in (d, x, w, r, c, initial)]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Diagonal.apply(how, signal, *tensors)  # type: ignore[no-untyped-call,no-any-return]
    outputs, last, _, _ = _Chunks(tensors, layer.PASSING_NUMBERS).all_forward()
    return torch.from_numpy(outputs), torch.from_numpy(last)


class _Chunks:
    """The arrays of one call, run in chunks of time; a chunk's length follows from the shape alone."""

    def __init__(self, tensors: Sequence[Tensor], numbers: int) -> None:
        *along, self.c, self.initial = (tensor.detach().numpy() for tensor in tensors)
        self.along = along
        self.steps = len(along[0])
        self.length = min(self.steps, max(1, numbers // max(1, self.initial.size)))

    def forward(self, start: int, state: Array) -> tuple[Array, Array]:
        """Run the chunk that starts there; return its states (T + 1, N, H, B) and outputs."""
        given = self.given(start)
        states = workspace.take((len(given[0]) + 1, *state.shape), state.dtype)
        states[0], outputs = state, np.empty_like(given[0])
        scan_forward(given, states, outputs)
        return states, outputs

    def given(self, start: int) -> tuple[Array, ...]:
        """Return what the chunk that starts there is given, as `scan_forward` wants it."""
        return (*(array[start : start + self.length] for array in self.along), self.c)

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


class _Diagonal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, how: Backward, signal: Signal | None, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        outputs, last, ctx.borders, ctx.states = _Chunks(tensors, layer.KEPT_NUMBERS).all_forward()
        ctx.save_for_backward(*tensors)
        ctx.how, ctx.signal = how, signal
        return torch.from_numpy(outputs), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, by_last: Tensor) -> tuple[Tensor | None, ...]:
        chunks, signal = _Chunks(ctx.saved_tensors, layer.KEPT_NUMBERS), ctx.signal
        by_output, carry = by_outputs.contiguous().numpy(), by_last.contiguous().numpy().copy()
        by_along, by_c = [np.empty_like(array) for array in chunks.along], np.zeros_like(carry)
        limit = carry.dtype.type(ctx.how.signal_limit)
        for start in reversed(range(0, chunks.steps, chunks.length)):
            states, ctx.states = ctx.states, None
            if states is None:  # several chunks, or a second time, the graph having been retained
                states, _ = chunks.forward(start, ctx.borders[start // chunks.length])
            here = slice(start, start + chunks.length)
            signals = np.empty((len(states) - 1 if signal is not None else 0, *carry.shape), carry.dtype)
            found = (*(array[here] for array in by_along), by_c)
            how = (signals, limit, ctx.how.truncate, start)
            scan_backward(chunks.given(start), states, by_output[here], carry, found, *how)
            if signal is not None:
                signal.before[0][here] = torch.from_numpy(states[:-1]).permute(0, 3, 1, 2)
                signal.passed[0][here] = torch.from_numpy(signals).permute(0, 3, 1, 2)
            workspace.give_back([states])
        return None, None, *map(torch.from_numpy, [*by_along, by_c.sum(-1), carry])

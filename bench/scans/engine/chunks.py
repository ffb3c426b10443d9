"""Runs long sequences in chunks of time: only states at the borders are kept; the backward pass recomputes the rest."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from longlag.cells.base import State, Weights

Piece = Callable[[int, Tensor, Weights, State], tuple[Tensor, State]]
"""A function that runs one chunk. Its arguments are the place of the chunk's first time step, its inputs, the weights,
and the states before it; it returns the outputs and the states after it."""


def run_in_chunks(piece: Piece, length: int, inputs: Tensor, weights: Weights, state: State) -> tuple[Tensor, State]:
    """Run over a batch of sequences, ``length`` time steps at a time, with gradients through every tensor.

    Args:
        piece: Runs one chunk, differentiably.
        length: The time steps of a chunk; the last chunk may be shorter.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: The weights, by name.
        state: The states before the first step, (B, ...) each.

    Returns:
        The outputs (T, B, H) and the states after the last step.
    """
    if length >= len(inputs):
        return piece(0, inputs, weights, state)
    outputs, *last = _Chunks.apply(piece, length, tuple(weights), inputs, *weights.values(), *state)  # type: ignore[no-untyped-call]
    return outputs, tuple(last)


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, piece: Piece, length: int, names: tuple[str, ...], inputs: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        weights, state = dict(zip(names, tensors, strict=False)), tensors[len(names) :]
        outputs, ctx.borders = inputs.new_empty(0), []
        for start in range(0, len(inputs), length):
            ctx.borders.append(state)
            made, state = piece(start, inputs[start : start + length], weights, state)
            if start == 0:
                outputs = made.new_empty(len(inputs), *made.shape[1:])
            outputs[start : start + length] = made
        ctx.save_for_backward(inputs, *weights.values())
        ctx.piece, ctx.length, ctx.names = piece, length, names
        return outputs, *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_outputs: Tensor, *by_last: Tensor) -> tuple[Tensor | None, ...]:
        inputs, *weights = ctx.saved_tensors
        length, carry = ctx.length, by_last
        wants_inputs = ctx.needs_input_grad[3]
        by_inputs = torch.empty_like(inputs) if wants_inputs else None
        by_weights = [torch.zeros_like(weight) for weight in weights]
        for start in reversed(range(0, len(inputs), length)):
            here = slice(start, start + length)
            x = inputs[here].detach().requires_grad_(wants_inputs)
            leaves = [weight.detach().requires_grad_() for weight in weights]
            state = tuple(part.detach().requires_grad_() for part in ctx.borders[start // length])
            with torch.enable_grad():
                outputs, after = ctx.piece(start, x, dict(zip(ctx.names, leaves, strict=True)), state)
            wanted = [*leaves, *state, *([x] if wants_inputs else [])]
            grads = torch.autograd.grad([outputs, *after], wanted, [by_outputs[here], *carry], materialize_grads=True)
            for total, part in zip(by_weights, grads, strict=False):
                total += part
            carry = grads[len(leaves) : len(leaves) + len(state)]
            if by_inputs is not None:
                by_inputs[here] = grads[-1]
        return None, None, None, by_inputs, *by_weights, *carry

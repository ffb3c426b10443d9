"""A layer on the fused path as a function of autograd."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from longlag.scans.engine import workspace
from longlag.scans.engine.layer import Layer
from longlag.scans.engine.pair import Pair
from longlag.values.backward import PLAIN, Backward


def run_kernel(
    kernel: Pair,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    initial: Sequence[Tensor] | None = None,
    backward: Backward = PLAIN,
) -> tuple[Tensor, ...]:
    """Run a kernel over a batch of sequences, with gradients through every tensor.

    Args:
        kernel: The kernel.
        weights: The scan's weights by name, as in `Layer`.
        inputs: Tokens (T, B) or vectors (T, B, I).
        initial: The states before the first step, (B, H) each; zeros by default.
        backward: What happens to the signal in the backward pass.

    Returns:
        The outputs (T, B, H), or (outputs, T, B, H), and every last state but the first, (B, H) each.
    """
    names = tuple(weights)
    tensors = [inputs, *weights.values(), *(initial or ())]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return _Scan.apply(kernel, names, backward, *tensors)  # type: ignore[no-untyped-call,no-any-return]
    outputs, last, _ = _layer(kernel, names, tensors).forward(keep=False)
    return torch.from_numpy(outputs), *map(torch.from_numpy, last)


def _layer(kernel: Pair, names: tuple[str, ...], tensors: Sequence[Tensor]) -> Layer:
    inputs, *others = (tensor.detach().contiguous().numpy() for tensor in tensors)
    return Layer(kernel, dict(zip(names, others, strict=False)), inputs, others[len(names) :] or None)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernel: Pair, names: tuple[str, ...], backward: Backward, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        layer = _layer(kernel, names, tensors)
        states, last, kept = layer.forward(keep=True)
        assert kept is not None
        if kept.chunk:  # their memory is free when neither the caller nor autograd holds the outputs
            states = states.view()
            weakref.finalize(states, workspace.give_back, [kept.chunk.states]).atexit = False
        outputs = torch.from_numpy(states)
        # Saved outputs live as long as the backward pass needs them, and autograd notices if they are changed.
        ctx.save_for_backward(*tensors, outputs)
        ctx.kernel, ctx.names, ctx.kept, ctx.backward_pass, ctx.signal = kernel, names, kept, backward, None
        if backward.seen is not None:
            ctx.signal = layer.blank_signal()
            backward.seen.append(ctx.signal)
        return outputs, *map(torch.from_numpy, last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, _ = ctx.saved_tensors
        layer = _layer(ctx.kernel, ctx.names, tensors)
        kept, ctx.kept = ctx.kept, None
        if kept is None:  # a second backward pass over a retained graph
            _, _, kept = layer.forward(keep=True)
        arriving = [grad.numpy() for grad in grads]
        grads_by_name, first = layer.backward(
            kept, arriving[0], arriving[1:], ctx.needs_input_grad[3], ctx.backward_pass, ctx.signal
        )
        initial = first if len(tensors) > 1 + len(ctx.names) else []
        by_inputs = torch.from_numpy(grads_by_name["inputs"]) if "inputs" in grads_by_name else None
        by_weights = [grads_by_name[name] for name in ctx.names]
        return None, None, None, by_inputs, *map(torch.from_numpy, [*by_weights, *initial])

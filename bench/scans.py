"""One layer of a cell over a sequence, in either direction: by a kernel where there is one, else step by step."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from bench.cells.base import Cell, State, Weights
from bench.kernels.find import kernel_for, serves


def standard_kernel(cell: Cell) -> Any:
    """Return the kernel that computes a cell's equations; None where there is none."""
    return kernel_for(cell) if cell.standard else None


def run_layer(cell: Cell, inputs: Tensor, weights: Weights) -> Tensor:
    """Run a cell over tokens (T, B) or vectors (T, B, I) from a zero state; return its outputs (T, B, H).

    A cell with a kernel runs fused where kernels run; the readable path gives the same numbers but for rounding.
    """
    weight = weights["input_weight"]
    if serves(weight.device.type, str(weight.dtype)) and (kernel := standard_kernel(cell)) is not None:
        from bench.kernels.differentiable import run_kernel

        return run_kernel(kernel, weights, inputs)[0]
    return run_readable(cell, inputs, weights)


def run_readable(cell: Cell, inputs: Tensor, weights: Weights) -> Tensor:
    """Do the same step by step, in torch."""
    if inputs.is_floating_point():
        projected = inputs @ weights["input_weight"]
    else:
        projected = embedding(inputs, weights["input_weight"])  # a one-hot product, as a look-up
    if cell.biased:
        projected = projected + weights["bias"]
    state = cell.start(projected.shape[1], cell.hidden_size(weights), projected)
    return scan(cell, projected, weights, state)


def scan(cell: Cell, projected: Tensor, weights: Weights, state: State) -> Tensor:
    """Step through time, the readable path: (T, B, G·H) projected inputs to (T, B, H) outputs."""
    weights, outputs = cell.prepare(weights), []
    for step in projected.unbind(0):
        state = cell.step(step, state, weights)
        outputs.append(cell.output(step, state, weights))
    return torch.stack(outputs)


def reversed_in_time(signal: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Turn each sequence of (T, B) or (T, B, I) round within its own length; what lies behind its end stays.

    >>> reversed_in_time(torch.tensor([[1, 5], [2, 6], [3, 0]]), torch.tensor([3, 2])).tolist()
    [[3, 6], [2, 5], [1, 0]]
    """
    if lengths is None:
        return signal.flip(0)
    step = torch.arange(len(signal), device=signal.device).unsqueeze(1)
    source = torch.where(step < lengths, lengths - 1 - step, step)
    places = source * signal.shape[1] + torch.arange(signal.shape[1], device=signal.device)
    return signal.flatten(0, 1).index_select(0, places.flatten()).view_as(signal)

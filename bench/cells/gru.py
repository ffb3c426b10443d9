"""Gated recurrent unit, reset after the product (the variant of `torch.nn.GRU`).

r, z = sigmoid(x_t W + b + h_{t-1} U)                                reset, update gate
n    = tanh(x_t W + b + r * (h_{t-1} U + candidate_bias))            candidate
h_t  = (1 - z) * n + z * h_{t-1}
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bench.cells.base import Cell, State, Weights


@dataclass(frozen=True)
class Gru(Cell):
    """The GRU of `torch.nn.GRU`; gates stand in its order (reset, update, candidate)."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Cho et al. 2014; reset after the product: Chung et al. 2014, as in cuDNN"
    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 3 * hidden_size), "candidate_bias": (hidden_size,)}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        size = h.shape[-1]
        recurrent = h @ weights["recurrent_weight"]
        r, z = torch.sigmoid(projected[..., : 2 * size] + recurrent[..., : 2 * size]).chunk(2, dim=-1)
        n = torch.tanh(projected[..., 2 * size :] + r * (recurrent[..., 2 * size :] + weights["candidate_bias"]))
        return (n + z * (h - n),)

"""Minimal GRU: gate and candidate do not see the past, so that the scan is linear.

z   = sigmoid(x_t W + b)                             update gate
n   = x_t W + b                                      candidate
h_t = (1 - z) * h_{t-1} + z * n

Parameters: 2 H (I + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights


@dataclass(frozen=True)
class Mingru(Cell):
    """Minimal GRU, without recurrent weights."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, section 3.1"
    gates: ClassVar[tuple[str, ...]] = ("update", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        z, n = projected.chunk(2, dim=-1)
        return (h + torch.sigmoid(z) * (n - h),)

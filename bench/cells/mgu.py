"""Minimal gated unit: a GRU whose one gate both resets and updates.

f   = sigmoid(x_t W + b + h_{t-1} U)                 forget gate
n   = tanh(x_t W + b + (f * h_{t-1}) U)              candidate
h_t = (1 - f) * h_{t-1} + f * n

Parameters: 2 H (I + H + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights


@dataclass(frozen=True)
class Mgu(Cell):
    """Minimal gated unit: one gate resets and updates."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Zhou, Wu, Zhang & Zhou 2016, section 3"
    gates: ClassVar[tuple[str, ...]] = ("forget", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)
    no_kernel: ClassVar[str] = "two products per step, the second with a state that the first gates"

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 2 * hidden_size)}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        (x_f, x_n), (u_f, u_n) = projected.chunk(2, dim=-1), weights["recurrent_weight"].chunk(2, dim=-1)
        f = torch.sigmoid(x_f + h @ u_f)
        n = torch.tanh(x_n + (f * h) @ u_n)
        return (h + f * (n - h),)

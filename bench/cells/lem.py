"""Long expressive memory: two states whose step sizes are learnt, for slow and for fast time scales.

d, e = dt * sigmoid(x_t W + b + y_{t-1} U)           step sizes of y and z
z_t  = (1 - e) * z_{t-1} + e * tanh(x_t W + b + y_{t-1} U)
y_t  = (1 - d) * y_{t-1} + d * tanh(x_t W + b + z_t V)

Parameters: 4 H (I + H + 1). State: 2 H.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Lem(Cell):
    """Long expressive memory."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Rusch, Mishra, Erichson & Mahoney 2022, section 2"
    gates: ClassVar[tuple[str, ...]] = ("step_y", "step_z", "z", "y")
    states: ClassVar[tuple[str, ...]] = ("y", "z")
    no_kernel: ClassVar[str] = "two products per step, the second with the new slow state"

    dt: float = option(1.0, "largest step size", low=1e-6, high=1)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 3 * hidden_size), "slow_weight": (hidden_size, hidden_size)}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        y, z = state
        *others, x_y = projected.chunk(4, dim=-1)
        d, e, n = (x + r for x, r in zip(others, (y @ weights["recurrent_weight"]).chunk(3, dim=-1), strict=True))
        z = z + self.dt * torch.sigmoid(e) * (torch.tanh(n) - z)
        y = y + self.dt * torch.sigmoid(d) * (torch.tanh(x_y + z @ weights["slow_weight"]) - y)
        return y, z

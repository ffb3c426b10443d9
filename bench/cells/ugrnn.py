"""Update gate network: a plain network and its past, mixed by one gate.

g   = sigmoid(x_t W + b + h_{t-1} U)                 update gate
n   = tanh(x_t W + b + h_{t-1} U)                    candidate
h_t = g * h_{t-1} + (1 - g) * n

Parameters: 2 H (I + H + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Ugrnn(Cell):
    """Update gate network: one gate between the past and the candidate."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Collins, Sohl-Dickstein & Sussillo 2017"
    gates: ClassVar[tuple[str, ...]] = ("update", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    update_bias: float = option(1.0, "initial bias of the update gate", low=-100, high=100)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 2 * hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["bias"][: len(values["recurrent_weight"])] = self.update_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        g, n = (projected + h @ weights["recurrent_weight"]).chunk(2, dim=-1)
        n = torch.tanh(n)
        return (n + torch.sigmoid(g) * (h - n),)

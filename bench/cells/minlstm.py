"""Minimal LSTM: gates and candidate do not see the past; forget and input gate are made to add up to 1.

f, i = sigmoid(x_t W + b)                            forget, input gate
n    = x_t W + b                                     candidate
h_t  = f / (f + i) * h_{t-1} + i / (f + i) * n

Parameters: 3 H (I + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Minlstm(Cell):
    """Minimal LSTM, without recurrent weights."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, section 3.2"
    gates: ClassVar[tuple[str, ...]] = ("forget", "input", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    forget_bias: float = option(1.0, "initial bias of the forget gate", low=-100, high=100)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["bias"][: len(values["bias"]) // 3] = self.forget_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        f, i, n = projected.chunk(3, dim=-1)
        share = torch.sigmoid(logsigmoid(i) - logsigmoid(f))  # i / (f + i), also where both underflow
        return (h + share * (n - h),)

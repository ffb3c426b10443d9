"""Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

i, f, o = sigmoid(x_t W + b + h_{t-1} U)     input, forget, output gate
g       = tanh(x_t W + b + h_{t-1} U)        candidate
c_t     = f * c_{t-1} + i * g
h_t     = o * tanh(c_t)
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.cells.base import Cell, State, Weights
from tasks.options import option


@dataclass(frozen=True)
class Lstm(Cell):
    """The LSTM of `torch.nn.LSTM`; gates stand in its order (input, forget, candidate, output)."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000; its bias: Jozefowicz et al. 2015"
    )
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    forget_bias: float = option(1.0, "initial bias of the forget gate", low=-100, high=100)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 4 * hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        values["bias"][size : 2 * size] = self.forget_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        h, c = state
        i, f, g, o = (projected + h @ weights["recurrent_weight"]).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

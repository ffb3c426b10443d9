"""sLSTM: an LSTM with exponential input gate, normaliser and stabiliser.

i, f, g, o = x_t W + b + h_{t-1} U                   input, forget, candidate, output
m_t = max(log sigmoid(f) + m_{t-1}, i)               stabiliser: cancels in h_t; m_0 = -inf
c_t = exp(log sigmoid(f) + m_{t-1} - m_t) * c_{t-1} + exp(i - m_t) * tanh(g)
n_t = exp(log sigmoid(f) + m_{t-1} - m_t) * n_{t-1} + exp(i - m_t)
h_t = sigmoid(o) * c_t / n_t

One head: U is a full matrix. As long as n = 0, nothing has been written and the stabiliser counts as -inf, so that the
first m_t is the input gate itself, as in the authors' program; then n is at least 1 and h_t never 0 / 0.

Parameters: 4 H (I + H + 1). State: 4 H.
"""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Slstm(Cell):
    """The scalar LSTM of xLSTM, with an exponential input gate."""

    version: ClassVar[int] = 2
    reference: ClassVar[str] = "Beck et al. 2024, section 2.2 and appendix A.1"
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    states: ClassVar[tuple[str, ...]] = ("h", "c", "n", "m")

    forget_bias: float = option(1.0, "initial bias of the forget gate", low=-100, high=100)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 4 * hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        values["bias"][size : 2 * size] = self.forget_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        h, c, n, m = state
        i, f, g, o = (projected + h @ weights["recurrent_weight"]).chunk(4, dim=-1)
        kept = torch.where(n == 0, -inf, logsigmoid(f) + m)
        m = torch.maximum(kept, i)
        stay, enter = torch.exp(kept - m), torch.exp(i - m)
        c = stay * c + enter * torch.tanh(g)
        n = stay * n + enter
        return torch.sigmoid(o) * c / n, c, n, m

"""mLSTM: an LSTM whose cell state is a matrix, an associative memory with an exponential input gate.

q, k, v, i, f, o = x_t W + b          query, key (K each), value (H), input, forget (1 each), output (H)
m_t = max(log sigmoid(f) + m_{t-1}, i)               stabiliser: cancels in h_t
f'  = exp(log sigmoid(f) + m_{t-1} - m_t)
i'  = exp(i - m_t)
C_t = f' C_{t-1} + i' k v^T / sqrt(K)                memory, K x H
n_t = f' n_{t-1} + i' k / sqrt(K)                    normaliser, K
h_t = sigmoid(o) * q^T C_t / max(|q^T n_t|, exp(-m_t))

One head, whose gates do not read the state; C here is the paper's transposed. The convolution before queries and keys,
the normalisation of a head's output, and the projections and skip connections around it are left out. The forget gate's
bias starts at 3, the lowest initial value of heads in the authors' program.

Parameters: (I + 1) (2 K + 2 H + 2). State: K H + K + 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option

_LOWEST = -80.0
"""Below it exp(-m) would overflow in float32; reading such a memory gives 0 either way."""


@dataclass(frozen=True)
class Mlstm(Cell):
    """The matrix LSTM of xLSTM, one head with keys of ``key_size``."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Beck et al. 2024, section 2.3; stabilised form: appendix A"
    gates: ClassVar[tuple[str, ...]] = ("query", "key", "value", "input", "forget", "output")
    states: ClassVar[tuple[str, ...]] = ("memory", "normaliser", "stabiliser")
    no_kernel: ClassVar[str] = "no kernel is written for a memory with a normaliser"

    key_size: int = option(16, "numbers in a key (K)", low=1, high=1024)
    forget_bias: float = option(3.0, "initial bias of the forget gate", low=-100, high=100)

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        keys = {"query": self.key_size, "key": self.key_size}
        return keys | {"value": hidden_size, "input": 1, "forget": 1, "output": hidden_size}

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"memory": (self.key_size, hidden_size), "normaliser": (self.key_size,), "stabiliser": (1,)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["bias"]) // 2 - self.key_size - 1
        values["bias"][-size - 1] = self.forget_bias  # the output gate's stand behind it

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        memory, n, m = state
        _, k, v, i, f, _ = torch.split(projected, list(self.gate_widths(memory.shape[-1]).values()), dim=-1)
        kept = logsigmoid(f) + m
        m = torch.maximum(kept, i)
        stay, enter = torch.exp(kept - m), torch.exp(i - m)  # (B, 1)
        key = enter * self.key_size**-0.5 * k
        memory = stay.unsqueeze(-1) * memory + key.unsqueeze(-1) * v.unsqueeze(-2)
        return memory, stay * n + key, m

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        memory, n, m = state
        q, o = projected[..., : self.key_size], projected[..., -memory.shape[-1] :]
        norm = torch.maximum((q * n).sum(-1, keepdim=True).abs(), torch.exp(-m.clamp(min=_LOWEST)))
        return torch.sigmoid(o) * (q.unsqueeze(-2) @ memory).squeeze(-2) / norm

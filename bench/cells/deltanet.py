"""Gated delta rule: an associative memory that decays, and corrects what it holds under a key.

q, k, v, d, b = x_t W                                query, key (K each), value (H), decay, write (1 each)
q, k    = q / |q|, k / |k|
alpha   = exp(-exp(rate) softplus(d + offset))       how much of the memory stays
beta    = sigmoid(b)                                 how strongly a value is written
S_t     = alpha (S_{t-1} - beta k (k^T S_{t-1})) + beta k v^T
h_t     = q^T S_t

One head; the convolution, gate and normalisation that surround it in the paper are left out.

Parameters: I (2 K + H + 2) + 2. State: K H.
"""

from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.initialisers import softplus_inverse
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Deltanet(Cell):
    """Gated delta rule, one head with keys of ``key_size``."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Yang, Kautz & Hatamizadeh 2025, equation 10; decay: Dao & Gu 2024"
    gates: ClassVar[tuple[str, ...]] = ("query", "key", "value", "decay", "write")
    states: ClassVar[tuple[str, ...]] = ("memory",)
    biased: ClassVar[bool] = False

    key_size: int = option(16, "numbers in a key (K)", low=1, high=1024)

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        return {"query": self.key_size, "key": self.key_size, "value": hidden_size, "decay": 1, "write": 1}

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"memory": (self.key_size, hidden_size)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"rate": (1,), "offset": (1,)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["rate"] = np.log(generator.uniform(1, 16, 1))
        values["offset"] = softplus_inverse(np.exp(generator.uniform(log(0.001), log(0.1), 1)))

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (memory,) = state
        _, k, v, d, b = torch.split(projected, list(self.gate_widths(memory.shape[-1]).values()), dim=-1)
        alpha = torch.exp(-torch.exp(weights["rate"]) * softplus(d + weights["offset"])).unsqueeze(-1)
        key, beta = normalize(k, dim=-1).unsqueeze(-1), torch.sigmoid(b).unsqueeze(-1)
        held = key.mT @ memory  # (B, 1, H)
        return (alpha * (memory - beta * key @ held) + beta * key @ v.unsqueeze(-2),)

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        query = normalize(projected[..., : self.key_size], dim=-1)
        return (query.unsqueeze(-2) @ state[0]).squeeze(-2)

"""Gated delta rule: an associative memory that decays, and corrects the value stored under a key.

q, k, v, d, b = x_t W                                query, key (K each), value (H), decay, write (1 each)
q, k    = q / |q|, k / |k|
alpha   = exp(-exp(rate) softplus(d + offset))       how much of the memory stays
beta    = beta_max sigmoid(b)                        how strongly a value is written
S_t     = alpha (S_{t-1} - beta k (k^T S_{t-1})) + beta k v^T
h_t     = q^T S_t

With beta_max = 2 the transition's eigenvalue along a key, alpha (1 - beta), may be as low as -1; without negative
eigenvalues no such network computes parity (Grazzi et al. 2025). With n householders there are n keys, values and
strengths per step, and S_t follows from alpha S_{t-1} by n corrections, one after the other (Siems et al. 2025):

S_{t,j} = S_{t,j-1} - beta_j k_j (k_j^T S_{t,j-1}) + beta_j k_j v_j^T        S_{t,0} = alpha S_{t-1}

One head; the convolution, gate and normalisation that surround it in the paper are left out.

Parameters: I (K + n (K + H + 1) + 1) + 2. State: K H.
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
    reference: ClassVar[str] = (
        "Yang, Kautz & Hatamizadeh 2025, equation 10; decay: Dao & Gu 2024; beta_max: Grazzi et al. 2025; "
        "householders: Siems et al. 2025, equation 6"
    )
    gates: ClassVar[tuple[str, ...]] = ("query", "key", "value", "decay", "write")
    states: ClassVar[tuple[str, ...]] = ("memory",)
    biased: ClassVar[bool] = False

    key_size: int = option(16, "numbers in a key (K)", low=1, high=1024)
    beta_max: float = option(1.0, "largest strength of writing; 2 lets eigenvalues reach -1", low=0.01, high=2)
    householders: int = option(1, "corrections in a step (n)", low=1, high=16)

    @property
    def standard(self) -> bool:
        return self.householders == 1

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        n = self.householders
        return {"query": self.key_size, "key": n * self.key_size, "value": n * hidden_size, "decay": 1, "write": n}

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
        keys, values, strengths = (part.chunk(self.householders, dim=-1) for part in (k, v, b))
        for j, (k, v, b) in enumerate(zip(keys, values, strengths, strict=True)):
            key, beta = normalize(k, dim=-1).unsqueeze(-1), self.beta_max * torch.sigmoid(b).unsqueeze(-1)
            held = key.mT @ memory  # (B, 1, H)
            kept = memory - beta * key @ held
            memory = (kept if j else alpha * kept) + beta * key @ v.unsqueeze(-2)
        return (memory,)

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        query = normalize(projected[..., : self.key_size], dim=-1)
        return (query.unsqueeze(-2) @ state[0]).squeeze(-2)

"""RWKV-7: a delta rule with a decay and a learning rate for each number of the key.

r, d, k, v, a = x_t W                                receptance, decay, key (K each), value (H), rate (K)
w   = exp(-exp(-1/2) sigmoid(d + decay_start))       how much of each row of the memory stays: .545 to 1
a   = sigmoid(a + rate_start)                        in-context learning rate
c   = k * removal,  c = c / |c|                      removal key
k   = k * (1 + (a - 1) * mixing)                     replacement key
S_t = (diag(w) - (a * c) c^T) S_{t-1} + k v^T        memory, K x H
h_t = r^T S_t

Unlike in `deltanet`, the decay is a vector, values are removed and written under different keys, and a is a vector,
too: the transition is a diagonal plus a rank-one matrix. One head; S here is the paper's transposed. The token shift,
the low-rank maps that make d and a (here full, and linear), the value residual, the bonus r (k * rho) v, the
normalisation, the gate and the feed-forward layer around it are left out.

Parameters: I (4 K + H) + 4 K. State: K H.
"""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option

SLOWEST, FASTEST = -6.5, -1.5
"""Initial `decay_start`s are spread evenly between these, as in the authors' program: decays .9991 to .895."""


@dataclass(frozen=True)
class Rwkv7(Cell):
    """Generalised delta rule of RWKV-7, one head with keys of ``key_size``."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Peng et al. 2025, section 4 (time mixing)"
    gates: ClassVar[tuple[str, ...]] = ("receptance", "decay", "key", "value", "rate")
    states: ClassVar[tuple[str, ...]] = ("memory",)
    biased: ClassVar[bool] = False
    no_kernel: ClassVar[str] = "no kernel is written for decays of single rows of a memory"

    key_size: int = option(16, "numbers in a key (K)", low=1, high=1024)

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        return dict.fromkeys(self.gates, self.key_size) | {"value": hidden_size}

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"memory": (self.key_size, hidden_size)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("decay_start", "rate_start", "removal", "mixing"), (self.key_size,))

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["decay_start"] = np.linspace(SLOWEST, FASTEST, self.key_size)
        values["rate_start"] = np.zeros(self.key_size)
        values["removal"] = np.full(self.key_size, 0.85)
        values["mixing"] = np.ones(self.key_size)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (memory,) = state
        _, d, k, v, a = torch.split(projected, list(self.gate_widths(memory.shape[-1]).values()), dim=-1)
        w = torch.exp(-exp(-0.5) * torch.sigmoid(d + weights["decay_start"]))
        a = torch.sigmoid(a + weights["rate_start"])
        c = normalize(k * weights["removal"], dim=-1)
        k = k * (1 + (a - 1) * weights["mixing"])
        held = c.unsqueeze(-2) @ memory  # (B, 1, H)
        return (w.unsqueeze(-1) * memory - (a * c).unsqueeze(-1) * held + k.unsqueeze(-1) * v.unsqueeze(-2),)

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        return (projected[..., : self.key_size].unsqueeze(-2) @ state[0]).squeeze(-2)

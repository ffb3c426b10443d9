"""Mamba-2's recurrence: a selective state space in which all numbers of a head decay alike.

u, d, w, r = x_t W                     signal (H), step size (one a head), write, read (N each)
d   = softplus(d + offset)
s_t = exp(-d exp(rate)) s_{t-1} + (d u) w            N numbers for each of H units; d and the decay are its head's
h_t = r s_t + skip u

`selective`, Mamba's recurrence, has a step size for each unit and a decay for each of its numbers. With one decay per
head the state is a memory that is read like attention without a softmax: read is the query, write the key, d u the
value (the duality of the title). A head is H / heads units; with one head, the default, the layer has one decay, and
its units differ in their signal only. The paper's heads have 64 or 128 units, and states of 64 to 256 numbers per unit.

The convolution, gate, normalisation and projection around it are left out; as in the paper, all heads share write and
read.

Parameters: I (H + heads + 2 N) + 3 heads. State: N H.
"""

from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.initialisers import softplus_inverse
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Mamba2(Cell):
    """State space with one decay per head, as in Mamba-2's recurrence, and ``numbers`` per unit."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Dao & Gu 2024, sections 5.1 and 7 (structured state space duality)"
    gates: ClassVar[tuple[str, ...]] = ("signal", "step", "write", "read")
    states: ClassVar[tuple[str, ...]] = ("s",)
    biased: ClassVar[bool] = False
    no_kernel: ClassVar[str] = "no kernel is written for decays that units share"

    numbers: int = option(16, "state numbers per unit (N)", low=1, high=1024)
    heads: int = option(1, "groups of units with a decay each; they divide the hidden size", low=1, high=1024)

    @property
    def width_step(self) -> int:
        return self.heads

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        return {"signal": hidden_size, "step": self.heads, "write": self.numbers, "read": self.numbers}

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"s": (self.numbers, hidden_size)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("rate", "offset", "skip"), (self.heads,))

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["rate"] = np.log(generator.uniform(1, 16, self.heads))
        values["offset"] = softplus_inverse(np.exp(generator.uniform(log(0.001), log(0.1), self.heads)))
        values["skip"] = np.ones(self.heads)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (s,) = state
        u, d, w, _ = torch.split(projected, list(self.gate_widths(s.shape[-1]).values()), dim=-1)
        d = softplus(d + weights["offset"])
        decay = self._by_unit(torch.exp(-d * torch.exp(weights["rate"])), u)
        return (decay.unsqueeze(-2) * s + w.unsqueeze(-1) * (self._by_unit(d, u) * u).unsqueeze(-2),)

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        u, read = projected[..., : state[0].shape[-1]], projected[..., -self.numbers :]
        return (read.unsqueeze(-2) @ state[0]).squeeze(-2) + self._by_unit(weights["skip"], u) * u

    def _by_unit(self, of_head: Tensor, like: Tensor) -> Tensor:
        return of_head.repeat_interleave(like.shape[-1] // self.heads, dim=-1)

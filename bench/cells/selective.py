"""Selective state space: a diagonal linear recurrence whose step size, input and output depend on the input.

u, d, w, r = x_t W,  d = softplus(d + step_bias)     signal, step size (H each); write, read (N each)
s_t = exp(-d exp(a)) * s_{t-1} + (d u) w             N numbers for each of H units
h_t = r s_t + skip * u

Mamba's convolution, gate and low-rank step size, which surround this recurrence, are left out.

Parameters: 2 I (H + N) + N H + 2 H. State: N H.
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

SLOWEST, FASTEST = 0.001, 0.1
"""Initial step sizes are drawn between these, uniformly in their logarithm."""


@dataclass(frozen=True)
class Selective(Cell):
    """Diagonal selective state space, as in Mamba's recurrence, with ``numbers`` per unit."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Gu & Dao 2023, section 3.2 (algorithm 2); initial a: S4D-real"
    gates: ClassVar[tuple[str, ...]] = ("signal", "step", "write", "read")
    states: ClassVar[tuple[str, ...]] = ("s",)
    biased: ClassVar[bool] = False

    numbers: int = option(16, "state numbers per unit (N)", low=1, high=1024)

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        return {"signal": hidden_size, "step": hidden_size, "write": self.numbers, "read": self.numbers}

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"s": (self.numbers, hidden_size)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"a": (self.numbers, hidden_size), "step_bias": (hidden_size,), "skip": (hidden_size,)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["skip"])
        values["a"] = np.log(np.arange(1.0, self.numbers + 1))[:, None].repeat(size, 1)
        values["step_bias"] = softplus_inverse(np.exp(generator.uniform(log(SLOWEST), log(FASTEST), size)))
        values["skip"] = np.ones(size)

    def prepare(self, weights: Weights) -> Weights:
        return {**weights, "decay": -torch.exp(weights["a"]).unsqueeze(-3)}  # (1, N, H)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (s,) = state
        u, d, w, _ = torch.split(projected, list(self.gate_widths(s.shape[-1]).values()), dim=-1)
        d = softplus(d + weights["step_bias"])
        return (torch.exp(d.unsqueeze(-2) * weights["decay"]) * s + (d * u).unsqueeze(-2) * w.unsqueeze(-1),)

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        (s,) = state
        u, read = projected[..., : s.shape[-1]], projected[..., -self.numbers :]
        return (read.unsqueeze(-2) @ s).squeeze(-2) + weights["skip"] * u

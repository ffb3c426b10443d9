"""Coupled oscillatory network: each unit a damped oscillator driven by all others.

z_t = z_{t-1} + dt * (tanh(x_t W + b + y_{t-1} U + z_{t-1} V) - gamma * y_{t-1} - epsilon * z_{t-1})
y_t = y_{t-1} + dt * z_t

Parameters: H (I + 2 H + 1). State: 2 H.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Cornn(Cell):
    """Coupled oscillatory network; defaults as its authors set them for pixel-by-pixel digits."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Rusch & Mishra 2021, equation 3, with explicit damping as in the authors' code"
    gates: ClassVar[tuple[str, ...]] = ("force",)
    states: ClassVar[tuple[str, ...]] = ("y", "z")

    dt: float = option(0.042, "step size", low=1e-6, high=1)
    gamma: float = option(2.7, "stiffness", low=0, high=1000)
    epsilon: float = option(4.7, "damping", low=0, high=1000)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, hidden_size), "velocity_weight": (hidden_size, hidden_size)}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        y, z = state
        force = torch.tanh(projected + y @ weights["recurrent_weight"] + z @ weights["velocity_weight"])
        z = z + self.dt * (force - self.gamma * y - self.epsilon * z)
        return y + self.dt * z, z

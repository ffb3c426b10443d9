"""Antisymmetric network: small steps along a flow whose Jacobian has eigenvalues close to the imaginary axis.

M   = A - A^T - gamma I                              A strictly upper triangular
h_t = h_{t-1} + epsilon * tanh(x_t W + b + h_{t-1} M)

With ``gated=true`` the step is epsilon * sigmoid(x_t W + b + h_{t-1} M) * tanh(...): the gate has its own input weights
and the same M.

Parameters: G H (I + 1) + H (H - 1) / 2 with G = 1, gated 2. State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.equations import skew
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Antisymmetric(Cell):
    """Antisymmetric network: forward Euler steps of a stable differential equation."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Chang, Chen, Haber & Chi 2019, section 3"
    gates: ClassVar[tuple[str, ...]] = ("hidden", "gate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    epsilon: float = option(0.01, "step size", low=1e-6, high=1)
    gamma: float = option(0.01, "diffusion", low=0, high=10)
    gated: bool = option(False, "gate the step")

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        return dict.fromkeys(self.gates if self.gated else self.gates[:1], hidden_size)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"skew": (hidden_size * (hidden_size - 1) // 2,)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = self._size(values["bias"])
        values["skew"] = generator.normal(0, size**-0.5, values["skew"].shape)

    def prepare(self, weights: Weights) -> Weights:
        size = self._size(weights["bias"])
        damped = skew(weights["skew"], size)
        damped = damped - self.gamma * torch.eye(size, dtype=damped.dtype, device=damped.device)
        return {**weights, "matrix": damped}

    def _size(self, bias: Tensor | np.ndarray) -> int:
        return int(bias.shape[-1]) // (2 if self.gated else 1)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        recurrent = h @ weights["matrix"]
        n, *gates = projected.chunk(2 if self.gated else 1, dim=-1)
        step = self.epsilon * torch.tanh(n + recurrent)
        for z in gates:
            step = step * torch.sigmoid(z + recurrent)
        return (h + step,)

"""Skeleton: one line that says what is new about it.

Write the equations here, like the code below (x_t W + b is the input projection, computed for all steps at once):

z   = sigmoid(x_t W + b + h_{t-1} U)     how much is replaced
n   = tanh(x_t W + b + h_{t-1} U)        by what
h_t = (1 - z) * h_{t-1} + z * n

Parameters: 2 H (I + H + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights, option


@dataclass(frozen=True)
class Skeleton(Cell):
    """One line for listings."""

    version: ClassVar[int] = 1  # raise it where a change of the equations or of the initial weights changes results
    reference: ClassVar[str] = "who proposed it, and where"
    gates: ClassVar[tuple[str, ...]] = ("update", "candidate")  # blocks of the projection, hidden_size columns each
    states: ClassVar[tuple[str, ...]] = ("h",)  # carried from step to step; the first is the output

    # Options are spelled skeleton:update_bias=1; each has a default and may have limits.
    update_bias: float = option(-1.0, "initial bias of the update gate", low=-100, high=100)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights that `step` uses; input_weight and bias are declared already."""
        return {"recurrent_weight": (hidden_size, 2 * hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        """Change the initial values (uniform on ±1/√H) in place; draw from this generator and from nothing else."""
        hidden_size = len(values["recurrent_weight"])
        values["bias"][:hidden_size] = self.update_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        """Do one time step: projected (B, 2 H), each state (B, H)."""
        (h,) = state
        z, n = (projected + h @ weights["recurrent_weight"]).chunk(2, dim=-1)
        z, n = torch.sigmoid(z), torch.tanh(n)
        return ((1 - z) * h + z * n,)

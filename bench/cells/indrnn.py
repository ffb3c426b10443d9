"""Independently recurrent network: a unit sees its own past only.

h_t = f(x_t W + b + u * h_{t-1})

The bound that the authors put on |u| during training depends on the task's length and is left out.

Parameters: H (I + 2). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option

_FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Indrnn(Cell):
    """Independently recurrent network; recurrent weights start uniform between 0 and 1."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Li, Li, Cook, Zhu & Gao 2018, equation 2"
    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    nonlinearity: str = option("relu", "f", choices=("relu", "tanh"))

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size,)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        values["recurrent_weight"] = generator.uniform(0, 1, values["recurrent_weight"].shape)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        return (_FUNCTIONS[self.nonlinearity](projected + weights["recurrent_weight"] * h),)

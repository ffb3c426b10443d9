"""Recurrent highway network: several highway layers within a time step, carry and transform gate coupled.

s_0 = h_{t-1};  for l = 1 ... depth, the input at l = 1 only:
n   = tanh([x_t W + b] + s_{l-1} U_l + b_l)          candidate
g   = sigmoid([x_t W + b] + s_{l-1} U_l + b_l)       transform gate
s_l = g * n + (1 - g) * s_{l-1};  h_t = s_depth

Parameters: 2 H (I + depth (H + 1)). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Rhn(Cell):
    """Recurrent highway network, ``depth`` layers a time step."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Zilly, Srivastava, Koutnik & Schmidhuber 2017, section 4"
    gates: ClassVar[tuple[str, ...]] = ("candidate", "transform")
    states: ClassVar[tuple[str, ...]] = ("h",)
    no_kernel: ClassVar[str] = "one product after the other in each step, one per layer; depth=1 has a kernel"

    depth: int = option(2, "highway layers in a time step", low=1, high=100)
    transform_bias: float = option(-2.0, "initial bias of the transform gates", low=-100, high=100)

    @property
    def standard(self) -> bool:
        return self.depth == 1

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"recurrent_weight": (hidden_size, 2 * hidden_size)}
        for layer in range(2, self.depth + 1):
            shapes[f"layer_{layer}_weight"] = (hidden_size, 2 * hidden_size)
            shapes[f"layer_{layer}_bias"] = (2 * hidden_size,)
        return shapes

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        for name in values:
            if name.endswith("bias"):
                values[name][size:] = self.transform_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (s,) = state
        signal = projected + s @ weights["recurrent_weight"]
        s = _highway(signal, s)
        for layer in range(2, self.depth + 1):
            signal = s @ weights[f"layer_{layer}_weight"] + weights[f"layer_{layer}_bias"]
            s = _highway(signal, s)
        return (s,)


def _highway(signal: Tensor, s: Tensor) -> Tensor:
    n, g = signal.chunk(2, dim=-1)
    return s + torch.sigmoid(g) * (torch.tanh(n) - s)

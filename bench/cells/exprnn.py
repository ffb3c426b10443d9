"""Orthogonal network through the matrix exponential.

B   = exp(A - A^T)                                   A strictly upper triangular
h_t = modrelu(x_t W + h_{t-1} B),  modrelu(z) = sign(z) * relu(|z| + b)

Parameters: H (I + 1) + H (H - 1) / 2. State: H.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.equations import modrelu, skew
from longlag.cells.support.initialisers import rotations
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Exprnn(Cell):
    """Orthogonal network: the exponential of a skew-symmetric matrix, modReLU; the matrix learns at ``lr_scale``."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Lezcano-Casado & Martinez-Rubio 2019, section 4; henaff: Henaff, Szlam & LeCun 2016; "
        "cayley: Helfrich, Willmott & Ye 2018"
    )
    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    states: ClassVar[tuple[str, ...]] = ("h",)
    biased: ClassVar[bool] = False

    init: str = option("henaff", "initial 2x2 rotations", choices=("henaff", "cayley"))
    lr_scale: float = option(0.1, "factor on the learning rate of the orthogonal matrix", low=1e-6, high=1000)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"skew": (hidden_size * (hidden_size - 1) // 2,), "magnitude_bias": (hidden_size,)}

    def rate_factors(self) -> Mapping[str, float]:
        return {"skew": self.lr_scale}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["magnitude_bias"])
        inputs = len(values["input_weight"])
        angles = generator.uniform(-pi, pi, size // 2)
        if self.init == "cayley":
            turned = generator.uniform(0, pi / 2, size // 2)
            angles = -np.sqrt((1 - np.cos(turned)) / (1 + np.cos(turned)))
        values["skew"] = rotations(angles, size)
        values["input_weight"] = generator.normal(0, (2 / inputs) ** 0.5, (inputs, size))
        values["magnitude_bias"] = generator.uniform(-0.01, 0.01, size)

    def prepare(self, weights: Weights) -> Weights:
        size = weights["magnitude_bias"].shape[-1]
        return {**weights, "orthogonal": torch.matrix_exp(skew(weights["skew"], size))}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        return (modrelu(projected + h @ weights["orthogonal"], weights["magnitude_bias"]),)

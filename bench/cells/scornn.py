"""Orthogonal network through the scaled Cayley transform.

A   = K - K^T                                        K strictly upper triangular
B   = (I + A)^-1 (I - A) D                           D diagonal, fixed: a share of -1, the rest 1
h_t = modrelu(x_t W + h_{t-1} B^T),  modrelu(z) = sign(z) * relu(|z| + b)

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
class Scornn(Cell):
    """Orthogonal network: a scaled Cayley transform, modReLU; the matrix learns at ``lr_scale``."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Helfrich, Willmott & Ye 2018, sections 3 and 4"
    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    states: ClassVar[tuple[str, ...]] = ("h",)
    biased: ClassVar[bool] = False

    negative: float = option(0.5, "share of -1 in the scaling matrix", low=0, high=1)
    lr_scale: float = option(0.1, "factor on the learning rate of the orthogonal matrix", low=1e-6, high=1000)

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"skew": (hidden_size * (hidden_size - 1) // 2,), "magnitude_bias": (hidden_size,)}

    def rate_factors(self) -> Mapping[str, float]:
        return {"skew": self.lr_scale}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["magnitude_bias"])
        turned = generator.uniform(0, pi / 2, size // 2)
        values["skew"] = rotations(-np.sqrt((1 - np.cos(turned)) / (1 + np.cos(turned))), size)
        values["input_weight"] = generator.uniform(-0.01, 0.01, values["input_weight"].shape)
        values["magnitude_bias"] = np.zeros(size)

    def prepare(self, weights: Weights) -> Weights:
        size = weights["magnitude_bias"].shape[-1]
        a = skew(weights["skew"], size)
        one = torch.eye(size, dtype=a.dtype, device=a.device)
        scaling = one.new_ones(size)
        scaling[: round(self.negative * size)] = -1
        return {**weights, "orthogonal": (torch.linalg.solve(one + a, one - a) * scaling).mT}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        return (modrelu(projected + h @ weights["orthogonal"], weights["magnitude_bias"]),)

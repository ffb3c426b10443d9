"""Linear recurrent unit: a diagonal complex linear recurrence, read out linearly.

a   = exp(-exp(nu) + i exp(theta))                   complex, |a| < 1
s_t = a * s_{t-1} + exp(gamma) * (x_t W)             complex state of H numbers
h_t = Re(s_t C) + x_t D

The surrounding block (normalisation, nonlinearity, skip connection) is not part of the cell. D is a full matrix,
since inputs and outputs differ in size.

Parameters: 3 H (I + 1) + 2 H^2. State: 2 H.
"""

from dataclasses import dataclass
from math import pi
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Lru(Cell):
    """Linear recurrent unit: diagonal, complex, stable by its parameters."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Orvieto et al. 2023, section 3 and appendix A"
    gates: ClassVar[tuple[str, ...]] = ("real", "imaginary", "skip")
    states: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    biased: ClassVar[bool] = False

    r_min: float = option(0.0, "smallest initial |a|", low=0, high=0.9999)
    r_max: float = option(1.0, "largest initial |a|", low=1e-6, high=1)
    max_phase: float = option(2 * pi, "largest initial phase of a", low=1e-6, high=2 * pi)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.r_min >= self.r_max:
            raise UsageError("cell lru: r_min must be below r_max")

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        vectors: dict[str, tuple[int, ...]] = dict.fromkeys(("nu", "theta", "gamma"), (hidden_size,))
        return vectors | dict.fromkeys(("read_real", "read_imaginary"), (hidden_size, hidden_size))

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        inputs, size = len(values["input_weight"]), len(values["nu"])
        squares = generator.uniform(self.r_min**2, self.r_max**2, size).clip(1e-12, 1 - 1e-12)
        values["nu"] = np.log(-0.5 * np.log(squares))
        values["theta"] = np.log(generator.uniform(0, self.max_phase, size).clip(1e-12))
        values["gamma"] = 0.5 * np.log(1 - squares)
        values["input_weight"][:, : 2 * size] = generator.normal(0, (2 * inputs) ** -0.5, (inputs, 2 * size))
        for name in ("read_real", "read_imaginary"):
            values[name] = generator.normal(0, size**-0.5, (size, size))

    def prepare(self, weights: Weights) -> Weights:
        modulus, angle = torch.exp(-torch.exp(weights["nu"])), torch.exp(weights["theta"])
        factors = {"real": modulus * torch.cos(angle), "imaginary": modulus * torch.sin(angle)}
        return {**weights, **factors, "scale": torch.exp(weights["gamma"])}

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        real, imaginary = state
        x_real, x_imaginary, _ = projected.chunk(3, dim=-1)
        a, b, scale = weights["real"], weights["imaginary"], weights["scale"]
        return a * real - b * imaginary + scale * x_real, a * imaginary + b * real + scale * x_imaginary

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        real, imaginary = state
        skip = projected[..., 2 * real.shape[-1] :]
        return real @ weights["read_real"] - imaginary @ weights["read_imaginary"] + skip

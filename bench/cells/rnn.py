"""The plain recurrent network (Elman 1990).

h_t = f(x_t W + b + h_{t-1} U)

Parameters: H (I + H + 1). State: H.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.initialisers import orthogonal
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "linear": lambda signal: signal,
}
NONZEROS, RADIUS = 15, 0.95
"""Non-zero weights into a unit, and the spectral radius of the whole matrix, with ``init=pascanu``."""


@dataclass(frozen=True)
class Rnn(Cell):
    """Elman network; with ``nonlinearity=relu,init=identity`` the IRNN of Le, Jaitly & Hinton 2015.

    ``init=identity`` sets U to the identity and b to zero (IRNN, section 3) and keeps the default input weights;
    ``init=orthogonal`` draws U from the orthogonal group (Saxe, McClelland & Ganguli 2014); ``init=gaussian`` draws
    W and U from N(0, std²), b zero; ``init=pascanu`` gives U 15 non-zeros a unit and spectral radius 0.95, b zero.
    ``scale`` multiplies U as it was drawn: the spectral radius of an orthogonal one and of the identity.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Elman 1990; identity: Le, Jaitly & Hinton 2015; orthogonal: Saxe et al. 2014; "
        "gaussian, pascanu: Pascanu, Mikolov & Bengio 2013"
    )
    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    nonlinearity: str = option("tanh", "f", choices=("tanh", "relu", "sigmoid", "linear"))
    init: str = option(
        "default", "initial weights", choices=("default", "identity", "orthogonal", "gaussian", "pascanu")
    )
    std: float = option(0.1, "standard deviation of init=gaussian", low=1e-6, high=10)
    scale: float = option(
        1.0, "factor on initial recurrent weights: the spectral radius of orthogonal, identity", low=0, high=10
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if "std" in self.changed() and self.init != "gaussian":
            raise UsageError("cell rnn: std is an option of init=gaussian")

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        if self.init == "identity":
            values["recurrent_weight"] = np.eye(size)
        if self.init == "orthogonal":
            values["recurrent_weight"] = orthogonal(generator, size)
        if self.init == "gaussian":
            for name in ("input_weight", "recurrent_weight"):
                values[name] = generator.normal(0, self.std, values[name].shape)
        if self.init == "pascanu":
            values["recurrent_weight"] = _sparse(generator, size)
        if self.init in ("identity", "gaussian", "pascanu"):
            values["bias"] = np.zeros(size)
        values["recurrent_weight"] = values["recurrent_weight"] * self.scale

    @property
    def steepest(self) -> float:
        return 0.25 if self.nonlinearity == "sigmoid" else 1.0

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        return (_FUNCTIONS[self.nonlinearity](projected + h @ weights["recurrent_weight"]),)

    def carry_back(self, signal: State, projected: Tensor, before: State, weights: Weights) -> State:
        """Return (d f'(a)) U^T with f'(a) a constant, as in Pascanu, Mikolov & Bengio 2013, equation 10."""
        (slope,) = torch.autograd.grad(self.step(projected, before, weights), projected, signal)
        return (slope @ weights["recurrent_weight"].mT,)


def _sparse(generator: np.random.Generator, size: int) -> np.ndarray:
    kept = generator.random((size, size)).argsort(0) < NONZEROS  # in each column: the weights into a unit
    matrix = np.where(kept, generator.standard_normal((size, size)), 0.0)
    scaled: np.ndarray = matrix * (RADIUS / np.abs(np.linalg.eigvals(matrix)).max())
    return scaled

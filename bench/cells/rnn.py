"""The plain recurrent network (Elman 1990).

h_t = f(x_t W + b + h_{t-1} U)
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.cells.base import Cell, State, Weights, orthogonal
from tasks.options import option

_FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


@dataclass(frozen=True)
class Rnn(Cell):
    """Elman network; with ``nonlinearity=relu,init=identity`` the IRNN of Le, Jaitly & Hinton 2015.

    ``init=identity`` sets U to the identity and b to zero (IRNN, section 3) and keeps the default input weights;
    ``init=orthogonal`` draws U from the orthogonal group (Saxe, McClelland & Ganguli 2014).
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Elman 1990; identity: Le, Jaitly & Hinton 2015; orthogonal: Saxe et al. 2014"
    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    nonlinearity: str = option("tanh", "f", choices=("tanh", "relu", "sigmoid"))
    init: str = option("default", "initial recurrent matrix", choices=("default", "identity", "orthogonal"))

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        if self.init == "identity":
            values["recurrent_weight"] = np.eye(size)
            values["bias"] = np.zeros(size)
        if self.init == "orthogonal":
            values["recurrent_weight"] = orthogonal(generator, size)

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        return (_FUNCTIONS[self.nonlinearity](projected + h @ weights["recurrent_weight"]),)

"""JANET: an LSTM with the forget gate alone.

s   = x_t W + b + h_{t-1} U
n   = tanh(x_t W + b + h_{t-1} U)                    candidate
h_t = sigmoid(s) * h_{t-1} + (1 - sigmoid(s - beta)) * n

Parameters: 2 H (I + H + 1). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.initialisers import chrono
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Janet(Cell):
    """LSTM with the forget gate only; with ``beta`` above 0 more of the candidate enters than is forgotten."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "van der Westhuizen & Lasenby 2018, section 3; chrono: Tallec & Ollivier 2018"
    gates: ClassVar[tuple[str, ...]] = ("forget", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)

    beta: float = option(1.0, "how far the input's gate lags behind the forget gate", low=0, high=100)
    forget_bias: float = option(1.0, "initial bias of the forget gate", low=-100, high=100)
    init: str = option("default", "initial bias of the forget gate", choices=("default", "chrono"))
    span: int = option(100, "longest lag that init=chrono is made for, in steps", low=2, high=1_000_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init == "chrono" and "forget_bias" in self.changed():
            raise UsageError("cell janet: init=chrono draws the forget gate's bias; leave out forget_bias")
        if self.init != "chrono" and "span" in self.changed():
            raise UsageError("cell janet: span is an option of init=chrono")

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent_weight": (hidden_size, 2 * hidden_size)}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["recurrent_weight"])
        is_chrono = self.init == "chrono"
        values["bias"][:size] = chrono(generator, size, self.span) if is_chrono else self.forget_bias
        if is_chrono:
            values["bias"][size:] = 0

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        s, n = (projected + h @ weights["recurrent_weight"]).chunk(2, dim=-1)
        return (torch.sigmoid(s) * h + torch.sigmoid(self.beta - s) * torch.tanh(n),)

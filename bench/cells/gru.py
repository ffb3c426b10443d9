"""Gated recurrent unit, by default reset after the product (the variant of `torch.nn.GRU`).

r, z = sigmoid(x_t W + b + h_{t-1} U)                                reset, update gate
n    = tanh(x_t W + b + r * (h_{t-1} U + candidate_bias))            candidate
h_t  = (1 - z) * n + z * h_{t-1}

With ``reset=before`` (Cho et al. 2014, equation 8) the candidate is

n    = tanh(x_t W + b + (r * h_{t-1}) U)

which needs a second product a step, after the gate, and has no kernel.

With ``diagonal=true`` a unit sees its own past only: u * h_{t-1} in place of h_{t-1} U, with one weight per unit and
gate. Both variants of reset then differ only in candidate_bias. The ParaGRU of Danieli et al. (2025) is
``reset=before,diagonal=true``; its update gate is 1 - z, and its heads, which make W block-diagonal, and the block
around it are left out.

The update gate z keeps the state, as the forget gate of an LSTM does. ``update_bias`` is added to its initial bias, and
``init=chrono`` draws that bias as Tallec & Ollivier (2018, section 2) do for gates that keep: log U(1, span - 1).

Parameters: 3 H (I + H + 1) + H; before: 3 H (I + H + 1); diagonal: 3 H (I + 2) + H, before: 3 H (I + 2). State: H.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.cells.support.equations import by_unit
from longlag.cells.support.initialisers import chrono
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Gru(Cell):
    """The GRU of `torch.nn.GRU`; gates stand in its order (reset, update, candidate)."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Cho et al. 2014; reset after the product: Chung et al. 2014, as in cuDNN; chrono: Tallec & Ollivier 2018; "
        "diagonal: Danieli et al. 2025"
    )
    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "candidate")
    states: ClassVar[tuple[str, ...]] = ("h",)
    keeping_gate: ClassVar[str] = "update"

    reset: str = option("after", "reset gate after or before the recurrent product", choices=("after", "before"))
    update_bias: float = option(0.0, "added to the initial bias of the update gate, which keeps", low=-100, high=100)
    init: str = option("default", "initial bias of the update gate", choices=("default", "chrono"))
    span: int = option(100, "longest lag that init=chrono is made for, in steps", low=2, high=1_000_000)
    diagonal: bool = option(False, "let a unit see its own past only")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init == "chrono" and "update_bias" in self.changed():
            raise UsageError("cell gru: init=chrono draws the update gate's bias; leave out update_bias")
        if self.init != "chrono" and "span" in self.changed():
            raise UsageError("cell gru: span is an option of init=chrono")

    @property
    def standard(self) -> bool:
        return self.reset == "after" and not self.diagonal

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        bias: dict[str, tuple[int, ...]] = {"candidate_bias": (hidden_size,)} if self.reset == "after" else {}
        blocks = (3 * hidden_size,)
        return {"recurrent_weight": blocks if self.diagonal else (hidden_size, *blocks)} | bias

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        size = len(values["bias"]) // 3
        update = values["bias"][size : 2 * size]  # a view
        update[:] = chrono(generator, size, self.span) if self.init == "chrono" else update + self.update_bias

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        (h,) = state
        size, weight = h.shape[-1], weights["recurrent_weight"]
        product = by_unit if self.diagonal else torch.matmul
        if self.reset == "before":
            r, z = torch.sigmoid(projected[..., : 2 * size] + product(h, weight[..., : 2 * size])).chunk(2, dim=-1)
            n = torch.tanh(projected[..., 2 * size :] + product(r * h, weight[..., 2 * size :]))
        else:
            recurrent = product(h, weight)
            r, z = torch.sigmoid(projected[..., : 2 * size] + recurrent[..., : 2 * size]).chunk(2, dim=-1)
            n = torch.tanh(projected[..., 2 * size :] + r * (recurrent[..., 2 * size :] + weights["candidate_bias"]))
        return (n + z * (h - n),)

    def gate_values(self, projected: Tensor, state: State, weights: Weights) -> dict[str, Tensor]:
        (h,) = state
        size = 2 * h.shape[-1]
        product = by_unit if self.diagonal else torch.matmul
        signal = projected[..., :size] + product(h, weights["recurrent_weight"][..., :size])
        return dict(zip(("reset", "update"), torch.sigmoid(signal).chunk(2, dim=-1), strict=True))

"""Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000).

i, f, o = sigmoid(x_t W + b + h_{t-1} U)     input, forget, output gate
g       = tanh(x_t W + b + h_{t-1} U)        candidate
c_t     = f * c_{t-1} + i * g
h_t     = o * tanh(c_t)

Options change the equations: ``forget_gate=false`` sets f = 1 (the cell of 1997), ``coupled=true`` i = 1 - f (Greff
et al. 2017), and ``peepholes=true`` adds p * c_{t-1} inside i and f, and p * c_t inside o (Gers & Schmidhuber 2000).
With ``diagonal=true`` a unit sees its own past only: u * h_{t-1} in place of h_{t-1} U, with one weight per unit and
gate. The ParaLSTM of Danieli et al. (2025) is ``diagonal=true,coupled=true,peepholes=true``; its heads, which make W
block-diagonal, and the block around it are left out.

Parameters: G H (I + H + 1) with G = 4 gates, or 3 without a forget gate or with coupled gates; diagonal: G H (I + 2);
peepholes add (G - 1) H. State: 2 H.
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
class Lstm(Cell):
    """The LSTM of `torch.nn.LSTM`; gates stand in its order (input, forget, candidate, output)."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000; its bias: Jozefowicz et al. 2015; "
        "chrono: Tallec & Ollivier 2018; peepholes: Gers & Schmidhuber 2000; coupled: Greff et al. 2017; "
        "diagonal: Danieli et al. 2025"
    )
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    keeping_gate: ClassVar[str] = "forget"

    forget_bias: float = option(1.0, "initial bias of the forget gate", low=-100, high=100)
    init: str = option("default", "initial biases of input and forget gate", choices=("default", "chrono"))
    span: int = option(100, "longest lag that init=chrono is made for, in steps", low=2, high=1_000_000)
    peepholes: bool = option(False, "let the gates see the cell state")
    forget_gate: bool = option(True, "false: the cell of 1997")
    coupled: bool = option(False, "input gate = 1 - forget gate")
    diagonal: bool = option(False, "let a unit see its own past only")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.forget_gate and (self.coupled or self.init == "chrono" or "forget_bias" in self.changed()):
            raise UsageError("cell lstm: coupled, init=chrono and forget_bias need the forget gate")
        if self.init == "chrono" and "forget_bias" in self.changed():
            raise UsageError("cell lstm: init=chrono draws the forget gate's bias; leave out forget_bias")
        if self.init != "chrono" and "span" in self.changed():
            raise UsageError("cell lstm: span is an option of init=chrono")

    @property
    def standard(self) -> bool:
        return not self.diagonal

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        absent = {"input": self.coupled, "forget": not self.forget_gate}
        return {name: hidden_size for name in self.gates if not absent.get(name)}

    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        gates = len(self.gate_widths(hidden_size))
        blocks = (gates * hidden_size,)
        shapes: dict[str, tuple[int, ...]] = {"recurrent_weight": blocks if self.diagonal else (hidden_size, *blocks)}
        return shapes | ({"peephole_weight": ((gates - 1) * hidden_size,)} if self.peepholes else {})

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        names = list(self.gate_widths(1))
        bias = dict(zip(names, values["bias"].reshape(len(names), -1), strict=True))  # views
        size = len(bias["output"])
        if "forget" in bias:
            bias["forget"][:] = chrono(generator, size, self.span) if self.init == "chrono" else self.forget_bias
        if "input" in bias and self.init == "chrono":
            bias["input"][:] = -bias["forget"]

    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        h, c = state
        pre = self._signals(projected, h, weights)
        g = torch.tanh(pre.pop("candidate"))
        peep = dict(zip(pre, weights["peephole_weight"].chunk(len(pre), dim=-1), strict=True)) if self.peepholes else {}
        i, f = (
            torch.sigmoid(pre[name] + peep[name] * c if peep else pre[name]) if name in pre else None
            for name in ("input", "forget")
        )
        kept = c if f is None else f * c
        c = kept + (1 - f if i is None else i) * g  # type: ignore[operator]
        o = torch.sigmoid(pre["output"] + peep["output"] * c if peep else pre["output"])
        return o * torch.tanh(c), c

    def gate_values(self, projected: Tensor, state: State, weights: Weights) -> dict[str, Tensor]:
        h, c = state
        pre = self._signals(projected, h, weights)
        _, after = self.step(projected, state, weights)
        pre.pop("candidate")
        peep = dict(zip(pre, weights["peephole_weight"].chunk(len(pre), dim=-1), strict=True)) if self.peepholes else {}
        seen = {name: after if name == "output" else c for name in pre}
        gates = {name: torch.sigmoid(pre[name] + (peep[name] * seen[name] if peep else 0.0)) for name in pre}
        return gates | ({} if "input" in gates else {"input": 1 - gates["forget"]})

    def _signals(self, projected: Tensor, h: Tensor, weights: Weights) -> dict[str, Tensor]:
        """Return x_t W + b + h_{t-1} U of each gate, by name."""
        names = list(self.gate_widths(h.shape[-1]))
        signal = projected + (by_unit if self.diagonal else torch.matmul)(h, weights["recurrent_weight"])
        return dict(zip(names, signal.chunk(len(names), dim=-1), strict=True))

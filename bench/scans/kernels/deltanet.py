"""The gated delta rule by a scan over memories; torch computes keys, queries and gates for all time steps together.

The kernel makes one correction a step; a cell with several (``householders``) runs on the readable path.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from longlag.cells.base import Cell, State, Weights
from longlag.scans.engine.base import OwnLoops
from longlag.scans.engine.delta import DELTA
from longlag.values.backward import Backward, Signal


class Deltanet(OwnLoops):
    """A memory for each sequence, with a key and a query at every step, and a writing strength up to ``beta_max``."""

    def __init__(self, beta_max: float) -> None:
        self.beta_max = beta_max

    def scan(
        self, cell: Cell, projected: Tensor, weights: Weights, state: State, backward: Backward, signal: Signal | None,
        start: int,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """Run over projected inputs (T, B, 2 K + H + 2)."""
        (memory,) = state
        q, k, v, d, b = torch.split(projected, list(cell.gate_widths(memory.shape[-1]).values()), dim=-1)
        q, k = normalize(q, dim=-1), normalize(k, dim=-1)
        a = torch.exp(-torch.exp(weights["rate"]) * softplus(d + weights["offset"])).squeeze(-1)
        outputs, last = DELTA.run((v, a, k, self.beta_max * torch.sigmoid(b) * k, q), memory, backward, signal, start)
        return outputs, (last,)

    def warm(self, tokens: bool, dtype: str) -> None:
        """Compile by running a sequence of one step forward and backward."""
        row = torch.ones(1, 1, 1, dtype=getattr(torch, dtype))
        outputs, _ = DELTA.run((row.requires_grad_(), row[0], row, row, row), row)
        outputs.sum().backward()  # type: ignore[no-untyped-call]


def kernel(cell: Cell) -> OwnLoops:
    """Return the kernel of a cell; it reads the size of the keys from the shapes."""
    beta_max = cell.values()["beta_max"]
    assert isinstance(beta_max, float)
    return Deltanet(beta_max)

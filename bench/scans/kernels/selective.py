"""The selective state space by a diagonal scan; torch computes step sizes and inputs for all time steps together."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from longlag.cells.base import Cell, State, Weights
from longlag.scans.engine.base import OwnLoops
from longlag.scans.engine.diagonal import DIAGONAL
from longlag.values.backward import Backward, Signal


class Selective(OwnLoops):
    """N states for each unit; all units share the weights of writing and reading."""

    def scan(
        self, cell: Cell, projected: Tensor, weights: Weights, state: State, backward: Backward, signal: Signal | None,
        start: int,
    ) -> tuple[Tensor, State]:  # fmt: skip
        """Run over projected inputs (T, B, 2 H + 2 N)."""
        (s,) = state
        u, d, w, r = torch.split(projected.mT.contiguous(), list(cell.gate_widths(s.shape[-1]).values()), dim=-2)
        d = softplus(d + weights["step_bias"].unsqueeze(-1))
        decay = cell.prepare(weights)["decay"].squeeze(-3)
        read, last = DIAGONAL.run((d, d * u, w, r, decay), s.permute(1, 2, 0), backward, signal, start)
        outputs = read + weights["skip"].unsqueeze(-1) * u
        return outputs.mT.contiguous(), (last.permute(2, 0, 1),)

    def warm(self, tokens: bool, dtype: str) -> None:
        """Compile by running a sequence of one step forward and backward."""
        along, steady = torch.ones(1, 1, 1, dtype=getattr(torch, dtype)), torch.ones(1, 1, dtype=getattr(torch, dtype))
        outputs, _ = DIAGONAL.run((along.requires_grad_(), along, along, along, -steady), along)
        outputs.sum().backward()  # type: ignore[no-untyped-call]


def kernel(cell: Cell) -> OwnLoops:
    """Return the kernel of a cell; it reads the cell's options from the shapes."""
    return Selective()

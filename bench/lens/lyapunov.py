"""Lyapunov exponents: how fast neighbouring states diverge or converge while a network reads its task's sequences.

With J_t = ds_t / ds_{t-1} the Jacobian of the joint state (all states of the layer) along a sequence, and Q_0
orthonormal,

    J_t Q_{t-1} = Q_t R_t        lambda_i = mean over t of log |R_t[i, i]|

(Benettin et al. 1980; for networks: Vogt et al. 2020, arXiv:2006.14123), in nats per step. They are finite-time
exponents, over the length of the sequence. The first 20 steps, or half of a sequence shorter than 40, only align Q and
do not count. There are at most 32 exponents, from 8 sequences. A direction with exponent 0 is preserved; with exponent
-1/k it decays by a factor e in k steps.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State, Weights
from longlag.lens.base import Lens, Subject
from longlag.lens.support.sequences import in_double
from longlag.lens.support.steps import no_steps
from longlag.networks.recurrent import Network
from longlag.values.frames import Found, Number, rounded

DROPPED, MOST, SEQUENCES = 20, 32, 8
LARGEST = 512
"""The largest state whose full Jacobian is computed."""


class Lyapunov(Lens):
    """Finite-time Lyapunov exponents of the joint state."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Lyapunov exponents of the joint state along the task's sequences: one layer"
    reference: ClassVar[str] = "Benettin et al. 1980; Vogt, Puelma Touzel, Shlizerman & Lajoie 2020, arXiv:2006.14123"

    def refusal(self, subject: Subject) -> str:
        """Return why exponents are not computed: not one layer of a cell, or a large state; empty where they are."""
        if why := no_steps(subject):
            return why
        network = subject.network
        assert isinstance(network, Network), "no_steps refuses others"
        wiring = network.wiring
        if wiring.layers > 1 or wiring.direction != "forward":
            return f"exponents are for one layer in one direction, not for {wiring.layers} layers, {wiring.direction}"
        if network.state_size > LARGEST:
            return f"exponents need a state of at most {LARGEST} numbers; this one has {network.state_size}"
        return ""

    def frame(self, subject: Subject) -> Found:
        """Return the exponents, largest first: mean, lowest and highest over the sequences."""
        exact = in_double(subject)
        batch, network = exact.batches[0], exact.network
        assert isinstance(network, Network), "refusal refuses others"
        (weights,) = network.by_scan(network.layout.views(exact.row))
        inputs = batch.inputs[:, :SEQUENCES]
        ends = None if batch.lengths is None else batch.lengths[:SEQUENCES]
        by_sequence = exponents(network.cell, weights, inputs, ends)
        kept = by_sequence[np.isfinite(by_sequence).all(1)]
        low, high = (kept.min(0), kept.max(0)) if len(kept) else (by_sequence[:0], by_sequence[:0])
        mean = kept.mean(0) if len(kept) else np.zeros(0)
        columns = {"exponent": mean, "low": low, "high": high}
        table = {name: [rounded(value) for value in np.ravel(column).tolist()] for name, column in columns.items()}
        largest = rounded(float(mean[0])) if len(mean) else None
        numbers: dict[str, Number] = {
            "largest": largest,
            "sequences": len(kept),
            "collapsed": len(by_sequence) - len(kept),
        }
        return Found(numbers, {"exponents": {"place": list(range(len(mean)))} | table})


@torch.no_grad()
def exponents(
    cell: Cell, weights: Weights, inputs: Tensor, ends: Tensor | None = None, dropped: int = DROPPED
) -> np.ndarray:
    """Return the exponents of each sequence, (B, K), largest first; -inf for directions that collapse to zero.

    Args:
        cell: The cell.
        weights: Its weights.
        inputs: (T, B) tokens or (T, B, I).
        ends: (B,), the lengths of sequences.
        dropped: The number of first steps that do not count, at most half of the sequence.
    """
    projected, prepared = cell.project(inputs, weights), cell.prepare(weights)
    steps, width = inputs.shape[:2]
    state = cell.start(width, cell.hidden_size(weights), projected)
    size = sum(part[0].numel() for part in state)
    count = min(MOST, size)
    frame = torch.eye(size, count, dtype=projected.dtype).expand(width, size, count)
    lengths = torch.full((width,), steps) if ends is None else ends
    first = torch.minimum(torch.full_like(lengths, dropped), lengths // 2)
    sums = torch.zeros(width, count, dtype=projected.dtype)
    for t in range(steps):
        state, moved = _pushed(cell, projected[t], state, prepared, frame)
        frame, upper = torch.linalg.qr(moved)
        stretched = upper.diagonal(dim1=1, dim2=2).abs().log()
        counted = ((t >= first) & (t < lengths)).unsqueeze(1)
        sums += torch.where(counted, stretched, 0.0)
    sorted_means = (sums / (lengths - first).unsqueeze(1)).sort(dim=1, descending=True).values
    return np.asarray(sorted_means.numpy())


def _pushed(cell: Cell, projected: Tensor, state: State, weights: Weights, frame: Tensor) -> tuple[State, Tensor]:
    """Return the next state, and J times each direction of (B, D, K)."""
    with torch.enable_grad():
        before = tuple(part.detach().requires_grad_() for part in state)
        after = cell.step(projected, before, weights)
        flat = torch.cat([part.flatten(1) for part in after], 1)
        rows = torch.eye(flat.shape[1], dtype=flat.dtype).unsqueeze(1).expand(-1, len(flat), -1)
        partials = torch.autograd.grad(flat, before, rows, is_grads_batched=True, materialize_grads=True)
    jacobian = torch.cat([part.flatten(2) for part in partials], 2).transpose(0, 1)  # (B, D, D)
    return tuple(part.detach() for part in after), jacobian @ frame

"""Sensitivity: how much the state depends on the recurrent weights through the last k steps.

    s(k)^2 = E |sum_(j <= k) dh_T / da_(T-j) . da_(T-j) / dθ|_F^2

with h_T the output of the top layer at the last scored step, a_t the step t, θ the recurrent weights of all layers, and
E over sequences. It grows with the length of memory even if the signal by the state neither fades nor grows, since more
and more steps add up, which makes the loss landscape steep (Zucchet & Orvieto 2024, arXiv:2405.21064).

The norm is estimated with 8 cotangents v of random signs: E |v^T M|^2 = |M|_F^2. Signs are independent between
sequences, so that cross terms in the square of a sum over sequences vanish on average.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from longlag.lens.base import Lens, Subject
from longlag.lens.support.answers import last_scored
from longlag.lens.support.lags import thinned
from longlag.lens.support.steps import no_steps, no_weights, scans_of
from longlag.networks.recurrent import Network
from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Signal
from longlag.values.frames import Found, rounded
from longlag.values.seeding import stream

COTANGENTS = 8


class Sensitivity(Lens):
    """The norm of the last state's derivative by the recurrent weights through the last k steps."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "how far the state moves with the recurrent weights through the last k steps"
    reference: ClassVar[str] = "Zucchet & Orvieto 2024, arXiv:2405.21064"

    def refusal(self, subject: Subject) -> str:
        """Return why a network's steps cannot be separated; empty where they can."""
        return no_steps(subject) or no_weights(subject)

    def frame(self, subject: Subject) -> Found:
        """Return s by lag; the numbers are s over all steps, and the lag at which it reaches nine tenths of that."""
        batch = subject.batches[0]
        total = sum(_squares(subject, batch, place) for place in range(COTANGENTS))
        assert isinstance(total, Tensor), "there is at least one cotangent"
        asked = int((last_scored(batch)[0] >= 0).sum())
        values = (total / COTANGENTS / max(asked, 1)).sqrt()
        lags = torch.arange(len(values)).numpy()
        kept = thinned(lags)
        whole = float(values[-1])
        enough = int((values >= 0.9 * whole).int().argmax()) if whole > 0 else None
        table = {"lag": lags[kept].tolist(), "sensitivity": [rounded(float(values[place])) for place in kept]}
        return Found({"whole": rounded(whole), "nine_tenths": enough}, {"recurrent": table})


def _squares(subject: Subject, batch: Batch, place: int) -> Tensor:
    """Return |sum_(j <= k) v^T ...|^2 for each k, for one cotangent."""
    network = subject.network
    assert isinstance(network, Network), "no_steps refuses others"
    seen: list[Signal] = []
    views = {name: view.detach().requires_grad_() for name, view in network.layout.views(subject.row).items()}
    last, _ = last_scored(batch)
    columns = (last >= 0).nonzero().flatten()
    with torch.enable_grad():
        states = network.states(views, batch.inputs, batch.lengths, None, replace(PLAIN, seen=seen))
        read = states[last[columns], columns]
        generator = stream("sensitivity", subject.task.spec, place).generator()
        signs = torch.from_numpy(2.0 * generator.integers(2, size=tuple(read.shape)) - 1).to(read.dtype)
        leaves = [view for view in views.values() if view.requires_grad]
        torch.autograd.grad((read * signs).sum(), leaves, materialize_grads=True)
    lags = int(last.max()) + 1
    squares = torch.zeros(lags, dtype=torch.float64)
    for scan in scans_of(subject, seen, batch):
        sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in scan.recurrent.items()}
        for lag in range(lags):
            for name, part in scan.weight_gradient(last - lag).items():
                sums[name] += part
            squares[lag] += sum(float(part.square().sum()) for part in sums.values())
    return squares

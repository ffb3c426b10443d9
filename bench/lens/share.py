"""Share: the part of the gradient that comes from distant steps, before and after the clip.

The gradient of the training loss L by the recurrent weights θ (all weights of a step except the input projection) is a
sum over steps, in which each step's part follows from the signal d_t that arrives there:

    G_t = sum_b d_t . ds_t / dθ      s_t by the step's own equation, with the states before it held fixed

With lags counted from each sequence's last scored step T, the share of lags >= k is

    |sum_(t <= T-k) G_t| / |sum_t G_t|

It is 1 at lag 0, and may exceed 1 where near and far parts cancel. If several steps are scored, d_t comes from all of
them, and lags count from the last. *After* the clip, every entry is multiplied by the clip's factor on that entry of
the whole gradient, and a clip inside the backward pass, or a truncation, has acted on d_t itself. Clips with a memory
act as in the first update of training. The gradient that omega adds is left out, since it is not part of L.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import Context, row_norms
from longlag.lens.base import Lens, Subject
from longlag.lens.support.answers import last_scored
from longlag.lens.support.lags import thinned
from longlag.lens.support.steps import Steps, no_steps, no_weights, scans_of
from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Backward, Signal
from longlag.values.frames import Found, Number, rounded


class Share(Lens):
    """The part of the recurrent weights' gradient that comes from at least k steps back, before and after the clip."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the part of the recurrent gradient from at least k steps back, before and after the clip"
    reference: ClassVar[str] = "after Pascanu, Mikolov & Bengio 2013, equation 5"
    sees_clip: ClassVar[bool] = True

    def refusal(self, subject: Subject) -> str:
        """Return why a network's steps cannot be separated; empty where they can."""
        return no_steps(subject) or no_weights(subject)

    def frame(self, subject: Subject) -> Found:
        """Return the shares by lag, for the first piece of the sequences; None after a clip that drops the update."""
        batch = subject.batches[0]
        plain, raw = _backward_pass(subject, batch, PLAIN)
        own, taken = _backward_pass(subject, batch, replace(subject.backward, omega=0.0))
        factors, acts = _factors(subject, taken)
        before = _shares(subject, batch, plain, None)
        after = _shares(subject, batch, own, factors)
        lags = torch.arange(len(before)).numpy()
        kept = thinned(lags)
        columns = {"before": before, "after": after}
        needed = min(max(subject.task.min_lag - 1, 0), len(lags) - 1)
        numbers: dict[str, Number] = {
            "needed_lag": needed,
            "needed_before": rounded(before[needed]),
            "needed_after": rounded(after[needed]),
            "clipped": acts or not torch.equal(raw, taken),
        }
        parts = {name: [rounded(values[place]) for place in kept] for name, values in columns.items()}
        return Found(numbers, {"recurrent": {"lag": lags[kept].tolist()} | parts})


def _backward_pass(subject: Subject, batch: Batch, backward: Backward) -> tuple[list[Signal], Tensor]:
    """Return the signals of each scan in the backward pass from the training loss, and the gradient (P,)."""
    seen: list[Signal] = []
    gradient = torch.zeros_like(subject.row)
    subject.network.gradient(subject.task, subject.row, gradient, batch, None, replace(backward, seen=seen))
    return seen, gradient


def _factors(subject: Subject, gradient: Tensor) -> tuple[Tensor, bool]:
    """Return the clip's factor on each entry of a gradient (P,), and whether it changes any."""
    clip, layout = subject.clip, subject.network.layout
    rows = gradient.clone().unsqueeze(0)
    norms = row_norms(rows)
    memory = torch.zeros(1, clip.memory_size(layout), dtype=torch.float64)
    context = Context(layout, subject.row.unsqueeze(0), memory)
    clip.observe(rows, norms, context)
    clip.apply(rows, norms, context)
    if bool(clip.dropped(norms)):
        rows = torch.zeros_like(rows)
    factors = torch.where(gradient == 0, 1.0, rows[0].double() / gradient.double())
    return factors, not torch.equal(rows[0], gradient)


def _shares(subject: Subject, batch: Batch, signals: list[Signal], factors: Tensor | None) -> list[float]:
    """Return the share of lags >= k for each k, from the signals of every scan; NaN where there is no gradient."""
    last, _ = last_scored(batch)
    scans = scans_of(subject, signals, batch)
    weights = [] if factors is None else subject.network.scans(subject.network.layout.views(factors))
    squares = torch.zeros(int(last.max()) + 1, dtype=torch.float64)
    for place, scan in enumerate(scans):
        by = {name: torch.ones(()) for name in scan.recurrent} if factors is None else weights[place][1]
        squares += _squares(scan, last, by)
    return (squares / squares[0]).sqrt().tolist()


def _squares(scan: Steps, last: Tensor, factors: dict[str, Tensor]) -> Tensor:
    """Return the squared norm of the summed parts from lag k on, (K,), of one scan, each entry times its factor."""
    lags = int(last.max()) + 1
    squares = torch.zeros(lags, dtype=torch.float64)
    total = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in scan.recurrent.items()}
    for lag in range(lags - 1, -1, -1):
        for name, part in scan.weight_gradient(last - lag).items():
            total[name] += part
        squares[lag] = sum((part * factors[name]).square().sum() for name, part in total.items())
    return squares

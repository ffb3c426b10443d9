"""Reach: how much of the gradient signal arrives k steps before the answer.

With y the answer's margin at a sequence's last scored step T (`longlag.lens.support.answers`) and x_t the input vector
at step t, one-hot for a token,

    r(k) = |dy/dx_(T-k)| / max_j |dy/dx_(T-j)|

for each of 64 sequences, in the same way for every cell, module and architecture. For networks of cells there is also
the signal by their states, relative to that at k = 0:

    s(k) = |dy/ds_(T-k)| / |dy/ds_T|      s the states of all scans together, or one of them

It bounds how fast a network can learn from the input k steps back. Only lags that at least half of the sequences have
are reported; negative lags lie after the answer, where bidirectional networks read.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from longlag.lens.base import Lens, Subject
from longlag.lens.support.answers import margins
from longlag.lens.support.lags import ByLag, at_zero, by_lag, joined, largest, quantiles, relative
from longlag.lens.support.sequences import small
from longlag.lens.support.signals import INPUT, STATE, norms_of, unreadable
from longlag.lens.support.theorem import slowest_fading
from longlag.values.frames import Found, Number, Part, rounded

__all__ = ["reach"]

FAINT = 0.01
"""The share of the largest norm that defines `reach_1pct`."""


class Reach(Lens):
    """The signal by lag, from the answer back to the inputs and the states."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the answer's gradient by the input, and by the state, k steps back"
    reference: ClassVar[str] = "Hochreiter 1991; Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013"

    def refusal(self, subject: Subject) -> str:
        """Return why the answer cannot be differentiated by the inputs; empty where it can."""
        return unreadable(subject)

    def frame(self, subject: Subject) -> Found:
        """Return the quantiles of r and s by lag, and the summary of `numbers_of`."""
        pieces = [norms_of(subject, piece) for batch in subject.batches for piece in small(batch)]
        task = subject.task
        needed = (task.min_lag - 1) * (-1 if task.looks_ahead else 1)
        numbers: dict[str, Number] = {}
        parts: dict[str, Part] = {}
        for name in pieces[0].parts:  # one after the other, which is what bounds the memory for long sequences
            norms = joined([(piece, name) for piece in pieces])
            if name == INPUT:
                numbers, base = numbers_of(norms, needed) | {"fading": slowest_fading(subject)}, largest(norms)
            elif name == STATE:  # the states by themselves come behind it, and are relative to it, too
                base = at_zero(norms)
            parts[name] = quantiles(relative(norms, base))
        return Found(numbers, parts)


def numbers_of(norms: ByLag, needed: int | None = None) -> dict[str, Number]:
    """Return a summary of the norms by the input.

    Args:
        norms: The norms by lag.
        needed: The largest lag that a solution must see, if it is known.

    Returns:
        ``reach_1pct``: the largest k up to which the median of r is at least .01, None if it is below at k = 0;
        ``reach_open``: whether it is that large at all lags; ``reach_slope``: the slope of log r over the lags, by
        least squares, over lags whose median is above 0, in nats per step; ``silent`` and ``unbounded``:
        sequences in which every norm is exactly 0, or the largest is not finite, which the other numbers leave out;
        ``needed_lag``: ``needed``, and ``needed_signal``: the median of r there.
    """
    base = largest(norms)
    held = relative(norms, base).common
    past = held.lags >= 0
    lags = held.lags[past]
    middle = np.nanmedian(held.values[past], axis=1) if len(lags) else np.zeros(0)
    above = middle >= FAINT
    count = len(above) if above.all() else int(above.argmin())
    heard = middle > 0
    slope = np.polyfit(lags[heard], np.log(middle[heard]), 1)[0] if heard.sum() > 1 else np.nan
    numbers: dict[str, Number] = {
        "reach_1pct": int(lags[count - 1]) if count else None,
        "reach_open": bool(count == len(above) > 0),
        "reach_slope": rounded(float(slope)),
        "silent": int((base == 0).sum()),
        "unbounded": int((~np.isfinite(base)).sum()),
    }
    if needed is None:
        return numbers
    there = held.values[held.lags == needed]
    signal = rounded(float(np.nanmedian(there))) if there.size else None
    return numbers | {"needed_lag": needed, "needed_signal": signal}


def reach(
    module: nn.Module,
    inputs: Tensor,
    answer: Tensor | Callable[[Tensor], Tensor],
    lengths: Sequence[int] | Tensor | None = None,
) -> Found:
    """Measure the reach of any module that maps sequences to outputs, in its present mode (training or evaluation).

    Args:
        module: Called with the inputs; returns (T, B, O), or a tuple that begins with it, as `torch.nn.LSTM` does.
        inputs: (T, B, I), time first.
        answer: The right class of each sequence, (B,) whole numbers, whose margin at the sequence's last step is
            differentiated; or a function of the outputs (T, B, O) that returns one number for each sequence, (B,).
        lengths: (B,), the lengths of sequences; T by default. Lags count from the last step.

    Returns:
        ``numbers`` from `numbers_of`; ``parts["input"]``: the quantiles over sequences by lag.

    Raises:
        ValueError: The module's outputs or the answers have another shape.
    """
    steps, width = inputs.shape[:2]
    ends = torch.full((width,), steps) if lengths is None else torch.as_tensor(lengths)
    given = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        outputs = module(given)
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        if outputs.shape[:2] != inputs.shape[:2]:
            raise ValueError(f"outputs must be (T, B, ...) = ({steps}, {width}, ...), not {tuple(outputs.shape)}")
        if isinstance(answer, Tensor):
            numbers = margins(outputs[ends - 1, torch.arange(width)], answer)
        else:
            numbers = answer(outputs)
        if numbers.shape != (width,):
            raise ValueError(f"answers must be one number for each sequence, ({width},), not {tuple(numbers.shape)}")
        (gradient,) = torch.autograd.grad(numbers.sum(), given)
    norms = torch.linalg.vector_norm(gradient.flatten(2), dim=2, dtype=torch.float64)
    lagged = by_lag((ends - 1).numpy(), ends.numpy(), norms.numpy(force=True))
    return Found(numbers_of(lagged), {INPUT: quantiles(relative(lagged, largest(lagged)))})

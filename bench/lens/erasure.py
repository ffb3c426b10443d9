"""Erasure: how the answer depends on each step of the input, measured by replacing that step.

At one lag at a time, the content read that many steps before the answer is replaced by that of another sequence, with
everything else unchanged, and the answer is computed again. Markers stay. In token tasks a symbol that must be carried
(`Task.carried`) is replaced by another one that some sequence carries from that step (else from any), and any other
symbol by one that another sequence has at that step. In vectors the components with more than three different values
are content, the others markers. The change is the share of answers that become another class, or in regression the
mean absolute change of the output, separately for steps that must be carried and for others. The change of the right
answer is reported, too, if the task computes it from its inputs (`Task.last_target`): a network that solves the task
changes as much.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.lens.base import Lens, Subject
from longlag.lens.support.answers import last_scored
from longlag.lens.support.lags import thinned
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.tasks.base import Batch
from longlag.values.frames import Found, Number, rounded
from longlag.values.seeding import stream

_COLUMNS = ("_n", "", "_target")


class Erasure(Lens):
    """How the answer changes when the input k steps back is redrawn."""

    version: ClassVar[int] = 2
    summary: ClassVar[str] = "how the answer changes when the input k steps back is redrawn"
    reference: ClassVar[str] = "after Li, Monroe & Jurafsky 2016, arXiv:1612.08220"

    def refusal(self, subject: Subject) -> str:
        """Return why the lens does not apply to networks with a decoder; empty without a decoder."""
        if isinstance(subject.network, EncoderDecoder):
            return "a decoder's answer depends on the answers that it wrote before"
        return ""

    def frame(self, subject: Subject) -> Found:
        """Return by lag the number of changed sequences, the change of their answers and that of the right answers.

        Columns, for steps that must be carried and for others: ``carried_n``, ``carried``, ``carried_target``,
        ``others_n``, ``others``, ``others_target``; None if nothing was changed or the task has no `last_target`.
        """
        batch = subject.batches[0]
        last, places = last_scored(batch)
        lags = int(last.max()) + 1
        carried = subject.task.carried(batch)
        before, right = _answers(subject, batch, places), subject.task.last_target(batch.inputs, last)
        kept = thinned(np.arange(lags))
        table: dict[str, list[float | int | None]] = {"lag": kept.tolist()}
        table |= {f"{kind}{name}": [] for kind in ("carried", "others") for name in _COLUMNS}
        for lag in kept.tolist():
            steps = last - lag
            there = steps >= 0
            changed, moved = redrawn(batch, carried, steps, lag)
            change = _change(before, _answers(subject, changed, places))
            due = _change(right, subject.task.last_target(changed.inputs, last))
            at = carried[steps.clamp(min=0), torch.arange(len(steps))]
            for name, rows in (("carried", there & moved & at), ("others", there & moved & ~at)):
                table[f"{name}_n"].append(int(rows.sum()))
                table[name].append(_mean(change, rows))
                table[f"{name}_target"].append(_mean(due, rows))
        return Found(_numbers(table), {"answer": table})


def _mean(change: Tensor | None, rows: Tensor) -> float | None:
    return None if change is None or not bool(rows.any()) else rounded(float(change[rows].mean()))


def _numbers(table: dict[str, list[float | int | None]]) -> dict[str, Number]:
    """Return the mean change over the lags at which something must be carried, and over the others."""
    numbers: dict[str, Number] = {}
    for kind in ("carried", "others"):
        for name in (kind, f"{kind}_target"):
            pairs = [(n, v) for n, v in zip(table[f"{kind}_n"], table[name], strict=True) if n and v is not None]
            counted = sum(n for n, _ in pairs)
            numbers[name] = rounded(sum(n * value for n, value in pairs) / counted) if counted else None
    return numbers


def redrawn(batch: Batch, carried: Tensor, steps: Tensor, lag: int) -> tuple[Batch, Tensor]:
    """Replace the input of each sequence at one step by that of another.

    Args:
        batch: The sequences.
        carried: (T, B) bool, the inputs that must be carried.
        steps: (B,), the step of each; below 0 for none.
        lag: The lag, which names the draw's stream.

    Returns:
        The batch, and whether each sequence's input has changed, (B,) bool.
    """
    generator = stream("erasure", lag).generator()
    width = len(steps)
    columns = torch.arange(width)
    at = steps.clamp(min=0)
    inputs = batch.inputs.clone()
    read = inputs[at, columns]
    if inputs.is_floating_point():
        content = torch.tensor([len(part.unique()) > 3 for part in inputs.flatten(0, 1).T])
        other = (columns + int(generator.integers(1, max(width, 2)))) % width
        new = torch.where(content, read[other], read)
        differs = (new != read).any(1)
    else:
        is_carried = carried[at, columns]
        vocabulary = batch.inputs[carried]
        new = read.clone()
        for column in range(width):
            pool = read[is_carried == is_carried[column]]
            pool = pool[pool != read[column]]
            if is_carried[column] and not len(pool):
                pool = vocabulary[vocabulary != read[column]]
            if len(pool):
                new[column] = pool[int(generator.integers(len(pool)))]
        differs = new != read
    inputs[at, columns] = torch.where((steps >= 0).view(-1, *[1] * (new.ndim - 1)), new, read)
    return replace(batch, inputs=inputs), differs & (steps >= 0)


@torch.no_grad()
def _answers(subject: Subject, batch: Batch, places: Tensor) -> Tensor:
    """Return each sequence's last answer: its class (B,), or its outputs (B, O)."""
    outputs = subject.network.outputs(subject.network.layout.views(subject.row), batch)
    answers = outputs.index_select(0, places.clamp(min=0))
    return answers if batch.targets.is_floating_point() else answers.argmax(1)


def _change(before: Tensor | None, after: Tensor | None) -> Tensor | None:
    """Return the change of each answer, (B,) float64, 0 or 1 for classes; None if an argument is None."""
    if before is None or after is None:
        return None
    if before.is_floating_point():
        return (after - before).abs().mean(1).double()
    return (after != before).double()

"""The sequences that lenses look at: drawn once a task, the same for every network and every lens."""

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from longlag import registry
from longlag.lens.base import Subject
from longlag.networks.build import backward_of
from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Batch
from longlag.values.seeding import stream
from longlag.values.trial import Trial

SEQUENCES = 64
"""How many a lens looks at."""
_STEPS = 2**15
"""Time steps of one piece (T·B): beyond 512 steps the sequences come in several, so that what a lens keeps of each step
stays below what training takes."""


@registry.forgetful
@lru_cache(maxsize=32)
def _drawn(spec: str, device: str, dtype: torch.dtype) -> tuple[Batch, ...]:
    task = registry.task(spec)
    size = max(1, min(SEQUENCES, _STEPS // task.length))
    named = stream("lens", spec, task.version)
    pieces = []
    for place, start in enumerate(range(0, SEQUENCES, size)):
        batch = task.draw(named.generator(place), min(size, SEQUENCES - start), held_out=True)
        pieces.append(batch.map(lambda part: part.to(device, dtype if part.is_floating_point() else None)))
    return tuple(pieces)


def subject_of(trial: Trial, network: AnyNetwork, row: Tensor) -> Subject:
    """Return what lenses look at of a trial.

    Args:
        trial: The trial.
        network: Its network.
        row: (P,), its parameters at some moment.
    """
    batches = _drawn(trial.task, str(row.device), row.dtype)
    clip, task = registry.clip(trial.clip), registry.task(trial.task)
    return Subject(network, row.detach(), task, batches, clip, backward_of(trial))


def in_double(subject: Subject) -> Subject:
    """Return the same in float64."""

    def widened(part: Tensor) -> Tensor:
        return part.double() if part.is_floating_point() else part

    return replace(subject, row=subject.row.double(), batches=[batch.map(widened) for batch in subject.batches])

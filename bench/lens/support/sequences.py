"""The sequences on which lenses run networks: drawn once per task, the same for every network and lens."""

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
"""The number of sequences that a lens uses."""
_STEPS = 2**15
"""The most time steps (T·B) of one piece: sequences of more than 512 steps come in several pieces."""
_LONG = 2**12
"""The length above which `small` returns sequences one by one."""


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


def small(batch: Batch) -> list[Batch]:
    """Return a batch in pieces whose backward pass takes no more memory than in training.

    Each long sequence becomes a batch, without slices and notes.
    """
    steps, width = batch.mask.shape
    if steps <= _LONG:
        return [batch]
    columns = batch.scored % width
    return [
        Batch(
            batch.inputs[:, place : place + 1].contiguous(),
            batch.targets[columns == place],
            batch.mask[:, place : place + 1].contiguous(),
            None if batch.lengths is None else batch.lengths[place : place + 1],
            None if batch.decoder_inputs is None else batch.decoder_inputs[:, place : place + 1].contiguous(),
        )
        for place in range(width)
    ]


def subject_of(trial: Trial, network: AnyNetwork, row: Tensor) -> Subject:
    """Return the subject of lenses for a trial.

    Args:
        trial: The trial.
        network: The trial's network.
        row: (P,), the trial's parameters at some update.
    """
    batches = _drawn(trial.task, str(row.device), row.dtype)
    clip, task = registry.clip(trial.clip), registry.task(trial.task)
    return Subject(network, row.detach(), task, batches, clip, backward_of(trial))


def in_double(subject: Subject) -> Subject:
    """Return a subject in float64."""

    def widened(part: Tensor) -> Tensor:
        return part.double() if part.is_floating_point() else part

    return replace(subject, row=subject.row.double(), batches=[batch.map(widened) for batch in subject.batches])

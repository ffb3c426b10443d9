"""Small networks with weights set by hand, and sequences, for the tests of lenses."""

from dataclasses import replace

import torch

from longlag import registry
from longlag.lens.base import Subject
from longlag.lens.support.sequences import subject_of
from longlag.networks.build import network_of
from longlag.tasks.base import Batch
from longlag.values.seeding import stream
from longlag.values.trial import Trial

COPY, ADDING, AGREEMENT = "copy:items=2,symbols=3,blanks=3", "adding:length=9", "agreement:nouns=0-1"


def trial(cell: str, task: str = COPY, **more: object) -> Trial:
    return Trial(task, cell, **({"clip": "none", "lr": 0.01, "seed": 0, "hidden_size": 6, "dtype": "float64"} | more))


def subject(cell: str, task: str = COPY, sequences: int | None = None, **more: object) -> Subject:
    """Return a network in float64 with its own initial weights, and the sequences of its task."""
    made = trial(cell, task, **more)
    network = network_of(made)
    row = torch.from_numpy(network.initial_row(made.seed)).to(getattr(torch, made.dtype))
    found = subject_of(made, network, row)
    return found if sequences is None else replace(found, batches=[first(found.batches[0], sequences)])


def first(batch: Batch, count: int) -> Batch:
    """Return the first sequences of a batch."""
    width = batch.mask.shape[1]
    dense = torch.zeros(*batch.mask.shape, *batch.targets.shape[1:], dtype=batch.targets.dtype)
    dense[batch.mask] = batch.targets
    kept = batch.mask[:, :count]
    told = None if batch.decoder_inputs is None else batch.decoder_inputs[:, :count]
    lengths = None if batch.lengths is None else batch.lengths[:count]
    assert width >= count
    return Batch(batch.inputs[:, :count].contiguous(), dense[:, :count][kept], kept, lengths, told)


def with_weights(found: Subject, **values: torch.Tensor | float) -> Subject:
    """Return a subject with some tensors set, by their names below the first scan: ``recurrent_weight=...``."""
    row = found.row.clone()
    views = found.network.layout.views(row)
    for name, value in values.items():
        views[f"0.{name}"].copy_(torch.as_tensor(value, dtype=row.dtype).expand_as(views[f"0.{name}"]))
    return replace(found, row=row)


def orthogonal(size: int) -> torch.Tensor:
    drawn = stream("test", "orthogonal", size).generator().standard_normal((size, size))
    return torch.linalg.qr(torch.from_numpy(drawn))[0]


def every_cell() -> list[str]:
    """Return each cell of `list cells`, architectures and a cell of the library torchrecurrent among them."""
    named = [name for name in registry.names("cell") if name != "torchrecurrent"]
    return [*named, *registry.names("architecture"), "torchrecurrent:cell=LiGRU"]

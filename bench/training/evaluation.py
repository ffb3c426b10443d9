"""Evaluates a network on the fixed streams of its task."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from longlag import registry
from longlag.networks.protocol import AnyNetwork
from longlag.plan.lags import at_lags, lags_in, trained_lags
from longlag.tasks.base import Batch, Task
from longlag.values.seeding import stream
from longlag.values.trial import Transfer

EVALUATION_SEQUENCES = 1000
CONFIRMATION_SEQUENCES = 10_000
SMALLEST_SLICE = 10
"""The fewest answers of a slice for which its error is kept."""
_CHUNK_STEPS = 2**17
"""Time steps (T·B) of one chunk of an evaluation: 64 MiB of float32 states at 128 hidden units. How a stream is cut
depends on the task alone, so that networks of every size see the same sequences."""


@dataclass(frozen=True)
class Evaluation:
    """The outcome of an evaluation; its numbers may be non-finite.

    Attributes:
        loss: Mean loss over the scored answers.
        error: Mean error over the answers that count.
        slices: Mean error by label and value of each slice.
    """

    loss: float
    error: float
    slices: dict[str, dict[str, float]]


def to_device(batch: Batch, device: str, dtype: torch.dtype) -> Batch:
    """Return a batch on a device, its floating-point tensors in the network's precision."""
    if device == "cpu" and dtype == torch.float32:
        return batch
    return batch.map(lambda part: part.to(device, dtype) if part.is_floating_point() else part.to(device))


def _draw(spec: str, name: str, index: int, start: int, size: int, device: str, dtype: torch.dtype) -> Batch:
    task = registry.task(spec)
    generator = stream(name, spec, task.version, start).generator(index)
    batch = replace(task.draw(generator, size, held_out=True), decoder_inputs=None)  # the decoder reads its own answers
    return to_device(batch, device, dtype)


_draw_once = registry.forgetful(lru_cache(maxsize=64)(_draw))
"""`_draw` with a cache, for the streams that every trial of a task sees at every evaluation."""


def _chunks(task: Task, name: str, index: int, total: int, like: Tensor) -> Iterator[Batch]:
    size = min(EVALUATION_SEQUENCES, max(1, _CHUNK_STEPS // task.length))
    for start in range(0, total, size):
        draw = _draw if name == "confirmation" else _draw_once
        yield draw(task.spec, name, index, start, min(size, total - start), str(like.device), like.dtype)


def evaluate(network: AnyNetwork, task: Task, row: Tensor) -> Evaluation:
    """Evaluate one trial's parameters, (P,), on the evaluation stream, which all trials of the task share.

    Raises:
        ValueError: The task returned an error below 0, with which any network would count as solved.
    """
    outcome = _evaluate(network, task, row)
    if outcome.error < 0:
        raise ValueError(
            f"task {task.spec} returned an error of {outcome.error:g}; an error is 0 or more, 0 is perfect"
        )
    return outcome


def confirm(network: AnyNetwork, task: Task, row: Tensor, look: int) -> float:
    """Return one trial's error on the confirmation stream, which no stopping rule has seen.

    Args:
        network: The network.
        task: Its task.
        row: (P,), its parameters.
        look: The number of this confirmation among the trial's, from 1; each draws other sequences.
    """
    return _error(network, task, row, "confirmation", look, CONFIRMATION_SEQUENCES)


def at_test_lags(network: AnyNetwork, task: Task, row: Tensor, test_lags: str) -> tuple[Transfer, ...]:
    """Measure one trial's error at other distances than it was trained at, on the transfer stream.

    Args:
        network: The network.
        task: The task it was trained on.
        row: (P,), its parameters.
        test_lags: The distances in time steps, separated by commas: ``50,100``.
    """
    transfers = []
    for turned in at_lags(task, lags_in(test_lags)):
        error = _error(network, turned, row, "transfer", 0, EVALUATION_SEQUENCES)
        transfers.append(
            Transfer(
                lag=turned.lag,
                min_lag=turned.min_lag,
                baseline_error=turned.baseline_error,
                solved_below=turned.solved_below,
                error=error if math.isfinite(error) else None,
                trained_from=trained_lags(task)[0],
            )
        )
    return tuple(transfers)


def example(network: AnyNetwork, task: Task, row: Tensor) -> dict[str, float]:
    """Return the trained network's finite answers to the task's example, by name; empty if the task has no example."""
    batch = task.example()
    if batch is None:
        return {}
    with torch.no_grad():
        outputs = network.outputs(network.layout.views(row), to_device(batch, str(row.device), row.dtype))
    return {name: value for name, value in task.read_example(outputs).items() if math.isfinite(value)}


@torch.no_grad()
def _evaluate(network: AnyNetwork, task: Task, row: Tensor) -> Evaluation:
    """Return the loss, the error and the error by slice on the evaluation stream."""
    views, loss, scored = network.layout.views(row), 0.0, 0
    errors: list[Tensor] = []
    batches = list(_chunks(task, "evaluation", 0, EVALUATION_SEQUENCES, row))
    for batch in batches:
        outputs = network.outputs(views, batch)
        loss += task.loss(outputs, batch).item() * len(outputs)
        scored += len(outputs)
        errors.append(task.errors(outputs, batch).double())
    every_error = torch.cat(errors)
    sizes = tuple(batch.inputs.shape[1] for batch in batches)
    groups = _groups(task.spec, sizes, str(row.device), row.dtype)
    by_slice = {
        label: {value: every_error[places].mean().item() for value, places in of_label.items()}
        for label, of_label in groups.items()
    }
    return Evaluation(loss / scored, _mean_of_headline(batches, errors), by_slice)


@torch.no_grad()
def _error(network: AnyNetwork, task: Task, row: Tensor, name: str, index: int, total: int) -> float:
    """Return the error on a stream, cut into chunks.

    Args:
        network: The network.
        task: Its task.
        row: (P,), its parameters.
        name: The stream's name.
        index: The generator's counter, which tells draws from one stream apart.
        total: Sequences.
    """
    views, errors, batches = network.layout.views(row), [], []
    for batch in _chunks(task, name, index, total, row):
        errors.append(task.errors(network.outputs(views, batch), batch).double())
        batches.append(batch)
    return _mean_of_headline(batches, errors)


def _mean_of_headline(batches: Sequence[Batch], errors: Sequence[Tensor]) -> float:
    """Return the mean error over the answers that count in the task's headline error: by default all."""
    headline = [
        torch.ones_like(of_batch, dtype=torch.bool) if batch.headline is None else batch.headline
        for batch, of_batch in zip(batches, errors, strict=True)
    ]
    return torch.cat(list(errors))[torch.cat(headline)].mean().item()


@registry.forgetful
@lru_cache(maxsize=64)
def _groups(spec: str, sizes: tuple[int, ...], device: str, dtype: torch.dtype) -> dict[str, dict[str, Tensor]]:
    """Return where the answers of each slice stand on the evaluation stream, by label and value.

    Args:
        spec: The task's spec.
        sizes: Sequences of each chunk into which the stream is cut.
        device: The device of the places.
        dtype: The precision of the batches.
    """
    like = torch.empty(0, dtype=dtype, device=device)
    batches = list(_chunks(registry.task(spec), "evaluation", 0, sum(sizes), like))
    assert tuple(batch.inputs.shape[1] for batch in batches) == sizes
    slices: dict[str, list[Tensor]] = {}
    for batch in batches:
        for label, values in batch.slices.items():
            slices.setdefault(label, []).append(values)
    return {label: _places(torch.cat(values)) for label, values in slices.items()}


def _places(values: Tensor) -> dict[str, Tensor]:
    """Return the places of each value that occurs at least `SMALLEST_SLICE` times."""
    all_places = {value: (values == value).nonzero().flatten() for value in sorted(set(values.tolist()))}
    return {str(value): places for value, places in all_places.items() if len(places) >= SMALLEST_SLICE}

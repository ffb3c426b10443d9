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
"""Answers that a slice needs for its error to be worth keeping."""
_CHUNK_STEPS = 2**17
"""Time steps of one chunk of an evaluation (T·B): 64 MiB of float32 states at 128 hidden units. The task alone
decides how a stream is cut, so that networks of every size see the same sequences."""


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; numbers may be non-finite."""

    loss: float
    error: float
    slices: dict[str, dict[str, float]]


def to_device(batch: Batch, device: str, dtype: torch.dtype) -> Batch:
    """Move a batch; floating-point tensors take the network's precision."""
    if device == "cpu" and dtype == torch.float32:
        return batch
    return batch.map(lambda part: part.to(device, dtype) if part.is_floating_point() else part.to(device))


def _draw(spec: str, name: str, index: int, start: int, size: int, device: str, dtype: torch.dtype) -> Batch:
    task = registry.task(spec)
    generator = stream(name, spec, task.version, start).generator(index)
    batch = replace(task.draw(generator, size, held_out=True), decoder_inputs=None)  # a decoder is told nothing here
    return to_device(batch, device, dtype)


_draw_once = registry.forgetful(lru_cache(maxsize=64)(_draw))
"""For the streams that every trial of a task sees, again and again."""


def _chunks(task: Task, name: str, index: int, total: int, like: Tensor) -> Iterator[Batch]:
    size = min(EVALUATION_SEQUENCES, max(1, _CHUNK_STEPS // task.length))
    for start in range(0, total, size):
        draw = _draw if name == "confirmation" else _draw_once
        yield draw(task.spec, name, index, start, min(size, total - start), str(like.device), like.dtype)


def evaluate(network: AnyNetwork, task: Task, row: Tensor) -> Evaluation:
    """Evaluate one trial, from its row (P,), on the evaluation stream, the same for all trials of the task.

    Raises:
        ValueError: The task calls an answer better than perfect, so that anything would count as solved.
    """
    found = _evaluate(network, task, row)
    if found.error < 0:
        raise ValueError(f"task {task.spec}: an error of {found.error:g} is below 0, which is perfect")
    return found


def confirm(network: AnyNetwork, task: Task, row: Tensor, look: int) -> float:
    """Return one trial's error on the confirmation stream, which no stopping rule has seen.

    Args:
        network: The network.
        task: Its task.
        row: (P,), its parameters.
        look: How often this trial has been put to the test, this time included; each look has its own sequences.
    """
    return _error(network, task, row, "confirmation", look, CONFIRMATION_SEQUENCES)


def at_test_lags(network: AnyNetwork, task: Task, row: Tensor, test_lags: str) -> tuple[Transfer, ...]:
    """Test one trial's parameters, (P,), at other distances than it was trained at, on sequences of their own.

    Args:
        network: The network.
        task: The task it was trained on.
        row: Its parameters.
        test_lags: The distances, in time steps: ``50,100``.
    """
    found = []
    for turned in at_lags(task, lags_in(test_lags)):
        error = _error(network, turned, row, "transfer", 0, EVALUATION_SEQUENCES)
        found.append(
            Transfer(
                lag=turned.lag,
                min_lag=turned.min_lag,
                baseline_error=turned.baseline_error,
                solved_below=turned.solved_below,
                error=error if math.isfinite(error) else None,
                trained_from=trained_lags(task)[0],
            )
        )
    return tuple(found)


def example(network: AnyNetwork, task: Task, row: Tensor) -> dict[str, float]:
    """Return what the trained network makes of the task's example; nothing where the task has none."""
    batch = task.example()
    if batch is None:
        return {}
    with torch.no_grad():
        outputs = network.outputs(network.layout.views(row), to_device(batch, str(row.device), row.dtype))
    return {name: value for name, value in task.read_example(outputs).items() if math.isfinite(value)}


@torch.no_grad()
def _evaluate(network: AnyNetwork, task: Task, row: Tensor) -> Evaluation:
    """Evaluate on the evaluation stream: the loss, the error, and the error by slice."""
    views, loss, scored = network.layout.views(row), 0.0, 0
    errors: list[Tensor] = []
    batches = list(_chunks(task, "evaluation", 0, EVALUATION_SEQUENCES, row))
    for batch in batches:
        outputs = network.outputs(views, batch)
        loss += task.loss(outputs, batch).item() * len(outputs)
        scored += len(outputs)
        errors.append(task.errors(outputs, batch).double())
    found = torch.cat(errors)
    sizes = tuple(batch.inputs.shape[1] for batch in batches)
    groups = _groups(task.spec, sizes, str(row.device), row.dtype)
    by_slice = {
        label: {value: found[places].mean().item() for value, places in of_label.items()}
        for label, of_label in groups.items()
    }
    return Evaluation(loss / scored, _mean_of_headline(batches, errors), by_slice)


@torch.no_grad()
def _error(network: AnyNetwork, task: Task, row: Tensor, name: str, index: int, total: int) -> float:
    """Return the error on a stream, and nothing else."""
    views, errors, batches = network.layout.views(row), [], []
    for batch in _chunks(task, name, index, total, row):
        errors.append(task.errors(network.outputs(views, batch), batch).double())
        batches.append(batch)
    return _mean_of_headline(batches, errors)


def _mean_of_headline(batches: Sequence[Batch], errors: Sequence[Tensor]) -> float:
    """Return the mean error over the answers that enter it."""
    headline = [
        torch.ones_like(found, dtype=torch.bool) if batch.headline is None else batch.headline
        for batch, found in zip(batches, errors, strict=True)
    ]
    return torch.cat(list(errors))[torch.cat(headline)].mean().item()


@registry.forgetful
@lru_cache(maxsize=64)
def _groups(spec: str, sizes: tuple[int, ...], device: str, dtype: torch.dtype) -> dict[str, dict[str, Tensor]]:
    """Return the places of each slice's answers on the evaluation stream, cut like this, by label and value."""
    like = torch.empty(0, dtype=dtype, device=device)
    batches = list(_chunks(registry.task(spec), "evaluation", 0, sum(sizes), like))
    assert tuple(batch.inputs.shape[1] for batch in batches) == sizes
    slices: dict[str, list[Tensor]] = {}
    for batch in batches:
        for label, values in batch.slices.items():
            slices.setdefault(label, []).append(values)
    return {label: _places(torch.cat(values)) for label, values in slices.items()}


def _places(values: Tensor) -> dict[str, Tensor]:
    """Return where each value stands, of those that are frequent enough."""
    found = {value: (values == value).nonzero().flatten() for value in sorted(set(values.tolist()))}
    return {str(value): places for value, places in found.items() if len(places) >= SMALLEST_SLICE}

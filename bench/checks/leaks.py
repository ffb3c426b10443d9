"""Hunts leaks: a small network that sees only the last steps must not beat the floor of that window.

It has one hidden layer and is trained by the task's own loss. Finding no leak proves nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from longlag.tasks.base import Batch, Task
from longlag.values.seeding import stream

HIDDEN, RATE = 64, 0.01
UPDATES, LONGER, BATCH = 150, 400, 64
JUDGED = 4000
"""The most sequences on which the trained network is judged."""
_MOST_NUMBERS = 200_000
"""The most inputs, and outputs, of one batch, which has at least four sequences."""


@dataclass(frozen=True)
class Hunt:
    """The outcome for one window.

    Attributes:
        window: The number of steps that the network sees.
        error: The small network's mean error on fresh sequences.
        deviation: The standard deviation of that mean.
        floor: The best error with this window, as the task states it.
    """

    window: int
    error: float
    deviation: float
    floor: float

    @property
    def leaks(self) -> bool:
        """Whether the error lies below the floor by more than chance."""
        return self.error < self.floor - 4 * self.deviation - 0.01 * self.floor


def hunt(task: Task, window: int, updates: int = UPDATES) -> Hunt:
    """Train a small network that sees the last ``window`` steps, the answering one included, and judge it.

    If the task looks ahead, it sees the next ``window`` steps instead, the answering one included.
    """
    width = task.input_size * max(window, 1)
    scored = max(1, int(task.draw(_generator("size", 0), 8).mask.sum()) // 8)
    numbers = window if task.tokens else width
    batch_size = max(4, min(BATCH, _MOST_NUMBERS // (scored * max(numbers, task.output_size))))
    generator = torch.Generator().manual_seed(0)
    weights = [_drawn(generator, width, HIDDEN), _drawn(generator, HIDDEN, task.output_size)]
    biases = [torch.zeros(HIDDEN), torch.zeros(task.output_size)]
    leaves = [value.requires_grad_() for value in (*weights, *biases)]
    optimiser = torch.optim.Adam(leaves, RATE)

    def outputs(batch: Batch) -> Tensor:
        hidden = _seen(batch, window, task, weights[0]) if window else torch.zeros(len(batch.scored), HIDDEN)
        answers: Tensor = torch.relu(hidden + biases[0]) @ weights[1] + biases[1]
        return answers

    for update in range(updates):
        batch = task.draw(_generator("train", update), batch_size)
        optimiser.zero_grad()
        task.loss(outputs(batch), batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    errors = []
    with torch.no_grad():
        for index in range(max(1, JUDGED // (batch_size * 4))):
            batch = task.draw(_generator("judge", index), batch_size * 4, held_out=True)
            by_answer = task.errors(outputs(batch), batch).double()
            errors.append(by_answer if batch.headline is None else by_answer[batch.headline])
    return _judged(task, window, torch.cat(errors))


def _judged(task: Task, window: int, errors: Tensor) -> Hunt:
    deviation = float(errors.std()) / len(errors) ** 0.5 if len(errors) > 1 else 1.0
    return Hunt(window, float(errors.mean()), deviation, task.floor(window))


def _seen(batch: Batch, window: int, task: Task, weight: Tensor) -> Tensor:
    """Return the products of each answer's window, zero beyond the ends, with a weight (window·I, H), as (N, H)."""
    inputs = batch.inputs
    beyond = torch.full((window - 1, *inputs.shape[1:]), -1 if task.tokens else 0).to(inputs.dtype)
    padded = torch.cat([inputs, beyond] if task.looks_ahead else [beyond, inputs])
    steps, places = batch.scored // batch.mask.shape[1], batch.scored % batch.mask.shape[1]
    seen = torch.stack([padded[steps + back, places] for back in range(window)], 1)
    if not task.tokens:
        return seen.flatten(1) @ weight
    rows = torch.where(seen < 0, len(weight), seen + task.input_size * torch.arange(window))  # a one-hot product
    padded_weight = torch.cat([weight, weight.new_zeros(1, weight.shape[1])])
    return nn.functional.embedding_bag(rows, padded_weight, mode="sum")


def _drawn(generator: torch.Generator, rows: int, columns: int) -> Tensor:
    bound: float = min(rows, 1000) ** -0.5
    return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound


def _generator(name: str, index: int) -> np.random.Generator:
    return stream("leaks", name).generator(index)

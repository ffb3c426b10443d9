"""The adding problem: two numbers are marked somewhere in a long list; their sum is asked for at the end.

A sequence of 6 steps (the first marker lies in the first half, the second in the second half)::

    values    .3  .9  .1  .4  .7  .2
    markers    0   1   0   0   1   0
    target                        1.6     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from tasks.base import Batch, Task
from tasks.options import option


@dataclass(frozen=True)
class Adding(Task):
    """Pairs (value, marker), values uniform on [0, 1]; the target is the sum of the two marked values.

    Each value has variance 1/12, so the constant 1 errs by 1/6, and a network that has one of the two by 1/12.
    A window of k of T steps misses both markers with some probability; for even T its floor is (1 - k/T) / 6.
    Reaching `solved_below` therefore needs less than the whole sequence: that is `min_lag`.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Le, Jaitly & Hinton 2015, section 4.1; Arjovsky, Shah & Bengio 2016, section 4.2"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    reduction: ClassVar[str] = "squared error, mean over sequences"
    error_name: ClassVar[str] = "squared error of the sum"

    length: int = option(100, "time steps (T)", low=2, high=100_000)

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 1

    @property
    def lag(self) -> int:
        return self.length

    @property
    def min_lag(self) -> int:
        return next(window for window in range(self.length + 1) if self.floor(window) < self.solved_below)

    @property
    def solved_below(self) -> float:
        return 0.01

    def floor(self, window: int) -> float:
        half = self.length // 2
        unseen = max(self.length - window, 0)  # steps before the window
        first_missed = min(unseen / half, 1)
        second_missed = max(unseen - half, 0) / (self.length - half)
        return (first_missed + second_missed) / 12

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"one of the two values": 1 / 12}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        half = self.length // 2
        values = generator.random((self.length, batch_size), dtype=np.float32)
        markers = np.zeros_like(values)
        column = np.arange(batch_size)
        markers[generator.integers(half, size=batch_size), column] = 1
        markers[generator.integers(half, self.length, size=batch_size), column] = 1
        inputs = torch.from_numpy(np.stack([values, markers], axis=2))
        mask = torch.zeros(self.length, batch_size, dtype=torch.bool)
        mask[-1] = True
        return Batch(inputs, marked_sum(inputs).unsqueeze(1), mask)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return mse_loss(outputs, batch.targets)

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs - batch.targets).square().squeeze(1)


def marked_sum(inputs: Tensor) -> Tensor:
    """Sum the marked values of (T, B, 2) inputs over time, (B,).

    >>> marked_sum(torch.tensor([[[0.5, 1.0]], [[0.9, 0.0]], [[0.25, 1.0]]]))
    tensor([0.7500])
    """
    return (inputs[..., 0] * inputs[..., 1]).sum(0)

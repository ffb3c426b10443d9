"""Parity: is the number of ones odd?

A sequence of 6 steps::

    inputs    1 0 1 1 0 0
    target              1     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask
from longlag.tasks.support.drawing import ask_at_end, draw_lengths, share_longer
from longlag.tasks.support.options import Range, option


@dataclass(frozen=True)
class Parity(ClassTask):
    """Independent fair bits; the class, due at the last one, says whether the number of ones is odd.

    A single unseen bit makes it a guess: the floor of a window is half the share of longer sequences. With
    ``steps=3-40`` lengths are uniform over a range, which suits tests at longer sequences.

    The authors' code asks on an extra step after the last bit, a lag of one more, and has one length per batch.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Deletang et al. 2023, parity check; Hochreiter & Schmidhuber 1997, introduction"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "steps"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong parities (share)"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {"all bits but one": 0.5}

    steps: Range = option(Range(40, 40), "bits, uniform over a range", low=2, high=100_000)

    @property
    def length(self) -> int:
        return self.steps.high

    @property
    def lag(self) -> int:
        return self.steps.high - 1

    def floor(self, window: int) -> float:
        return 0.5 * share_longer(self.steps, window)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        bits = generator.integers(2, size=(self.length, batch_size))
        lengths = draw_lengths(generator, self.steps, batch_size)
        running = running_parity(torch.from_numpy(bits)).numpy()
        return ask_at_end(bits, running[lengths - 1, np.arange(batch_size)], lengths)

    def carried(self, batch: Batch) -> Tensor:
        return batch.mask.flip(0).cumsum(0).flip(0) > 0  # up to the question

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return running_parity(inputs)[last, torch.arange(len(last))]


def running_parity(bits: Tensor) -> Tensor:
    """Return 1 where the number of ones up to and including the step is odd; time is the first axis.

    >>> running_parity(torch.tensor([1, 0, 1, 1]))
    tensor([1, 1, 0, 1])
    """
    return bits.cumsum(0) % 2

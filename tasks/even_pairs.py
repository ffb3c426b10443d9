"""Even pairs: is the number of places where neighbours differ even? It is if the first and the last symbol agree.

A sequence of 6 steps (01 and 10 stand at two places each, so the class is 0, even)::

    inputs    1 0 1 1 0 1
    target              0     (scored: the last step)
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
class EvenPairs(ClassTask):
    """Independent fair bits; the class, due at the last one, is 1 if the number of unequal neighbours is odd.

    Only the first bit has to be carried, and without it the answer is a guess: the floor of a window is half the share
    of longer sequences. A single bit has no pair and would always be even, so that lengths begin at 2.

    The authors' code asks on an extra step after the last bit, a lag of one more, and has one length per batch.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Deletang et al. 2023, even pairs"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "steps"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong classes (share)"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {"all bits but the first": 0.5}

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
        odd = odd_pairs(torch.from_numpy(bits)).numpy()
        return ask_at_end(bits, odd[lengths - 1, np.arange(batch_size)], lengths)

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1).expand(batch.inputs.shape) == 0

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return odd_pairs(inputs)[last, torch.arange(len(last))]


def odd_pairs(bits: Tensor) -> Tensor:
    """Return 1 where the number of unequal neighbours up to and including the step is odd; time is the first axis.

    >>> odd_pairs(torch.tensor([1, 0, 1, 1, 0, 1]))
    tensor([0, 1, 0, 0, 1, 0])
    """
    return bits ^ bits[:1]

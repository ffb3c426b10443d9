"""Exclusive or: two bits are marked somewhere in a long list; do they differ?

A sequence of 6 steps (the first marker lies in the first half, the second in the second half)::

    bits       1  0  1  1  1  0
    markers    0  1  0  0  1  0
    target                    1     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask
from longlag.tasks.support.drawing import TwoMarkers, ask_once
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Xor(ClassTask):
    """Pairs (bit, marker), one marker in each half; the class says whether the two marked bits differ.

    One bit alone says nothing about the answer, so it cannot be learnt one operand at a time: whoever misses either
    marker guesses, and the floor is half the share of sequences with a marker outside the window.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "the two-marker form of Hochreiter & Schmidhuber 1997; Martens & Sutskever 2011"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong parities (share)"
    output_size: ClassVar[int] = 2
    input_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {"one of the two bits": 0.5}

    length: int = option(100, "time steps (T)", low=2, high=100_000)

    @property
    def lag(self) -> int:
        return self.length

    def floor(self, window: int) -> float:
        return 0.5 * sum(TwoMarkers("halves", self.length).unseen(window))

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        bits = generator.integers(2, size=(self.length, batch_size), dtype=np.int8)
        one, other, lengths = TwoMarkers("halves", self.length).draw(generator, batch_size)
        markers = np.zeros_like(bits)
        markers[one, np.arange(batch_size)] = markers[other, np.arange(batch_size)] = 1
        inputs = np.stack([bits, markers], axis=2)
        asked = torch.from_numpy(inputs.astype(np.float32))
        return ask_once(asked, marked_parity(inputs), lengths - 1, {}, lengths=False)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs[..., 1] > 0

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return torch.from_numpy(marked_parity(inputs.numpy().astype(np.int8))).long()


def marked_parity(inputs: np.ndarray) -> np.ndarray:
    """Return 1 where the number of marked ones of (T, B, 2) inputs is odd, (B,).

    >>> marked_parity(np.array([[[1, 1]], [[1, 0]], [[0, 1]]]))
    array([1])
    """
    odd: np.ndarray = (inputs[..., 0] & inputs[..., 1]).sum(0) % 2
    return odd

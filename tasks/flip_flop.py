"""Flip-flop: a bit is written, others are ignored, and when a read comes, the bit written last is due.

Four instructions, each followed by its bit (w write, i ignore, r read)::

    inputs    w 1 i 0 i 0 r 1
    target                1       (scored: the steps of the reads)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, ClassTask, as_tokens
from tasks.drawing import at_least
from tasks.options import UsageError, option

WRITE, READ, IGNORE, ZERO = 0, 1, 2, 3


@dataclass(frozen=True)
class FlipFlop(ClassTask):
    """T/2 instructions, the first a write, the last a read, those between ignored, or else a read or write alike.

    The bit after a read is the one that was due, so that an earlier read is as good as a write, and what has to be
    carried is the bit of the last instruction that was not ignored. With n of N instructions before a read the chance
    of m ignored ones just before it is ignore ** m as long as m < n, else none: the floor is half of that, for the
    m = window // 2 bits seen, averaged over all reads. `lag_at_least` groups reads by that distance.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Liu et al. 2023, Exposing attention glitches with flip-flop language modeling"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over the reads"
    error_name: ClassVar[str] = "wrong bits read (share)"
    input_size: ClassVar[int] = 5
    output_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {}
    token_names: ClassVar[Sequence[str]] = ("w", "r", "i", "0", "1")

    length: int = option(100, "time steps (T), an even number", low=4, high=100_000)
    ignore: float = option(0.8, "share of instructions that are ignored", low=0.0, high=0.9999)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length % 2:
            raise UsageError(f"task flip_flop: length must be even, not {self.length}")

    @property
    def lag(self) -> int:
        return self.length - 3  # from the first bit to the last read

    def floor(self, window: int) -> float:
        before = np.arange(1, self.length // 2)  # instructions before each that may be a read
        reads = np.where(before < before[-1], (1 - self.ignore) / 2, 1)
        seen = window // 2
        unseen = np.where(seen < before, self.ignore ** float(seen), 0)
        return 0.5 * float((reads * unseen).sum() / reads.sum())

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        drawn = generator.random((self.length // 2, batch_size))
        instructions = np.where(drawn < self.ignore, IGNORE, np.where(drawn < (1 + self.ignore) / 2, READ, WRITE))
        instructions[0], instructions[-1] = WRITE, READ
        noise = generator.integers(2, size=instructions.shape)
        bits = flip_flop_bits(instructions, noise)
        inputs = np.empty((self.length, batch_size), dtype=np.int64)
        inputs[::2], inputs[1::2] = instructions, ZERO + bits
        place = np.arange(len(bits))[:, None]
        clue = np.maximum.accumulate(np.where(instructions != IGNORE, place, 0), axis=0)
        distances = 2 * (place[1:] - clue[:-1]) - 1  # from a clue's bit to a read
        read = instructions == READ
        mask = np.zeros(inputs.shape, dtype=bool)
        mask[::2] = read
        return Batch(
            torch.from_numpy(inputs),
            as_tokens(bits[read]),
            torch.from_numpy(mask),
            slices={"lag_at_least": as_tokens(at_least(distances[read[1:]]))},
        )

    def carried(self, batch: Batch) -> Tensor:
        return torch.cat([torch.zeros_like(batch.mask[:1]), batch.inputs[:-1] <= READ])  # bits written or read


def flip_flop_bits(instructions: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the bit after each instruction, (N, B): of a read the bit written last, else the noise.

    >>> flip_flop_bits(np.array([[WRITE], [IGNORE], [READ]]), noise=np.array([[1], [0], [0]])).ravel()
    array([1, 0, 1])
    """
    place = np.arange(len(instructions))[:, None]
    written = np.maximum.accumulate(np.where(instructions == WRITE, place, 0), axis=0)
    return np.where(instructions == READ, np.take_along_axis(noise, written, axis=0), noise)

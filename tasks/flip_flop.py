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

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option, spell

WRITE, READ, IGNORE, ZERO = 0, 1, 2, 3


@dataclass(frozen=True)
class FlipFlop(ClassTask):
    """N instructions: first a write, last a read, in between ignores, and reads and writes in equal shares.

    The expected number of reads and writes in between is ``acting`` for any N: the longer the sequence, the sparser
    they lie, and distances grow with it. The paper's settings have 256 instructions (512 steps): FFL(0.8), where 8 in
    10 are ignored, is ``instructions=256,acting=50.8``, and its sparse FFL(0.98) is ``instructions=256,acting=5.08``.

    The bit after a read is its answer, so that an earlier read is as good as a write: the bit to carry is that of the
    last instruction that was not ignored. With n instructions before a read and a share q of ignores, the probability
    of m ignores just before it is q ** m for m < n, else 0: the floor is half of that, for the m = window // 2 bits in
    view, averaged over all reads. `lag_at_least` groups reads by the distance of that bit.
    """

    version: ClassVar[int] = 2
    reference: ClassVar[str] = "Liu et al. 2023, Exposing attention glitches with flip-flop language modeling"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "instructions"
    reduction: ClassVar[str] = "cross-entropy, mean over the reads"
    error_name: ClassVar[str] = "wrong bits read (share)"
    input_size: ClassVar[int] = 5
    output_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {}
    token_names: ClassVar[Sequence[str]] = ("w", "r", "i", "0", "1")

    instructions: int = option(50, "instructions, of two steps each (N)", low=2, high=50_000)
    acting: float = option(5.0, "expected number of reads and writes between the first and the last", low=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.acting > self.instructions - 2:
            most = f"at most {self.instructions - 2}, two less than the instructions"
            raise UsageError(f"task flip_flop: acting must be {most}, not {spell(self.acting)}")

    @property
    def length(self) -> int:
        return 2 * self.instructions

    @property
    def _ignored(self) -> float:
        """The share of ignores among the instructions between the first and the last."""
        return 1 - self.acting / max(self.instructions - 2, 1)

    @property
    def lag(self) -> int:
        return self.length - 3  # from the first bit to the last read

    def floor(self, window: int) -> float:
        before = np.arange(1, self.instructions)  # instructions before each that may be a read
        reads = np.where(before < before[-1], (1 - self._ignored) / 2, 1)
        seen = window // 2
        unseen = np.where(seen < before, self._ignored ** float(seen), 0)
        return 0.5 * float((reads * unseen).sum() / reads.sum())

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        drawn = generator.random((self.instructions, batch_size))
        ignored = self._ignored
        instructions = np.where(drawn < ignored, IGNORE, np.where(drawn < (1 + ignored) / 2, READ, WRITE))
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
    """Return the bit after each instruction, (N, B): the bit written last for a read, the noise for all others.

    >>> flip_flop_bits(np.array([[WRITE], [IGNORE], [READ]]), noise=np.array([[1], [0], [0]])).ravel()
    array([1, 0, 1])
    """
    place = np.arange(len(instructions))[:, None]
    written = np.maximum.accumulate(np.where(instructions == WRITE, place, 0), axis=0)
    return np.where(instructions == READ, np.take_along_axis(noise, written, axis=0), noise)

"""Counting: as many b's follow as there were a's; after each b, does another one follow, or is this the end?

A sequence with 3 a's (``$`` end)::

    inputs    a a a b b b
    targets         b b $     (scored: the steps of the b's; a sequence is wrong if any of them is)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least
from longlag.tasks.support.options import option

B, END = 1, 2


@dataclass(frozen=True)
class Counting(ClassTask):
    """Words a^n b^n; the next symbol is predicted where it is determined: from the first b on.

    With ``counts=upper`` n is uniform over the upper half of the counts up to N, so that a test at twice the N of
    training has only new counts; with ``counts=all`` it is uniform from 2 to N. Both papers train on all counts from 1
    on. The first predicts the next symbol at the a's, too, where both are right; the second accepts or rejects words.

    "Another b" is nearly always right, so that the error is the share of sequences with any wrong step. A network that
    knows the time and sees the last a is right from there on: the count is the time at which the b's began. A window of
    w steps holds the last a up to b number w - 1, so that sequences with fewer a's are right to their end. In longer
    ones it sees nothing but b's, and can only fix the times at which it answers "end". A sequence with n a's is right
    if 2n is such a time and none of n + w to 2n - 1 is. For a fixed time 2m, the next count must be 2m - w + 1 or more.
    The largest number of such counts up to N, from w or the smallest count on, is the largest number of right ones.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Gers & Schmidhuber 2001, a^n b^n; Weiss, Goldberg & Yahav 2018"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "most"
    reduction: ClassVar[str] = "cross-entropy, mean over the steps of the b's"
    error_name: ClassVar[str] = "sequences with a wrong step (share)"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 2
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {}
    token_names: ClassVar[Sequence[str]] = ("a", "b")
    class_names: ClassVar[Sequence[str]] = ("b", "$")

    most: int = option(20, "a's of the longest sequence (N)", low=3, high=10_000)
    counts: str = option("upper", "the upper half of the counts up to N, or all from 2", choices=("upper", "all"))

    @property
    def length(self) -> int:
        return 2 * self.most

    @property
    def lag(self) -> int:
        return self.length - 1  # from the first a to the last b

    @property
    def _fewest(self) -> int:
        return self.most // 2 + 1 if self.counts == "upper" else 2

    def floor(self, window: int) -> float:
        window = max(window, 1)  # it is asked at a b, and knows that without seeing it
        named = max(window, self._fewest)
        right = named - self._fewest
        while named <= self.most:
            right, named = right + 1, 2 * named - window + 1
        total = self.most - self._fewest + 1
        return max(1 - right / total, 0.0)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        counts = generator.integers(self._fewest, self.most + 1, size=batch_size)
        symbols = words(counts, self.length + 1)
        scored = symbols[:-1] == B
        return Batch(
            as_tokens(scored),
            as_tokens((symbols[1:] == END)[scored]),
            torch.from_numpy(scored),
            as_tokens(2 * counts),
            slices={"lag_at_least": as_tokens(at_least(2 * counts - 1))},
        )

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        wrong = super().errors(outputs, batch)
        sequences = batch.mask.shape[1]
        return wrong.new_zeros(sequences).scatter_reduce(0, batch.scored % sequences, wrong, "amax")

    def carried(self, batch: Batch) -> Tensor:
        return batch.mask.cumsum(0) == 0  # the a's


def words(counts: np.ndarray, length: int) -> np.ndarray:
    """Write words, (length, B): for each of the counts (B,) as many a's (0) as b's (1), then end symbols (2).

    >>> words(np.array([1, 2]), length=5).T
    array([[0, 1, 2, 2, 2],
           [0, 0, 1, 1, 2]])
    """
    step = np.arange(length)[:, None]
    symbols: np.ndarray = (step >= counts).astype(np.int64) + (step >= 2 * counts)
    return symbols

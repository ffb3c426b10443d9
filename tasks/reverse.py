"""Reverse: read symbols up to the end mark, then write them down from the last to the first.

With 3 items a, b, c a sequence reads (``>`` end mark, ``.`` blank)::

    inputs    a b c > . .
    targets         c b a     (scored: the last 3 steps)

A decoder reads ``> c b`` in place of the last three steps in training, and its own outputs in evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, Later
from longlag.tasks.support.drawing import at_least, draw_lengths, letters, write_out
from longlag.tasks.support.options import Range, option


@dataclass(frozen=True)
class Reverse(ClassTask):
    """n items out of a set of symbols, an end mark at which the writing begins, n - 1 blanks: 2n time steps.

    The answer k steps after the mark comes 2k + 1 steps after its item: the first is easy, the last has the largest
    distance, ``lag`` = 2n - 1. Symbols are independent and uniform, so that without the item nothing beats guessing,
    even with the previous answers known: a window of w steps gives the first w // 2 answers of a sequence, the others
    are guessed. No sequence is kept out of training: there are too many to meet one twice.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Sutskever, Vinyals & Le 2014, who reverse what is read; Grefenstette et al. 2015"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "items"
    output_sequence: ClassVar[bool] = True
    reduction: ClassVar[str] = "cross-entropy, mean over the written symbols"
    error_name: ClassVar[str] = "wrong written symbols (share)"

    items: Range = option(Range(10, 10), "symbols to write back (n), uniform over a range", low=1, high=10_000)
    symbols: int = option(8, "size of the set they are drawn from", low=2, high=1000)

    @property
    def input_size(self) -> int:
        return self.symbols + 2  # the symbols, the blank, the end mark

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def length(self) -> int:
        return 2 * self.items.high

    @property
    def lag(self) -> int:
        return 2 * self.items.high - 1

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        counts = range(self.items.low, self.items.high + 1)
        unseen = sum(max(count - window // 2, 0) for count in counts)
        return (1 - 1 / self.symbols) * unseen / sum(counts)

    @property
    def partial_floors(self) -> Mapping[str, float]:
        mean = (self.items.low + self.items.high) / 2
        return {"all items but one": (1 - 1 / self.symbols) / mean} if mean > 1 else {}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        lengths = draw_lengths(generator, self.items, batch_size)
        symbols = generator.integers(self.symbols, size=(self.items.high, batch_size))
        batch = write_out(symbols, reversed_items(symbols, lengths), lengths, self.symbols)

        def slices() -> dict[str, np.ndarray]:
            position = batch.slices["position"].numpy()
            return {"position": position, "lag_at_least": at_least(2 * position + 1)}

        return replace(batch, slices=Later(slices))

    @property
    def token_names(self) -> Sequence[str]:
        return [*letters(self.symbols), ".", ">"]

    @property
    def class_names(self) -> Sequence[str]:
        return letters(self.symbols)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < self.symbols

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return inputs[0]


def reversed_items(symbols: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Reverse the first ``lengths`` (B,) of symbols (n, B); the others stay.

    >>> reversed_items(np.array([[1, 4], [2, 5], [3, 6]]), np.array([3, 2])).T
    array([[3, 2, 1],
           [5, 4, 6]])
    """
    place = np.arange(len(symbols))[:, None]
    turned: np.ndarray = symbols[np.where(place < lengths, lengths - 1 - place, place), np.arange(len(lengths))]
    return turned

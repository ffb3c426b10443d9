"""Copy memory: carry a few symbols over a long stretch of blanks and write them down.

With 3 items a, b, c and 4 blanks, a sequence reads (``.`` blank, ``>`` marker)::

    inputs    a b c . . . > . . .
    targets               a b c     (scored: the last 3 steps)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least, letters
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Copy(ClassTask):
    """K items out of a set of symbols, T - 1 blanks, a marker, K steps of recall: T + 2K time steps.

    Item i stands at step i and is asked for at step T + K + i, so every item lies ``lag`` = T + K steps back;
    a window must hold T + K + 1 steps, the answering one included. Symbols are independent and uniform, so
    without the item nothing beats guessing: the floor is 1 - 1/symbols for every shorter window.

    The loss is taken over the recall steps only. Averaged over all steps, as in the papers, its floor is
    K ln(symbols) / (T + 2K) and it is nearly blind to failure at large T.

    With ``variant=variable`` each sequence has a delay of its own in place of T, uniform from 1 to T, so that no
    clock can replace the marker. A window of w steps then misses the items of the delays above w - K - 1.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, section 4.1; variable: Henaff, Szlam & LeCun 2016"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "blanks"
    reduction: ClassVar[str] = "cross-entropy, mean over the recall steps"
    error_name: ClassVar[str] = "wrong recalled symbols (share)"

    items: int = option(10, "symbols to carry (K)", low=1, high=1000)
    symbols: int = option(8, "size of the set they are drawn from", low=2, high=1000)
    blanks: int = option(100, "steps from the last item to the marker (T)", low=1, high=100_000)
    variant: str = option("fixed", "one delay, or one drawn for each sequence", choices=("fixed", "variable"))

    @property
    def input_size(self) -> int:
        return self.symbols + 2  # the symbols, the blank, the marker

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def length(self) -> int:
        return self.blanks + 2 * self.items

    @property
    def lag(self) -> int:
        return self.blanks + self.items

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        enough = window - self.items - 1  # the longest delay that the window spans
        if self.variant == "fixed":
            return 0.0 if enough >= self.blanks else 1 - 1 / self.symbols
        return (1 - 1 / self.symbols) * (1 - min(max(enough, 0), self.blanks) / self.blanks)

    @property
    def partial_floors(self) -> Mapping[str, float]:
        known = (self.items - 1) / self.items
        return {"all items but one": (1 - known) * (1 - 1 / self.symbols)} if self.items > 1 else {}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        items = generator.integers(self.symbols, size=(self.items, batch_size))
        varied = self.variant == "variable"
        delays = generator.integers(1, self.blanks + 1, size=batch_size) if varied else np.full(batch_size, self.blanks)
        inputs = copy_inputs(items, self.blanks, self.symbols, delays)
        position = np.arange(self.length)[:, None] - self.items - delays
        mask = (position >= 0) & (position < self.items)
        asked, sequence = position[mask], mask.nonzero()[1]
        slices = {"position": asked} | ({"lag_at_least": at_least(delays[sequence] + self.items)} if varied else {})
        return Batch(
            inputs,
            as_tokens(items[asked, sequence]),
            torch.from_numpy(mask),
            as_tokens(delays + 2 * self.items) if varied else None,
            slices={name: as_tokens(values) for name, values in slices.items()},
        )

    @property
    def token_names(self) -> Sequence[str]:
        return [*letters(self.symbols), ".", ">"]

    @property
    def class_names(self) -> Sequence[str]:
        return letters(self.symbols)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < self.symbols


def copy_inputs(items: np.ndarray, blanks: int, symbols: int, delays: int | np.ndarray | None = None) -> Tensor:
    """Lay out the input tokens around the items, (K, B): the blank is ``symbols``, the marker ``symbols`` + 1.

    The marker ends the ``blanks``, or, where the sequences differ, as many of them as ``delays`` (B,) says.

    >>> copy_inputs(np.array([[1], [0]]), blanks=3, symbols=2).flatten().tolist()
    [1, 0, 2, 2, 3, 2, 2]
    """
    count, batch_size = items.shape
    inputs = np.full((blanks + 2 * count, batch_size), symbols)
    inputs[:count] = items
    inputs[count - 1 + (blanks if delays is None else delays), np.arange(batch_size)] = symbols + 1
    return as_tokens(inputs)

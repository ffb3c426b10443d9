"""Copy memory: carry a few symbols over a long stretch of blanks and write them down.

With 3 items a, b, c and 4 blanks, a sequence reads (``.`` blank, ``>`` marker)::

    inputs    a b c . . . > . . .
    targets               a b c     (scored: the last 3 steps)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Batch, Task, as_tokens
from tasks.options import option


@dataclass(frozen=True)
class Copy(Task):
    """K items out of a set of symbols, T - 1 blanks, a marker, K steps of recall: T + 2K time steps.

    Item i stands at step i and is asked for at step T + K + i, so every item lies ``lag`` = T + K steps back;
    a window must hold T + K + 1 steps, the answering one included. Symbols are independent and uniform, so
    without the item nothing beats guessing: the floor is 1 - 1/symbols for every shorter window.

    The loss is taken over the recall steps only. Averaged over all steps, as in the papers, its floor is
    K ln(symbols) / (T + 2K) and it is nearly blind to failure at large T.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016, section 4.1"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    reduction: ClassVar[str] = "cross-entropy, mean over the recall steps"
    error_name: ClassVar[str] = "wrong recalled symbols (share)"

    items: int = option(10, "symbols to carry (K)", low=1, high=1000)
    symbols: int = option(8, "size of the set they are drawn from", low=2, high=1000)
    blanks: int = option(100, "steps from the last item to the marker (T)", low=1, high=100_000)

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
    def min_lag(self) -> int:
        return self.lag + 1

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        return 0.0 if window >= self.min_lag else 1 - 1 / self.symbols

    @property
    def partial_floors(self) -> Mapping[str, float]:
        known = (self.items - 1) / self.items
        return {"all items but one": (1 - known) * (1 - 1 / self.symbols)} if self.items > 1 else {}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        items = generator.integers(self.symbols, size=(self.items, batch_size))
        inputs = copy_inputs(items, self.blanks, self.symbols)
        mask = torch.zeros(inputs.shape, dtype=torch.bool)
        mask[-self.items :] = True
        position = np.repeat(np.arange(self.items), batch_size)
        return Batch(inputs, as_tokens(items.ravel()), mask, slices={"position": as_tokens(position)})

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs.argmax(1) != batch.targets).to(outputs.dtype)


def copy_inputs(items: np.ndarray, blanks: int, symbols: int) -> Tensor:
    """Lay out the input tokens around the items, (K, B): the blank is ``symbols``, the marker ``symbols`` + 1.

    >>> copy_inputs(np.array([[1], [0]]), blanks=3, symbols=2).flatten().tolist()
    [1, 0, 2, 2, 3, 2, 2]
    """
    count, batch_size = items.shape
    inputs = np.full((blanks + 2 * count, batch_size), symbols)
    inputs[:count] = items
    inputs[count + blanks - 1] = symbols + 1
    return as_tokens(inputs)

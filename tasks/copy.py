"""Copy memory: carry a few symbols over a long stretch of blanks and write them down.

With 3 items a, b, c and 4 blanks, a sequence reads (``.`` blank, ``>`` marker)::

    inputs    a b c . . . > . . .
    targets               a b c     (scored: the last 3 steps)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least, letters
from longlag.tasks.support.options import option

VARIANTS = ("fixed", "variable", "arjovsky2016", "tcn2018", "exprnn")
MORE_CLASSES = {
    "arjovsky2016": 1,
    "exprnn": 1,
    "tcn2018": 2,
}  # the blank, and the marker; only these train all steps
TRAINING_SET = 10_000  # sequences of `tcn2018`


@dataclass(frozen=True)
class Copy(ClassTask):
    """K items out of a set of symbols, T - 1 blanks, a marker, K steps of recall: T + 2K time steps.

    Item i stands at step i and is recalled at step T + K + i, so every item lies ``lag`` = T + K steps back;
    a window must hold T + K + 1 steps, the answering one included. Symbols are independent and uniform, so
    without the item nothing beats guessing: the floor is 1 - 1/symbols for every shorter window.

    `fixed` has the inputs of Arjovsky et al., but trains the recall steps only, with one class a symbol. Theirs is
    `arjovsky2016`: every step has a target, a class of its own for "blank" until the recall, and the loss is the mean
    over all T + 2K. Without memory that is K ln(symbols) / (T + 2K), .0204 at T = 1000, which hardly shows a failure;
    gradients are smaller by (T + 2K) / K, 102 times, so that a clip's threshold means something else. The error is over
    the recall steps in every variant. Two more papers train on all steps and differ in the inputs:

    - `tcn2018` reads one number a step, 0 for the blank, 1 to S for symbols, S + 1 for the marker, which stands on all
      recall steps, too; the marker has a class that is never a target. It trains on 10,000 sequences, the same for
      every seed (in the authors' code in their order, here at random), and is tested on others.
    - `exprnn` has T blanks, and the marker on the first step of recall.

    With ``variant=variable`` each sequence has its own delay in place of T, uniform from 1 to T, so that counting steps
    cannot replace the marker. A window of w steps then misses the items of the delays above w - K - 1.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Arjovsky, Shah & Bengio 2016, section 4.1; variable: Henaff, Szlam & LeCun 2016; "
        "tcn2018: Bai, Kolter & Koltun; exprnn: Lezcano-Casado & Martinez-Rubio 2019"
    )
    causal: ClassVar[bool] = False
    dial: ClassVar[str] = "blanks"
    error_name: ClassVar[str] = "wrong recalled symbols (share)"

    items: int = option(10, "symbols to carry (K)", low=1, high=1000)
    symbols: int = option(8, "size of the set they are drawn from", low=2, high=1000)
    blanks: int = option(100, "steps from the last item to the marker (T)", low=1, high=100_000)
    variant: str = option("fixed", "one delay or one a sequence, or the paper whose rules hold", choices=VARIANTS)

    @property
    def tokens(self) -> bool:  # type: ignore[override]
        return self.variant != "tcn2018"

    @property
    def reduction(self) -> str:  # type: ignore[override]
        return f"cross-entropy, mean over {'all' if self._trains_all else 'the recall'} steps"

    @property
    def _trains_all(self) -> bool:
        return self.variant in MORE_CLASSES

    @property
    def input_size(self) -> int:
        return self.symbols + 2 if self.tokens else 1  # the symbols, the blank, the marker

    @property
    def output_size(self) -> int:
        return self.symbols + MORE_CLASSES.get(self.variant, 0)

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
        if self.variant != "variable":
            return 0.0 if enough >= self.blanks else 1 - 1 / self.symbols
        return (1 - 1 / self.symbols) * (1 - min(max(enough, 0), self.blanks) / self.blanks)

    @property
    def partial_floors(self) -> Mapping[str, float]:
        known = (self.items - 1) / self.items
        return {"all items but one": (1 - known) * (1 - 1 / self.symbols)} if self.items > 1 else {}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        items = self._draw_items(generator, batch_size, held_out)
        varied = self.variant == "variable"
        delays = generator.integers(1, self.blanks + 1, size=batch_size) if varied else np.full(batch_size, self.blanks)
        inputs = copy_inputs(items, self.blanks, self.symbols, delays)
        if self.variant == "tcn2018":
            inputs[-self.items :] = self.symbols + 1
        if self.variant == "exprnn":
            inputs[self.lag - 1], inputs[self.lag] = self.symbols, self.symbols + 1
        position = np.arange(self.length)[:, None] - self.items - delays
        recall = (position >= 0) & (position < self.items)
        asked, sequence = position[recall], recall.nonzero()[1]
        targets = np.full(recall.shape, self.symbols)
        targets[recall] = items[asked, sequence]
        mask = np.ones_like(recall) if self._trains_all else recall
        slices = {"position": asked} | ({"lag_at_least": at_least(delays[sequence] + self.items)} if varied else {})
        return Batch(
            inputs if self.tokens else as_numbers(inputs, self.symbols),
            as_tokens(targets[mask]),
            torch.from_numpy(mask),
            as_tokens(delays + 2 * self.items) if varied else None,
            slices={name: as_tokens(values) for name, values in slices.items()},
        )

    def _draw_items(self, generator: np.random.Generator, batch_size: int, held_out: bool) -> np.ndarray:
        """Draw the items of every sequence, (K, B): any symbols, or those of a sequence of the training set."""
        if self.variant == "tcn2018" and not held_out:
            return training_set(self.items, self.symbols)[:, generator.integers(TRAINING_SET, size=batch_size)]
        return generator.integers(self.symbols, size=(self.items, batch_size))

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        return super().errors(outputs, batch)[-len(batch.slices["position"]) :]  # recall comes last

    @property
    def token_names(self) -> Sequence[str] | None:
        return [*letters(self.symbols), ".", ">"] if self.tokens else None

    @property
    def class_names(self) -> Sequence[str]:
        return [*letters(self.symbols), ".", ">"][: self.output_size]

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.mask)).unsqueeze(1).expand(batch.mask.shape) < self.items

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        item = inputs[self.items - 1]
        return item if self.tokens else item.squeeze(-1).long() - 1


@cache
def training_set(items: int, symbols: int) -> np.ndarray:
    """Return the items of all sequences of `tcn2018`'s training set, (K, 10,000), always the same."""
    generator = np.random.Generator(np.random.Philox(key=TRAINING_SET))
    return generator.integers(symbols, size=(items, TRAINING_SET))


def copy_inputs(items: np.ndarray, blanks: int, symbols: int, delays: int | np.ndarray | None = None) -> Tensor:
    """Lay out the input tokens around the items, (K, B): the blank is ``symbols``, the marker ``symbols`` + 1.

    The marker ends the ``blanks``, or, where the sequences differ, as many of them as ``delays`` (B,) says.

    Args:
        items: The symbols to carry.
        blanks: Steps from the last item to the marker.
        symbols: The number of symbols.
        delays: Steps from the last item to the marker of each sequence; by default ``blanks``.

    >>> copy_inputs(np.array([[1], [0]]), blanks=3, symbols=2).flatten().tolist()
    [1, 0, 2, 2, 3, 2, 2]
    """
    count, batch_size = items.shape
    inputs = np.full((blanks + 2 * count, batch_size), symbols)
    inputs[:count] = items
    inputs[count - 1 + (blanks if delays is None else delays), np.arange(batch_size)] = symbols + 1
    return as_tokens(inputs)


def as_numbers(inputs: Tensor, symbols: int) -> Tensor:
    """Turn (T, B) tokens into one number a step, (T, B, 1): the blank into 0, symbols from 1 on, the marker last.

    >>> as_numbers(torch.tensor([[0], [1], [2], [3]]), symbols=2).flatten()
    tensor([1., 2., 0., 3.])
    """
    return torch.where(inputs < symbols, inputs + 1, inputs * (inputs > symbols)).float().unsqueeze(2)

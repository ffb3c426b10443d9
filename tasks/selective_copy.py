"""Selective copy: a few symbols lie scattered over a long stretch of blanks; write them down in their order.

With 3 items and 5 blanks, a sequence reads (``.`` blank, ``>`` recall)::

    inputs    . b . . a . . b > > >
    targets                   b a b     (scored: the last 3 steps)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, Later, as_tokens
from longlag.tasks.support.drawing import at_least, letters
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class SelectiveCopy(ClassTask):
    """K items on different steps of the first T + K, each choice equally likely; K steps of recall: T + 2K steps.

    A network without gates that depend on the input cannot tell how far back an item lies. For a window of w steps
    item i is lost if at least i + 1 items lie before it, with a hypergeometric probability; then guessing is best.
    Distances differ, and so do floors: `lag_at_least` groups answers by the distance of their item.

    `gu2023` repeats the recall marker on every step of recall. `mad2024` shows it once, on an extra step before K blank
    ones: T + 2K + 1 steps. Each of its blanks falls before a uniformly drawn item, so that the last item is never
    followed by one, and later items lie nearer: i + 1 of K gaps come before item i.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Jing et al. 2019, denoise; Gu & Dao 2023, selective copying, with their marked recall steps; Poli et al. 2024"
    )
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "blanks"
    reduction: ClassVar[str] = "cross-entropy, mean over the recall steps"
    error_name: ClassVar[str] = "wrong recalled symbols (share)"

    items: int = option(10, "symbols to carry (K)", low=1, high=200)
    symbols: int = option(8, "size of the set they are drawn from", low=2, high=1000)
    blanks: int = option(80, "blanks among them (T)", low=0, high=100_000)
    variant: str = option("gu2023", "how blanks fall, and what marks the recall", choices=("gu2023", "mad2024"))

    @property
    def input_size(self) -> int:
        return self.symbols + 2  # the symbols, the blank, the recall marker

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def length(self) -> int:
        return self.blanks + 2 * self.items + (self.variant == "mad2024")

    @property
    def lag(self) -> int:
        return self.length - self.items

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        if self.variant == "mad2024":
            few = self.lag - window  # item i is lost if no more blanks than these lie before it
            lost_share = float(shares_of_few(self.blanks, self.items)[min(few, self.blanks)]) if few >= 0 else 0.0
            return (1 - 1 / self.symbols) * lost_share
        stage = self.blanks + self.items
        unseen = [min(max(stage + item + 1 - window, 0), stage) for item in range(self.items)]
        lost = [shares_before(stage, self.items, before)[item + 1] for item, before in enumerate(unseen)]
        return (1 - 1 / self.symbols) * sum(lost) / self.items

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"all items but one": (1 - 1 / self.symbols) / self.items} if self.items > 1 else {}

    @property
    def token_names(self) -> Sequence[str]:
        return [*letters(self.symbols), ".", ">"]

    @property
    def class_names(self) -> Sequence[str]:
        return letters(self.symbols)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        steps = self._draw_steps(generator, batch_size)
        items = generator.integers(self.symbols, size=(self.items, batch_size))
        inputs = np.full((self.length, batch_size), self.symbols)
        inputs[steps, np.arange(batch_size)] = items
        marker = self.blanks + self.items
        inputs[marker : marker + 1 if self.variant == "mad2024" else self.length] = self.symbols + 1
        mask = torch.zeros(inputs.shape, dtype=torch.bool)
        mask[self.lag :] = True
        item = np.arange(self.items)[:, None]

        def slices() -> dict[str, np.ndarray]:
            position = np.broadcast_to(item, items.shape)
            return {"position": position.ravel(), "lag_at_least": at_least(self.lag + item - steps).ravel()}

        return Batch(
            as_tokens(inputs),
            as_tokens(scattered(inputs, self.symbols).ravel()),
            mask,
            slices=Later(slices),
        )

    def _draw_steps(self, generator: np.random.Generator, batch_size: int) -> np.ndarray:
        """Draw the step of every item, (K, B)."""
        if self.variant == "mad2024":
            blanks = generator.multinomial(self.blanks, np.full(self.items, 1 / self.items), size=batch_size)
            before: np.ndarray = np.arange(self.items)[:, None] + blanks.cumsum(1).T
            return before
        stage = generator.random((self.blanks + self.items, batch_size), dtype=np.float32)
        return np.sort(np.argpartition(stage, self.items - 1, axis=0)[: self.items], axis=0)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < self.symbols

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return as_tokens(scattered(inputs.numpy(), self.symbols)[-1])


def scattered(inputs: np.ndarray, symbols: int) -> np.ndarray:
    """Collect the tokens below ``symbols`` of (T, B) inputs in their order, (K, B); each sequence has K of them.

    >>> scattered(np.array([[2, 0], [1, 2], [2, 1], [0, 2]]), symbols=2)
    array([[1, 0],
           [0, 1]])
    """
    by_sequence = inputs.T
    items: np.ndarray = by_sequence[by_sequence < symbols].reshape(len(by_sequence), -1).T
    return items


@cache
def shares_before(stage: int, items: int, before: int) -> list[float]:
    """Return the probability of at least 0, 1, 2, ... of ``items`` in the first ``before`` of ``stage`` steps.

    >>> shares_before(4, 2, 1)
    [1.0, 0.5, 0.0]
    """
    ways = [comb(before, count) * comb(stage - before, items - count) for count in range(items + 1)]
    return [sum(ways[count:]) / comb(stage, items) for count in range(items + 1)]


@cache
def shares_of_few(blanks: int, items: int) -> np.ndarray:
    """Return the share of items with at most 0, 1, 2, ... blanks before them, each blank in one of ``items`` gaps.

    The number of blanks before item i is binomial with probability (i + 1) / items.

    >>> shares_of_few(2, 2)  # of the first item 1/4, 3/4 and 1, of the second 0, 0 and 1
    array([0.125, 0.375, 1.   ])
    """
    logs = np.append(0.0, np.log(np.arange(1, blanks + 1)).cumsum())  # of factorials
    number = np.arange(blanks + 1)
    shares = np.where(number < blanks, 0.0, 1.0)  # of the last item: all blanks lie before it
    for item in range(items - 1):
        before, after = np.log([item + 1, items - 1 - item]) - np.log(items)
        chances = np.exp(logs[-1] - logs - logs[::-1] + number * before + number[::-1] * after).cumsum()
        shares += chances / chances[-1]
    shares /= items
    return shares

"""Cycle navigation: a walk around a ring, a step to the left, to the right or none at a time; where does it end?

A walk of 5 steps on a ring of 5 places, beginning at place 0 (``-`` left, ``.`` stay, ``+`` right)::

    inputs    + - . - -
    target            3     (scored: the last step)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask
from longlag.tasks.support.drawing import ask_at_end, draw_lengths
from longlag.tasks.support.options import Range, option


@dataclass(frozen=True)
class Cycle(ClassTask):
    """Independent moves, uniform over left, stay and right; the class is the place at which the walk ends.

    Without the first u moves the best guess is their likeliest sum. Short walks are not spread evenly over the ring, so
    that the floor is below 1 - 1/places there; it is counted exactly. On five places walks of 12 moves or more end
    evenly to within a thousandth.

    The authors' code asks on an extra step after the last move, a lag of one more, and has one length per batch.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Deletang et al. 2023, cycle navigation"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "steps"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong places (share)"
    input_size: ClassVar[int] = 3
    solved_below: ClassVar[float] = 0.01
    token_names: ClassVar[Sequence[str]] = ("-", ".", "+")

    steps: Range = option(Range(40, 40), "moves, uniform over a range", low=1, high=10_000)
    places: int = option(5, "places on the ring", low=3, high=100)

    @property
    def output_size(self) -> int:
        return self.places

    @property
    def length(self) -> int:
        return self.steps.high

    @property
    def lag(self) -> int:
        return self.steps.high - 1

    def floor(self, window: int) -> float:
        unseen = np.maximum(np.arange(self.steps.low, self.steps.high + 1) - window, 0)
        return float(np.mean(guessing_errors(self.places, self.steps.high)[unseen]))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"all moves but one": 2 / 3}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        moves = generator.integers(3, size=(self.length, batch_size))
        lengths = draw_lengths(generator, self.steps, batch_size)
        places = place_after(torch.from_numpy(moves), self.places).numpy()
        return ask_at_end(moves, places[lengths - 1, np.arange(batch_size)], lengths)

    def carried(self, batch: Batch) -> Tensor:
        return batch.mask.flip(0).cumsum(0).flip(0) > 0  # up to the question

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return place_after(inputs, self.places)[last, torch.arange(len(last))]


def place_after(moves: Tensor, places: int) -> Tensor:
    """Return the place after each move (0 left, 1 stay, 2 right) of a walk from place 0; time is the first axis.

    >>> place_after(torch.tensor([2, 0, 1, 0, 0]), places=5)
    tensor([1, 0, 0, 4, 3])
    """
    return (moves - 1).cumsum(0) % places


@cache
def guessing_errors(places: int, most: int) -> np.ndarray:
    """Return the error of the best guess at the sum of 0, 1, 2, ... up to ``most`` unseen moves.

    >>> guessing_errors(5, 2)  # two moves cancel out in three cases of nine
    array([0.        , 0.66666667, 0.66666667])
    """
    chances = np.zeros(places)
    chances[0] = 1
    errors = np.zeros(most + 1)
    for unseen in range(1, most + 1):
        chances = (np.roll(chances, -1) + chances + np.roll(chances, 1)) / 3
        errors[unseen] = max(errors[unseen - 1], 1 - chances.max())  # the maximum only guards against rounding
    return errors

"""Skeleton: one line that says what must be remembered.

Draw a sequence here. With 3 blanks (``.`` blank, ``?`` question)::

    inputs    b . . . ?
    target            b     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens, option


@dataclass(frozen=True)
class Skeleton(ClassTask):
    """A symbol, some blanks, and a question; derive the floor here.

    Symbols are uniform and independent, so that a network which does not see the first step can only guess.
    """

    version: ClassVar[int] = 1  # raise it when a change of the drawing changes results
    reference: ClassVar[str] = "who proposed it, and where"
    causal: ClassVar[bool] = False  # whether inputs after a question reveal its answer
    tokens: ClassVar[bool] = True  # inputs are whole numbers (T, B); False: vectors (T, B, I)
    dial: ClassVar[str] = "blanks"  # the option that sets the distance; --test-lags and longlag horizon turn it
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong symbols (share)"
    partial_floors: ClassVar[Mapping[str, float]] = {}  # best errors with a part of the sequence known; no parts here

    # Options are spelled skeleton:blanks=50; each has a default, one line for listings, and limits.
    kinds: int = option(4, "different symbols", low=2, high=1000)
    blanks: int = option(10, "steps between symbol and question", low=1, high=100_000)

    @property
    def input_size(self) -> int:
        """The symbols, the blank, the question."""
        return self.kinds + 2

    @property
    def output_size(self) -> int:
        """One output for each class."""
        return self.kinds

    @property
    def length(self) -> int:
        """Time steps of the longest sequence."""
        return self.blanks + 2

    @property
    def lag(self) -> int:
        """The distance dial."""
        return self.blanks + 1

    @property
    def solved_below(self) -> float:
        """The error below which it counts as solved; unreachable without memory."""
        return 0.01

    def floor(self, window: int) -> float:
        """Return the best error of a network that sees the last ``window`` steps, the answering one included."""
        return 0.0 if window >= self.length else 1 - 1 / self.kinds

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        """Draw sequences, from this generator and from nothing else; time comes before batch."""
        symbols = generator.integers(self.kinds, size=batch_size)
        inputs = lay_out(symbols, self.blanks, self.kinds)
        mask = torch.zeros(inputs.shape, dtype=torch.bool)
        mask[-1] = True  # the steps that are scored
        targets = torch.zeros_like(inputs)  # (T, B): the answers at scored steps; others are not read
        targets[-1] = as_tokens(symbols)
        return Batch(inputs, targets, mask)


def lay_out(symbols: np.ndarray, blanks: int, kinds: int) -> Tensor:
    """Make the inputs (T, B) of symbols (B,): a pure function with an example that tests run.

    >>> lay_out(np.array([1, 0]), blanks=2, kinds=2).T.tolist()
    [[1, 2, 2, 3], [0, 2, 2, 3]]
    """
    blank, question = np.full((blanks, len(symbols)), kinds), np.full((1, len(symbols)), kinds + 1)
    return as_tokens(np.concatenate([symbols[None], blank, question]))

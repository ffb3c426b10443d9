"""Temporal order: two or three marked symbols stand far apart among distractors; in which order did they come?

A sequence with two marked symbols (E begins, B ends, a to d are distractors)::

    inputs    E c X a d b c Y d a a c b B
    target                              XY    (scored: the last step)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import ask_once
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

TOKENS = ("X", "Y", "a", "b", "c", "d", "E", "B")
FIRST_DISTRACTOR, BEGIN, END = 2, 6, 7
VARIANTS = ("hochreiter1997", "pascanu2013", "pascanu2013_code")


@dataclass(frozen=True)
class TemporalOrder(ClassTask):
    """Each marked symbol is X or Y; the class is the word they spell, one of 4 or 8, all equally likely.

    `hochreiter1997` draws a length L for each sequence, from S to 1.1 S, of which `length` is the longest (S = 100 is
    ``length=110``), frames it with E and B, and draws the steps of the marked symbols from .1 S to .2 S and .5 S to
    .6 S, or, for three, .1 S to .2 S, .33 S to .43 S and .66 S to .76 S, both ends included.
    `pascanu2013` has sequences of one length T without a frame, and steps from .1 T and .5 T, or .1 T, .3 T and .6 T,
    to .1 T later, end excluded. `pascanu2013_code` follows the authors' program: T is drawn for each training batch,
    from a quarter of `length` to all of it (50 to 200 in theirs), and for each sequence of an evaluation.

    The highest output is the answer. `solved_below` is, for `pascanu2013`, the paper's, fewer than 1 in 100 wrong, and
    for `pascanu2013_code` the program's, none wrong in 10,000; the paper of 1997 requires 2,000 right ones in a row,
    with every output off by less than .3.

    Every symbol that a window misses halves the chance of a right guess: the floor is 1 - E[2 ** -missed].
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 6; Pascanu, Mikolov & Bengio 2013"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong orders (share)"
    partial_floors: ClassVar[Mapping[str, float]] = {"all marked symbols but one": 0.5}
    token_names: ClassVar[Sequence[str]] = TOKENS

    length: int = option(110, "time steps of the longest sequence", low=2, high=100_000)
    marked: int = option(2, "marked symbols", low=2, high=3)
    variant: str = option("hochreiter1997", "the paper whose rules hold", choices=VARIANTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < (least := 11 if self.variant == "hochreiter1997" else 10):
            raise UsageError(
                f"task temporal_order: {self.variant} needs a length of {least} or more, not {self.length}"
            )

    @property
    def input_size(self) -> int:
        return 8 if self.variant == "hochreiter1997" else 6

    @property
    def output_size(self) -> int:
        return int(2**self.marked)

    @property
    def lag(self) -> int:
        return self.length

    @property
    def class_names(self) -> Sequence[str]:
        return ["".join(word) for word in product("XY", repeat=self.marked)]

    @property
    def solved_below(self) -> float:
        return 0.0001 if self.variant == "pascanu2013_code" else 0.01

    @property
    def lengths(self) -> range:
        """The lengths of sequences, which are all equally likely."""
        if self.variant == "pascanu2013_code":
            return range(max(self.length // 4, 10), self.length + 1)
        shortest = self.length * 10 // 11
        varied = self.variant == "hochreiter1997"
        return range(shortest, shortest + shortest // 10 + 1) if varied else range(self.length, self.length + 1)

    def spans(self, length: Any) -> list[tuple[Any, Any]]:
        """Return the steps of each marked symbol of a sequence, end excluded; its length may be an array."""
        if self.variant == "hochreiter1997":
            size = self.lengths[0]
            starts = (size // 10, size // 2) if self.marked == 2 else (size // 10, size // 3, 2 * size // 3)
            return [(start, start + size // 10 + 1) for start in starts]
        tenths = (1, 5) if self.marked == 2 else (1, 3, 6)
        return [(tenth * length // 10, tenth * length // 10 + length // 10) for tenth in tenths]

    def floor(self, window: int) -> float:
        lengths = np.array(self.lengths)
        missed = [np.clip((lengths - window - low) / (high - low), 0, 1) for low, high in self.spans(lengths)]
        return 1 - float((1 - 0.5 * np.stack(missed)).prod(0).mean())

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        inputs = generator.integers(FIRST_DISTRACTOR, BEGIN, size=(self.length, batch_size))
        one_length = self.variant == "pascanu2013_code" and not held_out
        lengths = generator.integers(self.lengths[0], self.lengths[-1] + 1, size=1 if one_length else batch_size)
        lengths = np.broadcast_to(lengths, batch_size)
        column = np.arange(batch_size)
        for low, high in self.spans(lengths if self.variant == "pascanu2013_code" else self.length):
            step = generator.integers(low, high, size=batch_size)
            inputs[step, column] = generator.integers(2, size=batch_size)
        if self.variant == "hochreiter1997":
            inputs[0], inputs[lengths - 1, column] = BEGIN, END
        inputs[np.arange(self.length)[:, None] >= lengths] = FIRST_DISTRACTOR
        slices = {"length": lengths} if len(self.lengths) > 1 else {}
        return ask_once(as_tokens(inputs), order_of(inputs, self.marked), lengths - 1, slices, lengths=bool(slices))

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < FIRST_DISTRACTOR

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return as_tokens(order_of(inputs.numpy(), self.marked))


def order_of(inputs: np.ndarray, marked: int) -> np.ndarray:
    """Return the class that the marked symbols of (T, B) inputs spell, X as 0 and Y as 1, (B,).

    >>> order_of(np.array([6, 3, 1, 2, 0, 5, 7])[:, None], marked=2)  # E b Y a X d B: YX
    array([2])
    """
    symbols = inputs < FIRST_DISTRACTOR
    later = marked - symbols.cumsum(0)  # marked symbols still to come
    spelt: np.ndarray = (symbols * inputs * 2 ** np.maximum(later, 0)).sum(0)
    return spelt

"""Translate: read words up to the end mark, then write each in the other language, in the same order.

With 3 items of 3 words a sequence reads (``>`` end mark, ``.`` blank)::

    inputs    a a c > . .
    targets         C C A     (scored: the last 3 steps)

A decoder reads ``> C C`` in place of the last three steps in training, and its own outputs in evaluation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import letters, write_out
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Translate(ClassTask):
    """n words out of a vocabulary, an end mark at which the writing begins, n - 1 blanks: 2n time steps.

    The dictionary is the alphabet backwards: word i of V is V - 1 - i in the other language. Any other would be as
    hard, since tokens have no order for a network. Every answer comes ``lag`` = n steps after its word, and a window
    must hold n + 1. Words are independent and uniform, so that without the word nothing beats guessing, even with the
    previous answers known. No sequence is kept out of training.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Sutskever, Vinyals & Le 2014; Cho et al. 2014, with a dictionary for a language"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "items"
    output_sequence: ClassVar[bool] = True
    reduction: ClassVar[str] = "cross-entropy, mean over the written words"
    error_name: ClassVar[str] = "wrong written words (share)"

    items: int = option(10, "words to translate (n)", low=1, high=10_000)
    words: int = option(8, "size of the vocabulary they are drawn from", low=2, high=1000)

    @property
    def input_size(self) -> int:
        return self.words + 2  # the words, the blank, the end mark

    @property
    def output_size(self) -> int:
        return self.words

    @property
    def length(self) -> int:
        return 2 * self.items

    @property
    def lag(self) -> int:
        return self.items

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        return 0.0 if window > self.items else 1 - 1 / self.words

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"all words but one": (1 - 1 / self.words) / self.items} if self.items > 1 else {}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        words = generator.integers(self.words, size=(self.items, batch_size))
        return write_out(words, translated(words, self.words), np.full(batch_size, self.items), self.words)

    @property
    def token_names(self) -> Sequence[str]:
        return [*letters(self.words), ".", ">"]

    @property
    def class_names(self) -> Sequence[str]:
        return [name.upper() for name in letters(self.words)]

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < self.words

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return as_tokens(translated(inputs[self.items - 1].numpy(), self.words))


def translated(words: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return the translations of words.

    >>> translated(np.array([0, 1, 7]), vocabulary=8)
    array([7, 6, 0])
    """
    return vocabulary - 1 - words

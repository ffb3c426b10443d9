"""Sentiment read backwards: the word that decides comes before the question.

The sentences of ``sentiment`` from their last word to their first, here with a distance of 3::

    inputs    exciting truly so terribly was film dull the
    target                      praise                         (scored: the step of "terribly")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import ask_once, at_least, draw_lengths
from longlag.tasks.support.options import Range, option
from longlag.tasks.support.reviews import ASKED, CLASSES, OPINIONS, WORDS, polarity, write


@dataclass(frozen=True)
class SentimentBefore(ClassTask):
    """Sentences "<opinion> ... terribly was <noun> <opinion> the"; the class is the polarity of the first word.

    The control of ``sentiment`` that a left-to-right network can solve: the same words, distances and classes, so that
    the effect of two directions can be told from that of more parameters. The words after the question are independent
    of its answer. A window of w steps up to the question misses the first word of the sentences with a distance of w or
    more, and the floor is half of their share.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "the control of `sentiment`: the same sentences read from their end"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "distance"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong tags (share)"
    input_size: ClassVar[int] = len(WORDS)
    output_size: ClassVar[int] = len(CLASSES)
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {"everything from the question on": 0.5}
    token_names: ClassVar[Sequence[str]] = WORDS
    class_names: ClassVar[Sequence[str]] = CLASSES

    distance: Range = option(
        Range(10, 10), "steps from what decides to the question, uniform over a range", low=1, high=10_000
    )

    @property
    def length(self) -> int:
        return self.distance.high + 1 + ASKED

    @property
    def lag(self) -> int:
        return self.distance.high

    def floor(self, window: int) -> float:
        low, high = self.distance.low, self.distance.high
        return 0.5 * min(max(high - max(window, low) + 1, 0) / (high - low + 1), 1.0)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        distances = draw_lengths(generator, self.distance, batch_size)
        forwards, last = write(generator, distances, self.length), ASKED + distances
        varied = self.distance.low < self.distance.high
        slices = {"distance_at_least": at_least(distances)} if varied else {}
        inputs = as_tokens(backwards(forwards, last))
        batch = ask_once(inputs, polarity(forwards), distances, slices, lengths=False)
        return replace(batch, lengths=as_tokens(last + 1)) if varied else batch

    def carried(self, batch: Batch) -> Tensor:
        """Return which inputs decide: the opinions before the question."""
        opinions = (batch.inputs >= OPINIONS[0]) & (batch.inputs < OPINIONS[1])
        return opinions & (batch.mask.cumsum(0) == 0)


def backwards(sentences: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Reverse sentences (T, B) whose last words are at steps (B,); the padding after them stays.

    >>> read = "the dull film was terribly so truly exciting . .".split()
    >>> found = backwards(np.array([[WORDS.index(word)] for word in read]), np.array([7]))
    >>> " ".join(WORDS[token] for token in found[:, 0])
    'exciting truly so terribly was film dull the . .'
    """
    steps = np.arange(len(sentences))[:, None]
    return np.take_along_axis(sentences, np.where(steps <= last, last - steps, steps), 0)

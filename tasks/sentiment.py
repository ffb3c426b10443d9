"""Sentiment: is "terribly" praise or blame? The word that decides comes later.

A sentence with a distance of 3; its first opinion is independent of the last one, which decides::

    inputs    the dull film was terribly so truly exciting
    target                        praise                      (scored: the step of "terribly")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, Later, as_tokens
from longlag.tasks.support.drawing import at_least, draw_lengths
from longlag.tasks.support.options import Range, option
from longlag.tasks.support.reviews import ASKED, CLASSES, OPINIONS, WORDS, polarity, write


@dataclass(frozen=True)
class Sentiment(ClassTask):
    """Sentences "the <opinion> <noun> was terribly ... <opinion>"; the class is the polarity of the last word.

    The last word stands d steps after "terribly", adverbs in between; the sentence ends with it. Both opinions are
    independent and uniform over four words of praise and four of blame, so that nothing up to the question tells its
    answer: a left-to-right network stays at an error of exactly .5. Windows reach forward: w steps from the question on
    miss the last word of the sentences with a distance of w or more, and the floor is half of their share.

    >>> read = "the dull film was terribly so truly exciting"
    >>> CLASSES[polarity(np.array([[WORDS.index(word)] for word in read.split()]))[0]]
    'praise'
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Stanford's CS224n lectures, bidirectional networks: the movie was terribly exciting"
    causal: ClassVar[bool] = False
    looks_ahead: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "distance"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong tags (share)"
    input_size: ClassVar[int] = len(WORDS)
    output_size: ClassVar[int] = len(CLASSES)
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {"everything up to the question": 0.5}
    token_names: ClassVar[Sequence[str]] = WORDS
    class_names: ClassVar[Sequence[str]] = CLASSES

    distance: Range = option(
        Range(10, 10), "steps from the question to what decides, uniform over a range", low=1, high=10_000
    )

    @property
    def length(self) -> int:
        return ASKED + 1 + self.distance.high

    @property
    def lag(self) -> int:
        return self.distance.high

    def floor(self, window: int) -> float:
        low, high = self.distance.low, self.distance.high
        return 0.5 * min(max(high - max(window, low) + 1, 0) / (high - low + 1), 1.0)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        distances = draw_lengths(generator, self.distance, batch_size)
        inputs, last = write(generator, distances, self.length), ASKED + distances
        varied = self.distance.low < self.distance.high
        mask = np.zeros(inputs.shape, dtype=bool)
        mask[ASKED] = True
        return Batch(
            as_tokens(inputs),
            as_tokens(polarity(inputs)),
            torch.from_numpy(mask),
            as_tokens(last + 1) if varied else None,
            slices=Later(lambda: {"distance_at_least": at_least(distances)} if varied else {}),
        )

    def carried(self, batch: Batch) -> Tensor:
        """Return which inputs decide: they must be carried back from the end."""
        opinions = (batch.inputs >= OPINIONS[0]) & (batch.inputs < OPINIONS[1])
        return opinions & (torch.arange(len(batch.inputs)).unsqueeze(1) > ASKED)

"""Recall of pairs (multi-query associative recall): keys with values first, later the keys alone; what was the value?

With 2 pairs, a sequence reads (capital keys, small values, ``.`` blank)::

    inputs    B d A c . . A . . . B .
    targets               c       d       (scored: the steps of the queries)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least, letters
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

KEPT_OUT_FROM = 8  # keys; fewer would be told by what is kept out


@dataclass(frozen=True)
class RecallPairs(ClassTask):
    """P different keys, each followed by its value, all different; then every key once more, on every other step.

    Which keys, which values and which belong together is drawn anew for each sequence. Queries stand on different
    slots of two steps each, all choices alike (the paper crowds them towards the pairs by a power law). What counts
    as memory is whose a value is, not which values occur: floors are those of a network that is told the values of
    its sequence, 1 - 1/P without any pair and (P - m - 1)/P with m pairs in the window.

    Kept out of training, where there are 8 keys or more: the first key with the second value, the second with the third
    and so on, the last with the first. In evaluation they are as frequent as other pairs; `held_out` tells them apart.

    Distances differ, and so do floors: `lag_at_least` groups answers by the distance of their pair.
    """

    version: ClassVar[int] = 2
    reference: ClassVar[str] = "Arora et al. 2024, Zoology: multi-query associative recall"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over the queries"
    error_name: ClassVar[str] = "wrong values (share)"

    pairs: int = option(4, "pairs in a sequence (P)", low=2, high=1000)
    vocabulary: int = option(32, "keys to choose from, and values as many", low=2, high=100_000)
    length: int = option(64, "time steps", low=8, high=100_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs > self.vocabulary:
            raise UsageError(
                f"task recall_pairs: pairs must be at most the vocabulary, {self.vocabulary}, not {self.pairs}"
            )
        if self.length < 4 * self.pairs:
            raise UsageError(
                f"task recall_pairs: {self.pairs} pairs need a length of {4 * self.pairs} or more, not {self.length}"
            )

    @property
    def input_size(self) -> int:
        return 2 * self.vocabulary + 1  # keys, values, the blank

    @property
    def output_size(self) -> int:
        return self.vocabulary

    @property
    def lag(self) -> int:
        return 2 * (self._slots - 1) + 2 * self.pairs  # from the first key to a query on the last slot

    @property
    def _slots(self) -> int:
        return (self.length - 2 * self.pairs) // 2

    @property
    def solved_below(self) -> float:
        return min(0.01, 0.5 / self.pairs)

    def floor(self, window: int) -> float:
        answered = 2 * self.pairs + 2 * np.arange(self._slots)
        missed = np.clip(-((window - 1 - answered) // 2), 0, self.pairs)  # pairs that begin before the window
        return float(np.mean(np.maximum(missed - 1, 0))) / self.pairs

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"which values occur": 1 - 1 / self.pairs, "all pairs but two": 1 / self.pairs}

    @property
    def token_names(self) -> Sequence[str]:
        names = letters(self.vocabulary)
        return [*(name.upper() for name in names), *(name if name.isalpha() else f"v{name}" for name in names), "."]

    @property
    def class_names(self) -> Sequence[str]:
        return self.token_names[self.vocabulary : -1]

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        keys, values = (different(generator, self.vocabulary, self.pairs, batch_size) for _ in range(2))
        slots = different(generator, self._slots, self.pairs, batch_size)
        kept_out = (keys + 1) % self.vocabulary if self.vocabulary >= KEPT_OUT_FROM else np.full_like(keys, -1)
        if not held_out:
            values = parted(values, kept_out)
        inputs = pair_inputs(keys, values, slots, self.length, self.vocabulary)
        queries = 2 * self.pairs + 2 * slots
        distances = queries - 2 * np.arange(self.pairs)[:, None]
        asked = (queries * batch_size + np.arange(batch_size)).ravel()  # places in the flattened (T, B)
        in_order = asked.argsort()
        mask = np.zeros(inputs.shape, dtype=bool)
        mask.ravel()[asked] = True
        return Batch(
            as_tokens(inputs),
            as_tokens(values.ravel()[in_order]),
            torch.from_numpy(mask),
            slices={
                "lag_at_least": as_tokens(at_least(distances.ravel()[in_order])),
                "held_out": as_tokens((values == kept_out).ravel()[in_order]),
            },
        )

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1).expand(batch.inputs.shape) < 2 * self.pairs


def pair_inputs(keys: np.ndarray, values: np.ndarray, slots: np.ndarray, length: int, vocabulary: int) -> np.ndarray:
    """Lay out pairs and the slots on which their keys are asked for, (P, B) each, as (T, B) tokens.

    >>> keys, values, slots = np.array([[1], [0]]), np.array([[3], [2]]), np.array([[2], [0]])
    >>> pair_inputs(keys, values, slots, length=10, vocabulary=4).ravel()  # 8 is the blank
    array([1, 7, 0, 6, 0, 8, 8, 8, 1, 8])
    """
    inputs = np.full((length, keys.shape[1]), 2 * vocabulary)
    inputs[0 : 2 * len(keys) : 2] = keys
    inputs[1 : 2 * len(keys) : 2] = vocabulary + values
    np.put_along_axis(inputs, 2 * len(keys) + 2 * slots, keys, axis=0)
    return inputs


def parted(values: np.ndarray, kept_out: np.ndarray) -> np.ndarray:
    """Exchange values between neighbours until no key has the value it must not have; all are (P, B).

    One exchange is enough: values differ within a sequence, and so do those that its keys must not have.

    >>> parted(np.array([[3], [1], [2]]), kept_out=np.array([[3], [0], [4]])).ravel()
    array([1, 3, 2])
    """
    values = values.copy()
    for pair in np.flatnonzero((values == kept_out).any(1)):
        other = (pair + 1) % len(values)
        swap = values[pair] == kept_out[pair]
        values[pair], values[other] = np.where(swap, values[[other, pair]], values[[pair, other]])
    return values


def different(generator: np.random.Generator, size: int, count: int, batch_size: int) -> np.ndarray:
    """Draw ``count`` different numbers below ``size`` in random order for every sequence, (count, B)."""
    ranks = np.argsort(generator.random((size, batch_size), dtype=np.float32), axis=0)
    return ranks[:count]

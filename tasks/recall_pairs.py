"""Recall of pairs (multi-query associative recall): keys with values, then the keys alone; what was each key's value?

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
from longlag.tasks.support.places import different, power_law, shares_taken, weighted

KEPT_OUT_FROM = 8  # keys; with fewer the pairs that are kept out would reveal answers
CROWDING = 0.99  # exponent of the power law by which queries of `zoology` come soon after the pairs
LONGEST_CROWDED = 4096  # time steps; the shares that floors need take seconds there


@dataclass(frozen=True)
class RecallPairs(ClassTask):
    """P different keys, each followed by its value, all different; then every key once more, on every other step.

    Keys, values and their pairing are drawn anew for each sequence. Queries stand on different slots of two steps each,
    all choices equally likely; all other steps after the pairs are blank.

    Pairs in the window are known, the others are guessed. If h of the pairs begin before the window, a query is for one
    of these with probability h/P. It may then have any of the V - P + h values (V in the vocabulary) that the window
    does not show with another key; if the window begins with the value of a pair, that value belongs to one of h keys.
    The error is h/P · (1 - 1/(V - P + h)) or (h - 1)/P, averaged over the slots; without any memory it is 1 - 1/V.

    Kept out of training, if there are 8 keys or more: the first key with the second value, the second with the third
    and so on, the last with the first. In evaluation they are as frequent as other pairs; `held_out` tells them apart.

    `zoology` is closer to the paper: queries crowd towards the pairs, on slots drawn one after the other with
    probabilities that fall as slot ** -.99, all other steps after the pairs hold any key or value in place of a blank,
    and nothing is kept out. The paper's vocabulary is ``vocabulary=4096``. Floors assume that the time is known, since
    nothing else tells a pair from a key beside a value. The authors' code differs in three ways. It gives earlier pairs
    the slots drawn earlier, so that the order of pairs is informative; its network answers with a key or a value; and
    it has one key less.

    Distances differ, and so do floors: `lag_at_least` groups answers by the distance of their pair.
    """

    version: ClassVar[int] = 3
    reference: ClassVar[str] = "Arora et al. 2024, Zoology: multi-query associative recall"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over the queries"
    error_name: ClassVar[str] = "wrong values (share)"

    pairs: int = option(4, "pairs in a sequence (P)", low=2, high=1000)
    vocabulary: int = option(32, "keys to choose from, and values as many", low=2, high=100_000)
    length: int = option(64, "time steps", low=8, high=100_000)
    variant: str = option("even", "where queries stand, and what fills the gaps", choices=("even", "zoology"))

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
        if self.variant == "zoology" and self.length > LONGEST_CROWDED:
            raise UsageError(f"task recall_pairs: zoology has at most {LONGEST_CROWDED} time steps, not {self.length}")

    @property
    def input_size(self) -> int:
        return 2 * self.vocabulary + (self.variant == "even")  # keys, values, the blank

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
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        queries = 2 * self.pairs + 2 * np.arange(self._slots)
        unseen = np.clip(queries + 1 - window, 0, 2 * self.pairs)  # steps of the pairs before the window
        hidden = (unseen + 1) // 2
        possible = np.where(unseen % 2, hidden, self.vocabulary - self.pairs + hidden)
        errors = hidden / self.pairs * (1 - 1 / np.maximum(possible, 1))
        return float((errors * self._shares).sum())

    @property
    def _shares(self) -> np.ndarray:
        """The share of queries on each slot."""
        if self.variant == "even":
            return np.full(self._slots, 1 / self._slots)
        return shares_taken(self._slots, CROWDING, self.pairs) / self.pairs

    @property
    def partial_floors(self) -> Mapping[str, float]:
        spare = self.vocabulary - self.pairs  # values of the vocabulary that no pair has
        one, two = ((1 - 1 / (spare + pairs)) * pairs / self.pairs for pairs in (1, 2))
        known = {"which values occur": 1 - 1 / self.pairs, "all pairs but two": two}
        return known | ({"all pairs but one": one} if spare else {})

    @property
    def token_names(self) -> Sequence[str]:
        names = letters(self.vocabulary)
        values = (name if name.isalpha() else f"v{name}" for name in names)
        return [*(name.upper() for name in names), *values, "."][: self.input_size]

    @property
    def class_names(self) -> Sequence[str]:
        return self.token_names[self.vocabulary : 2 * self.vocabulary]

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        keys, values = (different(generator, self.vocabulary, self.pairs, batch_size) for _ in range(2))
        keeps_out = self.variant == "even" and self.vocabulary >= KEPT_OUT_FROM
        kept_out = (keys + 1) % self.vocabulary if keeps_out else np.full_like(keys, -1)
        if not held_out:
            values = parted(values, kept_out)
        slots = self._draw_slots(generator, batch_size)
        inputs = self._background(generator, batch_size)
        write_pairs(inputs, keys, values, slots, self.vocabulary)
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

    def _draw_slots(self, generator: np.random.Generator, batch_size: int) -> np.ndarray:
        """Draw the slot of each pair's query, (P, B)."""
        if self.variant == "even":
            return different(generator, self._slots, self.pairs, batch_size)
        slots = weighted(generator, power_law(self._slots, CROWDING), self.pairs, batch_size)
        dealt: np.ndarray = np.take_along_axis(slots, different(generator, self.pairs, self.pairs, batch_size), axis=0)
        return dealt

    def _background(self, generator: np.random.Generator, batch_size: int) -> np.ndarray:
        """Return the tokens of all steps before pairs and queries are written, (T, B)."""
        if self.variant == "even":
            return np.full((self.length, batch_size), 2 * self.vocabulary)
        return generator.integers(2 * self.vocabulary, size=(self.length, batch_size))

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1).expand(batch.inputs.shape) < 2 * self.pairs


def write_pairs(inputs: np.ndarray, keys: np.ndarray, values: np.ndarray, slots: np.ndarray, vocabulary: int) -> None:
    """Write pairs and queries into (T, B) tokens.

    Args:
        inputs: The tokens, changed in place.
        keys: (P, B), the keys of the pairs.
        values: (P, B), the values of the pairs.
        slots: (P, B), the slots of the queries.
        vocabulary: The number of keys.

    >>> inputs, keys, values = np.full((10, 1), 8), np.array([[1], [0]]), np.array([[3], [2]])
    >>> write_pairs(inputs, keys, values, slots=np.array([[2], [0]]), vocabulary=4)
    >>> inputs.ravel()
    array([1, 7, 0, 6, 0, 8, 8, 8, 1, 8])
    """
    inputs[0 : 2 * len(keys) : 2] = keys
    inputs[1 : 2 * len(keys) : 2] = vocabulary + values
    np.put_along_axis(inputs, 2 * len(keys) + 2 * slots, keys, axis=0)


def parted(values: np.ndarray, kept_out: np.ndarray) -> np.ndarray:
    """Exchange values between neighbours until no key has the value that is kept out with it; all are (P, B).

    One exchange is enough: values differ within a sequence, and so do those that are kept out.

    >>> parted(np.array([[3], [1], [2]]), kept_out=np.array([[3], [0], [4]])).ravel()
    array([1, 3, 2])
    """
    values = values.copy()
    for pair in np.flatnonzero((values == kept_out).any(1)):
        other = (pair + 1) % len(values)
        swap = values[pair] == kept_out[pair]
        values[pair], values[other] = np.where(swap, values[[other, pair]], values[[pair, other]])
    return values

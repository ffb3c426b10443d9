"""Drawing that several tasks share: the steps of markers, the lengths of sequences, batches with one question each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, Later, as_tokens
from longlag.tasks.support.options import Range


def bits(generator: np.random.Generator, dice: int, batch_size: int) -> np.ndarray:
    """Draw 32 random bits for each throw of several dice, (dice, B), all at once.

    The upper half of the product of bits and a die's sides is the number thrown, from 0 (Lemire 2019).
    `Generator.integers` does the same, and also rejects the few bits that make some numbers likelier, by less than 1e-6
    for 4000 sides.

    >>> faces = bits(np.random.default_rng(1), 2, 3) * np.array([[2], [6]], dtype=np.uint64) >> np.uint64(32)
    >>> one_by_one = np.random.default_rng(1)
    >>> bool((faces == [one_by_one.integers(2, size=3), one_by_one.integers(6, size=3)]).all())
    True
    """
    return generator.integers(2**32, size=(dice, batch_size), dtype=np.uint32)


def ask_once(
    inputs: Tensor, targets: np.ndarray, steps: np.ndarray, slices: Mapping[str, np.ndarray], lengths: bool = True
) -> Batch:
    """Make a batch with one question for each sequence.

    Args:
        inputs: (T, B) or (T, B, I).
        targets: (B,) or (B, O), the answer of each sequence.
        steps: (B,), the time step of each question.
        slices: The number of each sequence in each slice, (B,), by name.
        lengths: Whether each sequence ends with its question; otherwise all end at T.

    >>> batch = ask_once(torch.zeros(3, 2), np.array([7, 8]), np.array([2, 1]), {})
    >>> batch.targets, batch.mask.T.int().tolist(), batch.lengths  # in the order of the steps
    (tensor([8, 7]), [[0, 0, 1], [0, 1, 0]], tensor([3, 2]))
    """
    order = np.argsort(steps, kind="stable")
    mask = torch.from_numpy(np.arange(len(inputs))[:, None] == steps)
    return Batch(
        inputs,
        torch.from_numpy(np.ascontiguousarray(targets[order])),
        mask,
        as_tokens(steps + 1) if lengths else None,
        slices=Later(lambda: {name: values[order] for name, values in slices.items()}),
    )


def write_out(symbols: np.ndarray, written: np.ndarray, lengths: np.ndarray, vocabulary: int) -> Batch:
    """Make a batch of symbols to read, an end mark, and blanks while the answer is written, one symbol per step.

    The blank is the token ``vocabulary``, the mark is the next one. The first answer is due at the mark. A decoder
    first reads the class ``vocabulary``, which no symbol has, and then the right answer of the step before.

    Args:
        symbols: (n, B), the symbols to read.
        written: (n, B), the classes to write.
        lengths: (B,), the length of each sequence, at most n.
        vocabulary: The number of symbols, and of classes.

    >>> batch = write_out(np.array([[0], [1], [2]]), np.array([[2], [1], [0]]), np.array([3]), vocabulary=5)
    >>> batch.inputs.flatten().tolist(), batch.targets.tolist(), batch.decoder_inputs.flatten().tolist()
    ([0, 1, 2, 6, 5, 5], [2, 1, 0], [5, 2, 1])
    """
    most, batch_size = symbols.shape
    place = np.arange(2 * most)[:, None] - lengths
    begun = place >= 0
    inputs = np.full((2 * most, batch_size), vocabulary)
    inputs[:most] = np.where(begun[:most], vocabulary, symbols)
    inputs[lengths, np.arange(batch_size)] = vocabulary + 1
    before = np.full((most, batch_size), vocabulary)
    before[1:] = np.where(begun[1:most], vocabulary, written[:-1])
    mask = begun & (place < lengths)
    asked = place[mask]
    return Batch(
        as_tokens(inputs),
        as_tokens(written[asked, mask.nonzero()[1]]),
        torch.from_numpy(mask),
        as_tokens(2 * lengths) if lengths.min() < most else None,
        decoder_inputs=as_tokens(before),
        slices=Later(lambda: {"position": asked}),
    )


def draw_lengths(generator: np.random.Generator, lengths: Range, batch_size: int) -> np.ndarray:
    """Draw the length of every sequence, (B,), uniform over a range."""
    if lengths.low == lengths.high:
        return np.full(batch_size, lengths.high)
    return generator.integers(lengths.low, lengths.high + 1, size=batch_size)


def share_longer(lengths: Range, window: int) -> float:
    """Return the share of sequences longer than a window, their lengths uniform over a range.

    >>> [share_longer(Range(3, 4), window) for window in (2, 3, 4)]
    [1.0, 0.5, 0.0]
    """
    return min(max(lengths.high - max(window, lengths.low - 1), 0) / (lengths.high - lengths.low + 1), 1.0)


def ask_at_end(inputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray) -> Batch:
    """Make a batch with one question for each sequence of tokens (T, B), at its last step; later steps are set to 0.

    Targets and lengths are (B,); lengths that differ are a slice.
    """
    varied = bool(lengths.min() < len(inputs))
    if varied:
        inputs[np.arange(len(inputs))[:, None] >= lengths] = 0
    slices = {"length": lengths} if varied else {}
    return ask_once(as_tokens(inputs), targets, lengths - 1, slices, lengths=varied)


def letters(count: int) -> list[str]:
    """Write the numbers below ``count`` as letters, or as numbers if there are more than letters.

    >>> letters(3), letters(30)[-1]
    (['a', 'b', 'c'], '29')
    """
    return [chr(ord("a") + number) if count <= 26 else str(number) for number in range(count)]


def at_least(distances: np.ndarray) -> np.ndarray:
    """Round distances of 1 or more down to a power of two, so that long sequences have few slices.

    >>> at_least(np.array([1, 2, 3, 4, 100]))
    array([ 1,  2,  2,  4, 64])
    """
    rounded: np.ndarray = np.left_shift(np.int64(1), np.frexp(distances)[1] - 1)
    return rounded


@dataclass(frozen=True)
class TwoMarkers:
    """A rule by which two steps of every sequence are marked.

    `halves` marks one in each half, `anywhere` any two. The other rules draw a length L for every sequence, from S up
    to 1.1 S: `tenths` (1.1 S left out) marks one in the first tenth of L and one in the next four tenths,
    `first_ten` (1.1 S included) one of the first ten and another one of the first S/2 - 1.

    Attributes:
        rule: One of the four.
        longest: Time steps of the longest sequence: S or, where lengths vary, at least 1.1 S.
    """

    rule: str
    longest: int

    @property
    def lengths(self) -> range:
        """The lengths of sequences, which are all equally likely."""
        shortest = self.longest * 10 // 11
        ends = {"tenths": shortest + shortest // 10, "first_ten": shortest + shortest // 10 + 1}
        return range(shortest, ends[self.rule]) if self.rule in ends else range(self.longest, self.longest + 1)

    def spans(self, length: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Return the steps at which each marker of a sequence may lie, end excluded; its length may be an array."""
        if self.rule == "tenths":
            return (0, length // 10), (length // 10, length // 10 + length * 4 // 10)
        if self.rule == "first_ten":
            return (0, 10), (0, self.lengths[0] // 2 - 1)
        half = self.longest // 2
        return ((0, half), (half, self.longest)) if self.rule == "halves" else ((0, self.longest), (0, self.longest))

    def draw(self, generator: np.random.Generator, batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the two steps and the length of every sequence, (B,) each."""
        lengths = np.full(batch_size, self.longest)
        if len(self.lengths) > 1:
            lengths = generator.integers(self.lengths[0], self.lengths[-1] + 1, size=batch_size)
        first, second = self.spans(lengths)
        shared = self.rule in ("anywhere", "first_ten")  # then the second span holds the first
        one = generator.integers(*first, size=batch_size)
        other = generator.integers(second[0], second[1] - shared, size=batch_size)
        return one, other + (shared & (other >= one)), lengths

    def unseen(self, window: int, above: int = 0) -> tuple[float, float]:
        """Return the shares of sequences of which the last ``window`` steps hold one marker, and none.

        Args:
            window: Steps seen.
            above: Leave out the sequences with a marker before this step; the shares stay those of all sequences.

        >>> TwoMarkers("halves", 4).unseen(1), TwoMarkers("anywhere", 3).unseen(1)
        ((0.5, 0.5), (0.6666666666666666, 0.3333333333333333))
        """
        shares = [self._unseen(length, max(length - window, 0), above) for length in self.lengths]
        one, both = (math.fsum(share) / len(shares) for share in zip(*shares, strict=True))
        return one, both

    def _unseen(self, length: int, start: int, above: int) -> tuple[float, float]:
        first, second = self.spans(length)
        spans = first, second, (max(first[0], second[0]), min(first[1], second[1]))

        def pairs(low: int, high: int) -> int:
            one, other, same = (max(0, int(min(span[1], high) - max(span[0], low))) for span in spans)
            return one * other - same

        none, both, left = pairs(max(start, above), length), pairs(above, start), pairs(above, length)
        return (left - none - both) / pairs(0, length), both / pairs(0, length)

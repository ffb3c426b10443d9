"""Tests the entries of two sides together, with a correction for their number."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from longlag.regression.judge.comparison import Comparison
from longlag.regression.judge.matching import EntryPair
from longlag.regression.judge.measures import MEASURES, Tests
from longlag.regression.judge.procedure import SCREEN_ALPHA
from longlag.stats.exact import holm


class Compared(NamedTuple):
    """A pair whose sides both have results.

    Attributes:
        pair: The pair.
        held: Its comparison, without a correction for other tests.
        adjusted: Every p, adjusted for all tests of all pairs (Holm 1979).
    """

    pair: EntryPair
    held: Comparison
    adjusted: Tests


def compare(pairs: Sequence[EntryPair]) -> list[Compared]:
    """Test every pair whose sides both have results, in every measure and both directions."""
    held = [
        (pair, Comparison(pair.baseline, pair.new, SCREEN_ALPHA))
        for pair in pairs
        if pair.baseline is not None and pair.new is not None and pair.baseline.n and pair.new.n
    ]
    every = (side[name] for _, one in held for side in (one.tests.worse, one.tests.better) for name in MEASURES)
    left = iter(holm(list(every)))
    return [Compared(pair, one, Tests(_next(left), _next(left), one.tests.paired)) for pair, one in held]


def _next(left: Iterator[float]) -> dict[str, float]:
    return {name: next(left) for name in MEASURES}

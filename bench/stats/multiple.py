"""Comparisons of solved counts, several at once, corrected for their number."""

from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the two-sided p of Fisher's exact test for two counts, each (solved, n).

    >>> round(fisher_p((5, 5), (2, 5)), 2)
    0.17
    """
    table = [[count, n - count] for count, n in (first, second)]
    return float(stats.fisher_exact(table).pvalue)


class Difference(NamedTuple):
    """Two counts, each (solved, n), put to the test."""

    p: float
    decided: bool


def compare(pairs: Sequence[tuple[tuple[int, int], tuple[int, int]]], level: float = 0.05) -> list[Difference]:
    """Test several pairs of counts together, so that looking at many does not make one look decided.

    Bonferroni over those comparisons that could reach the level at all (Tarone 1990): where all trials of both
    arms agree, or there are too few, nothing is tested and nothing is paid for it.

    >>> [found.decided for found in compare([((8, 8), (0, 8)), ((0, 8), (0, 8)), ((5, 5), (2, 5))])]
    [True, False, False]
    """
    found = [fisher_p(*pair) for pair in pairs]
    best = [_smallest_p(*pair) for pair in pairs]
    tested = next((k for k in range(1, len(pairs) + 1) if sum(p <= level / k for p in best) <= k), 1)
    return [Difference(p, p <= level / tested) for p in found]


def _smallest_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the smallest p that any split of the same totals would give."""
    total, n, m = first[0] + second[0], first[1], second[1]
    ends = (max(0, total - m), min(n, total))
    return min(fisher_p((count, n), (total - count, m)) for count in ends)

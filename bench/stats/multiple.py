"""Comparisons of solved counts, several at once, corrected for their number."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy import stats

from longlag.stats.exact import mcnemar

Solved = Mapping[int, bool]
"""Whether each seed solved."""


class Difference(NamedTuple):
    """The result of a test between two sides."""

    p: float
    decided: bool


def compare(pairs: Sequence[tuple[Solved, Solved]], level: float = 0.05) -> list[Difference]:
    """Test several pairs of sides together, with a correction for their number.

    Two sides with the same seeds had the same data and initial weights: they are tested seed by seed, by McNemar's
    exact test; other pairs by Fisher's. Every p is two-sided. The level is corrected by Bonferroni over those pairs
    that could reach it at all (Tarone 1990): pairs whose seeds all agree, or that have too few, do not count.

    >>> eight, none = dict.fromkeys(range(8), True), dict.fromkeys(range(8), False)
    >>> [pair.decided for pair in compare([(eight, none), (none, none), ({0: True}, {0: False})])]
    [True, False, False]
    """
    tests = [_test(*pair) for pair in pairs]
    tested = next((k for k in range(1, len(tests) + 1) if sum(low <= level / k for _, low in tests) <= k), 1)
    return [Difference(p, p <= level / tested) for p, _ in tests]


def _test(first: Solved, second: Solved) -> tuple[float, float]:
    """Return p, and the smallest p that any outcome with the same totals would have."""
    if first.keys() == second.keys():
        ahead = sum(first[seed] and not second[seed] for seed in first)
        behind = sum(second[seed] and not first[seed] for seed in first)
        return mcnemar(ahead, behind), mcnemar(ahead + behind, 0)
    counts = [(sum(side.values()), len(side)) for side in (first, second)]
    return fisher_p(*counts), _smallest_fisher_p(*counts)


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the two-sided p of Fisher's exact test for two counts, each (solved, n).

    >>> round(fisher_p((5, 5), (2, 5)), 2)
    0.17
    """
    table = [[count, n - count] for count, n in (first, second)]
    return float(stats.fisher_exact(table).pvalue)


def _smallest_fisher_p(first: tuple[int, int], second: tuple[int, int]) -> float:
    total, n, m = first[0] + second[0], first[1], second[1]
    ends = (max(0, total - m), min(n, total))
    return min(fisher_p((count, n), (total - count, m)) for count in ends)

"""Exact tests: Boschloo's and McNemar's for two shares, permutation tests for whole-number scores.

Every p is one-sided except McNemar's. No function here returns NaN: at complete separation p is small, where all values
tie it is 1.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special, stats

_SHARES = 1024  # grid of the unknown common share
_BLOCK = 64


def boschloo_p(solved: int, n: int, baseline_solved: int, baseline_n: int) -> float:
    """Return the one-sided p for a solved share below the baseline's (Boschloo 1970).

    The supremum over the unknown common share is taken on a grid of 1,024 points, even in its arcsine.

    Args:
        solved: New seeds that solved.
        n: New seeds.
        baseline_solved: Seeds of the baseline that solved.
        baseline_n: Seeds of the baseline.

    >>> round(boschloo_p(2, 10, 9, 10), 5)
    0.00129
    """
    if n == 0 or baseline_n == 0:
        return 1.0
    return float(_boschloo_table(n, baseline_n)[solved, baseline_solved])


@lru_cache(maxsize=64)
def _boschloo_table(n: int, m: int) -> np.ndarray:
    """Return p for every pair of counts, (n + 1, m + 1)."""
    first, second = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
    fisher = stats.hypergeom.cdf(first, n + m, first + second, n).ravel()
    order = np.argsort(fisher, kind="stable")
    # Tables whose Fisher p are equal but for rounding enter the rejection region together.
    ends = np.searchsorted(fisher[order], fisher * (1 + 1e-9), side="right") - 1
    highest = np.zeros(fisher.size)
    for shares in np.array_split(np.sin(np.linspace(0, np.pi / 2, _SHARES)) ** 2, _SHARES // _BLOCK):
        rows = stats.binom.pmf(np.arange(n + 1), n, shares[:, None])
        columns = stats.binom.pmf(np.arange(m + 1), m, shares[:, None])
        chances = (rows[:, :, None] * columns[:, None, :]).reshape(len(shares), -1)[:, order]
        highest = np.maximum(highest, np.cumsum(chances, axis=1).max(axis=0))
    table: np.ndarray = np.minimum(highest, 1.0)[ends].reshape(n + 1, m + 1)
    return table


def critical_count(n: int, baseline_solved: int, baseline_n: int, alpha: float) -> int:
    """Return the largest count of solved seeds whose p is at most ``alpha``; -1 where even a count of 0 has a larger p.

    Args:
        n: New seeds.
        baseline_solved: Seeds of the baseline that solved.
        baseline_n: Seeds of the baseline.
        alpha: The level of the one-sided test.

    >>> critical_count(10, 100, 100, 0.05), critical_count(10, 5, 100, 0.05)
    (8, -1)
    """
    column = _boschloo_table(n, baseline_n)[:, baseline_solved]
    return int(np.flatnonzero(column <= alpha).max(initial=-1))


def permutation_p(scores: np.ndarray, m: int, exact_below: float = 1.0) -> float:
    """Return the one-sided p for larger scores in a sample, if all orders are equally likely: a permutation test.

    It is exact, by counting subsets by their sum (Streitberg & Röhmel 1986). If a normal approximation, with its
    variance corrected for ties, is ``exact_below`` or more, it is returned instead: such a p decides nothing.

    Args:
        scores: Whole numbers, (N,); those of the sample first, larger is worse.
        m: Size of the sample.
        exact_below: Where the approximation is this large, it is returned; with 1 the result is always exact.

    >>> permutation_p(np.array([9, 8, 7, 1, 2, 3, 4]), 3)  # one subset in 35
    0.02857142857142857
    """
    total = len(scores)
    if m in (0, total) or scores.min() == scores.max():
        return 1.0
    spread = float(scores.std())
    deviation = spread * math.sqrt(m * (total - m) / (total - 1))
    approximate = float(special.ndtr((m * scores.mean() - scores[:m].sum()) / deviation))
    if approximate >= exact_below:
        return approximate
    if 2 * m > total:  # equivalent, and faster for the smaller sample: the others sum to as little or less
        scores, m = -np.concatenate([scores[m:], scores[:m]]), total - m
    distances = scores.max() - scores  # 0 is worst: the sum must be as small as observed
    distances = distances // max(1, int(np.gcd.reduce(distances)))
    return _subsets_up_to(distances, m, int(distances[:m].sum())) / math.comb(total, m)


def _subsets_up_to(distances: np.ndarray, m: int, limit: int) -> float:
    """Count subsets of ``m`` of the distances whose sum is at most ``limit``; equal ones are taken together."""
    counts = np.zeros((m + 1, limit + 1))
    counts[0, 0] = 1
    used = 0
    for distance, copies in zip(*np.unique(distances[distances <= limit], return_counts=True), strict=True):
        before = counts[: used + 1].copy()  # rows of more members are still zero
        most = min(copies, m, limit // distance if distance else m)
        for taken in range(1, int(most) + 1):
            rows = min(used, m - taken) + 1
            shift = taken * int(distance)
            counts[taken : taken + rows, shift:] += math.comb(int(copies), taken) * before[:rows, : limit + 1 - shift]
        used = min(m, used + int(most))
    return float(counts[m].sum())


def paired_p(differences: np.ndarray) -> float:
    """Return the one-sided p for a positive sum of differences, if both signs are equally likely: a sign-flip test.

    It is exact, by counting sign vectors by their sum; differences of zero carry no information.

    Args:
        differences: Whole numbers, one a pair; above zero is worse.

    >>> paired_p(np.array([3, 1, 2, 5])), paired_p(np.array([0, 0]))
    (0.0625, 1.0)
    """
    sizes = np.abs(differences[differences != 0])
    if not len(sizes):
        return 1.0
    sizes = sizes // int(np.gcd.reduce(sizes))
    against = int(sizes[differences[differences != 0] < 0].sum())  # the sum of those with a negative sign
    chances = np.zeros(against + 1)
    chances[0] = 1.0
    for size in sizes.tolist():
        moved = np.zeros_like(chances)
        moved[size:] = chances[: max(0, against + 1 - size)]
        chances = (chances + moved) / 2
    return float(chances.sum())


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p for two solved shares of the same seeds (McNemar 1947; Cochran 1950).

    Seeds that end alike on both sides carry no information; each other seed is solved by either side with equal
    probability under the null hypothesis.

    Args:
        only_first: The number of seeds that solve on the first side only.
        only_second: The number of seeds that solve on the second side only.

    >>> mcnemar(7, 0), mcnemar(3, 1), mcnemar(0, 0)
    (0.015625, 0.625, 1.0)
    """
    differing = only_first + only_second
    extreme = sum(math.comb(differing, count) for count in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * extreme / (1 << differing))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that they bound the family-wise error rate (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for place, number in enumerate(sorted(range(len(ps)), key=lambda number: ps[number])):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[number]))
        adjusted[number] = highest
    return adjusted

"""Statistics for outcomes with two peaks: solved, or stuck at the floor.

Pure functions of plain numbers. Shares come with exact intervals, updates to solve with unsolved trials censored,
errors as interquartile means with a bootstrap over seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from bench.seeding import stream

RESAMPLES = 2000


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


def share_interval(count: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the exact interval of a share (Clopper & Pearson 1934); None where nothing was observed.

    >>> low, high = share_interval(5, 5)
    >>> round(low, 3), high
    (0.478, 1.0)
    """
    if n == 0:
        return None
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, count, n - count + 1) if count > 0 else 0.0
    high = stats.beta.ppf(1 - tail, count + 1, n - count) if count < n else 1.0
    return Interval(float(low), float(high))


def interquartile_mean(values: Sequence[float]) -> float | None:
    """Return the mean after a quarter of the values, rounded down, is left out at each end; None of nothing.

    >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
    1.5
    """
    return float(_middle(np.asarray(values, dtype=float)[None])[0]) if len(values) else None


def _middle(rows: np.ndarray) -> np.ndarray:
    n = rows.shape[1]
    means: np.ndarray = np.sort(rows, axis=1)[:, n // 4 : n - n // 4].mean(axis=1)
    return means


def interquartile_interval(
    strata: Sequence[Sequence[float]], *names: str | int, confidence: float = 0.95
) -> Interval | None:
    """Return the percentile bootstrap interval of the interquartile mean of all values together.

    Args:
        strata: The values, one sequence a stratum (a task, say); seeds are drawn anew within each.
        names: What the values are, naming the stream of random numbers: equal names give equal intervals.
        confidence: How often such an interval should hold the truth.

    Returns:
        None where a stratum has fewer than two values: one seed says nothing about its spread.
    """
    if not strata or min(len(values) for values in strata) < 2:
        return None
    generator = stream("bootstrap", *names).generator()
    drawn = []
    for values in strata:
        picks = generator.integers(len(values), size=(RESAMPLES, len(values)))
        drawn.append(np.asarray(values, dtype=float)[picks])
    means = _middle(np.concatenate(drawn, axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


class Survival(NamedTuple):
    """A step function: after ``updates[i]`` the share ``unsolved[i]`` is not solved yet; it starts at 1."""

    updates: list[float]
    unsolved: list[float]


def survival(updates: Sequence[float], solved: Sequence[bool]) -> Survival:
    """Estimate how long tasks stay unsolved (Kaplan & Meier 1958).

    Args:
        updates: When each trial was solved, or how long it was watched without.
        solved: Whether it was; the others are censored, not dropped.

    >>> survival([100, 200, 500], [True, True, False])
    Survival(updates=[100.0, 200.0], unsolved=[0.6666666666666667, 0.33333333333333337])
    """
    times, events = np.asarray(updates, dtype=float), np.asarray(solved, dtype=bool)
    steps, shares, share = [], [], 1.0
    for time in np.unique(times[events]):
        at_risk = int((times >= time).sum())
        share *= 1 - int((events & (times == time)).sum()) / at_risk
        steps.append(float(time))
        shares.append(float(share))
    return Survival(steps, shares)


def median_updates(updates: Sequence[float], solved: Sequence[bool]) -> float | None:
    """Return when half of the trials were solved; None ("> budget") where fewer than half ever were.

    >>> median_updates([100, 200, 500], [True, True, False]), median_updates([100, 500, 500], [True, False, False])
    (200.0, None)
    """
    curve = survival(updates, solved)
    return next((time for time, share in zip(*curve, strict=True) if share <= 0.5 + 1e-12), None)


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

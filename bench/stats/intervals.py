"""Confidence intervals: exact ones of shares, and a bootstrap over seeds of interquartile means."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from longlag.values.seeding import stream

RESAMPLES = 2000
_BLOCK = 50_000  # values looked at together


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


@lru_cache(maxsize=1024)  # an interval takes the library milliseconds, and few counts recur in every setting
def share_interval(count: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the exact interval of a share (Clopper & Pearson 1934); None where nothing was observed.

    >>> low, high = share_interval(5, 5)
    >>> round(low, 3), high
    (0.478, 1.0)
    """
    if n == 0:
        return None
    found = stats.binomtest(count, n).proportion_ci(confidence, "exact")
    return Interval(float(found.low), float(found.high))


def score_interval(share: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the interval of a share of n trials that half successes may be part of (Wilson 1927).

    The library's takes whole counts only.

    >>> low, high = score_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    z = float(special.ndtri((1 + confidence) / 2))
    middle, width = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(max(0.0, (middle - width) / (1 + z * z / n)), min(1.0, (middle + width) / (1 + z * z / n)))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the interval of the mean of shares (Student 1908), cut to 0 and 1; None of fewer than two.

    >>> low, high = mean_interval([0.4, 0.5, 0.6])
    >>> round(low, 3), round(high, 3)
    (0.252, 0.748)
    """
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    # Of values that are all the same the library makes NaN.
    low, high = stats.t.interval(confidence, len(values) - 1, mean, error) if error else (mean, mean)
    return Interval(max(0.0, float(low)), min(1.0, float(high)))


def interquartile_mean(values: Sequence[float]) -> float | None:
    """Return the mean after a quarter of the values, rounded down, is left out at each end; None of nothing.

    >>> interquartile_mean([0.0, 1.0, 2.0, 100.0])
    1.5
    """
    return float(_middle(np.sort(np.asarray(values, dtype=float))[None])[0]) if len(values) else None


def _middle(rows: np.ndarray) -> np.ndarray:
    """Return the interquartile mean of each row of sorted values."""
    n = rows.shape[1]
    means: np.ndarray = rows[:, n // 4 : n - n // 4].mean(axis=1)
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
    pooled = np.concatenate([np.asarray(values, dtype=float) for values in strata])
    order = np.argsort(pooled, kind="stable")
    ranks = np.empty(len(pooled), dtype=np.int32)
    ranks[order] = np.arange(len(pooled))
    drawn = np.empty((RESAMPLES, len(pooled)), dtype=np.int32)
    first = 0
    for values in strata:
        last = first + len(values)
        for rows in _blocks(len(values)):
            picks = generator.integers(len(values), size=(rows.stop - rows.start, len(values)))
            drawn[rows, first:last] = ranks[first:last][picks]
        first = last
    means = np.concatenate([_middle(_in_order(pooled[order], drawn[rows])) for rows in _blocks(len(pooled))])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _blocks(width: int) -> list[slice]:
    """Cut the resamples, each so wide, into blocks that stay in the processor's cache."""
    height = max(1, _BLOCK // width)
    return [slice(start, min(start + height, RESAMPLES)) for start in range(0, RESAMPLES, height)]


def _in_order(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return each resample's values in order, by counting how often it holds each rank: faster than sorting it."""
    rows, n = ranks.shape
    counts = np.bincount((ranks + n * np.arange(rows)[:, None]).ravel(), minlength=rows * n)
    return np.repeat(np.tile(values, rows), counts).reshape(rows, n)

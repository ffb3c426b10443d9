"""Confidence intervals of shares and their means."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special, stats


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


@lru_cache(maxsize=1024)  # scipy takes milliseconds for an interval, and the same few counts recur in all settings
def share_interval(count: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the exact interval of a share (Clopper & Pearson 1934); None where nothing was observed.

    >>> low, high = share_interval(5, 5)
    >>> round(low, 3), high
    (0.478, 1.0)
    """
    if n == 0:
        return None
    interval = stats.binomtest(count, n).proportion_ci(confidence, "exact")
    return Interval(float(interval.low), float(interval.high))


def score_interval(share: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the interval of a share of n trials, whose count of successes may be fractional (Wilson 1927).

    scipy's function takes whole counts only.

    >>> low, high = score_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    z = float(special.ndtri((1 + confidence) / 2))
    middle, width = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(max(0.0, (middle - width) / (1 + z * z / n)), min(1.0, (middle + width) / (1 + z * z / n)))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the interval of a mean of shares (Student 1908), cut at 0 and 1; None for fewer than two shares.

    >>> low, high = mean_interval([0.4, 0.5, 0.6])
    >>> round(low, 3), round(high, 3)
    (0.252, 0.748)
    """
    interval = student_interval(values, confidence)
    return None if interval is None else Interval(max(0.0, interval.low), min(1.0, interval.high))


def student_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return the interval of a mean (Student 1908); None for fewer than two values.

    >>> low, high = student_interval([-1.0, 0.0, 1.0])
    >>> round(low, 3), round(high, 3)
    (-2.484, 2.484)
    """
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    # For values that are all the same scipy returns NaN.
    low, high = stats.t.interval(confidence, len(values) - 1, mean, error) if error else (mean, mean)
    return Interval(float(low), float(high))


def difference_interval(first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95) -> Interval:
    """Return the interval of the second share less the first, each (count, n) of independent trials.

    The hybrid of two score intervals (Newcombe 1998, method 10), whose example is 56/70 against 48/80.

    >>> low, high = difference_interval((48, 80), (56, 70))
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    (p, low_p, high_p), (q, low_q, high_q) = (
        (count / n, *score_interval(count / n, n, confidence)) for count, n in (first, second)
    )
    below = ((q - low_q) ** 2 + (high_p - p) ** 2) ** 0.5
    above = ((high_q - q) ** 2 + (p - low_p) ** 2) ** 0.5
    return Interval(q - p - below, q - p + above)

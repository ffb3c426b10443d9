"""Effect sizes of `longlag check` with their intervals, detectable effects, and the seeds that a verdict needs."""

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from longlag.stats.exact import critical_count
from longlag.stats.intervals import score_interval

POWER = 0.8
_SURE = 0.9
MOST_SEEDS = 1000
"""The most seeds that advice asks for."""
_Z = float(stats.norm.ppf(0.95))


class Effect(NamedTuple):
    """A difference, and both ends of its interval."""

    estimate: float
    low: float
    high: float


class Pairs(NamedTuple):
    """The numbers of seeds by the sides on which they solve; fractional for a hypothetical number of seeds.

    Attributes:
        both: Seeds that solve before and after.
        lost: Seeds that solve before only.
        won: Seeds that solve after only.
        neither: Seeds that solve on neither side.
    """

    both: float
    lost: float
    won: float
    neither: float


def superiority(baseline: np.ndarray, new: np.ndarray) -> float:
    """Return the probability that a new number is below one of the baseline, ties counted half; one half is no change.

    >>> superiority(np.array([1, 2, 3]), np.array([0, 2]))
    0.75
    """
    ordered = np.sort(baseline)
    below = np.searchsorted(ordered, new, "left").sum() + np.searchsorted(ordered, new, "right").sum()
    return 1 - float(below) / 2 / (len(new) * len(baseline))


def superiority_interval(estimate: float, n: int, m: int) -> Effect:
    """Return a probability of superiority with its 90 % interval, whose ends are one-sided 95 % bounds.

    Inverts the score-type variance of Newcombe (2006, method 5), which is defined at complete separation, too.

    Args:
        estimate: The estimate, from 0 to 1.
        n: New results.
        m: Results of the baseline.
    """

    def beyond(theta: float) -> float:
        return (theta - estimate) ** 2 - _Z**2 * superiority_variance(theta, n, m)

    near_0, near_1 = max(estimate, 1e-9), min(estimate, 1 - 1e-9)  # the variance is 0 at both ends: roots, no bounds
    low = float(optimize.brentq(beyond, 0.0, near_1)) if estimate > 0 else 0.0
    high = float(optimize.brentq(beyond, near_0, 1.0)) if estimate < 1 else 1.0
    return Effect(estimate, low, high)


def excludes(estimate: float, threshold: float, n: int, m: int) -> bool:
    """Return whether the interval of a probability of superiority lies above a threshold.

    Args:
        estimate: The probability of superiority.
        threshold: The threshold.
        n: Results after.
        m: Results before.
    """
    distance = estimate - threshold
    return distance > 0 and distance**2 > _Z**2 * superiority_variance(threshold, n, m)


def superiority_variance(theta: float, n: int, m: int) -> float:
    """Return the variance of an estimated probability of superiority (Newcombe 2006, method 5)."""
    equal = (n + m) / 2 - 1
    return theta * (1 - theta) / (n * m) * (1 + equal * ((1 - theta) / (2 - theta) + theta / (1 + theta)))


def difference_interval(after: float, n: int, before: float, m: int) -> Effect:
    """Return the difference of two shares with its 90 % hybrid score interval (Newcombe 1998, method 10).

    Args:
        after: The share after.
        n: Results after.
        before: The share before.
        m: Results before.
    """
    (after_low, after_high), (before_low, before_high) = (score_interval(*of, 0.9) for of in ((after, n), (before, m)))
    low = after - before - math.hypot(after - after_low, before_high - before)
    high = after - before + math.hypot(after_high - after, before - before_low)
    return Effect(after - before, max(-1.0, low), min(1.0, high))


def paired_difference_interval(pairs: Pairs, confidence: float = 0.9) -> Effect:
    """Return the difference of two shares of the same seeds with its interval (Newcombe 1998b, method 10).

    The score intervals of the two shares are combined as for independent samples, less a term for their correlation,
    which is estimated with a correction for continuity.

    >>> interval = paired_difference_interval(Pairs(both=36, lost=12, won=2, neither=0), 0.95)
    >>> [round(value, 4) for value in interval]
    [-0.2, -0.3404, -0.0569]
    """
    both, lost, won, _ = pairs
    n = sum(pairs)
    before, after = (both + lost) / n, (both + won) / n
    (before_low, before_high), (after_low, after_high) = (score_interval(of, n, confidence) for of in (before, after))
    correlation = _correlation(pairs)

    def joined(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))

    change = (won - lost) / n
    low = change - joined(after - after_low, before_high - before)
    high = change + joined(after_high - after, before - before_low)
    return Effect(change, max(-1.0, low), min(1.0, high))


def _correlation(pairs: Pairs) -> float:
    """Return the correlation of solving on two sides, corrected towards 0 if positive; 0 if one side never varies."""
    both, lost, won, neither = pairs
    spread = math.sqrt((both + lost) * (won + neither) * (both + won) * (lost + neither))
    if not spread:
        return 0.0
    product = both * neither - lost * won
    return (max(product - sum(pairs) / 2, 0.0) if product > 0 else product) / spread


@cache
def detectable_superiority(n: int, m: int, alpha: float) -> float:
    """Return the probability of superiority, below one half, that is detected with power .8 at level ``alpha``."""
    null = float(stats.norm.isf(alpha)) * math.sqrt(superiority_variance(0.5, n, m))

    def short(theta: float) -> float:
        return 0.5 - theta - null - float(stats.norm.ppf(POWER)) * math.sqrt(superiority_variance(theta, n, m))

    return float(optimize.brentq(short, 0.0, 0.5)) if short(0.0) > 0 else 0.0


@lru_cache(maxsize=4096)
def detectable_drop(solved: int, m: int, n: int, alpha: float) -> float | None:
    """Return the drop of the solved share that ``n`` new seeds detect with power .8; None if they detect none.

    Args:
        solved: Solved seeds of the baseline, whose share is taken as exact.
        m: Seeds of the baseline.
        n: New seeds.
        alpha: Level of the test.
    """
    critical = critical_count(n, solved, m, alpha)
    if critical < 0:
        return None
    share = float(stats.beta.ppf(1 - POWER, critical + 1, n - critical))  # where P(count <= critical) is .8
    return solved / m - share if share < solved / m else None


def more_seeds(excludes: Callable[[int], bool], n: int) -> int | None:
    """Return the number of seeds needed in addition to ``n``; None if no number up to `MOST_SEEDS` suffices.

    Args:
        excludes: Whether a number of seeds suffices; if it does, every larger number does, too.
        n: The present number of seeds.
    """
    fewest = _fewest(excludes, n - 1)
    return None if fewest is None else fewest - n


@lru_cache(maxsize=4096)
def seeds_for_margin(solved: int, m: int, margin: float) -> int | None:
    """Return the number of new seeds that exclude a drop over the margin in nine of ten checks of unchanged code.

    Args:
        solved: Solved seeds of the baseline.
        m: Seeds of the baseline.
        margin: Drop of the solved share, and of the probability of superiority below one half.

    Returns:
        The number; None if no number up to `MOST_SEEDS` suffices, since the baseline itself is too uncertain.

    >>> seeds_for_margin(90, 100, 0.2), seeds_for_margin(50, 100, 0.05)
    (36, None)
    """
    share = (solved + 0.5) / (m + 1)  # below 1 even if the whole baseline solves
    beats = 0.5 - margin

    def suffices(n: int) -> bool:
        first = next((k for k in range(n + 1) if _low(k, n, solved, m) >= -margin), n + 1)
        edge = beats + _Z * math.sqrt(superiority_variance(beats, n, m))
        above = stats.norm.sf(edge, 0.5, math.sqrt(superiority_variance(0.5, n, m)))
        return bool(min(stats.binom.sf(first - 1, n, share), above) >= _SURE)

    # Counts are whole, so that power rises in a sawtooth: a few seeds fewer than this number may suffice, too.
    return _fewest(suffices, 0)


def _low(solved: int, n: int, baseline_solved: int, m: int) -> float:
    return difference_interval(solved / n, n, baseline_solved / m, m).low


def _fewest(suffices: Callable[[int], bool], too_few: int) -> int | None:
    """Return the smallest sufficient number above ``too_few``; None if there is none up to `MOST_SEEDS` above it."""
    most = too_few + MOST_SEEDS
    if not suffices(most):
        return None
    while most - too_few > 1:
        middle = (too_few + most) // 2
        too_few, most = (too_few, middle) if suffices(middle) else (middle, most)
    return most

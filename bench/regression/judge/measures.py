"""The statistical tests and effect sizes of `longlag check`.

Three measures, each with a one-sided p for worse and for better. Learning has two peaks, solved or stuck, and
whoever looks at one measure only is blind to some regressions:

- ``solved``: the solved shares, by Boschloo's exact test;
- ``outcome``: all outcomes in one order (sooner solved, then lower error, then exploded or diverged), by an exact
  permutation test on ranks;
- ``updates``: updates to solve, unsolved trials censored, by an exact permutation test on log-rank scores.

Where both sides hold the same seeds, and these go alike, all three are tested by signs of pairs instead.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from longlag.regression.judge.entries import Entry
from longlag.stats.exact import boschloo_p, critical_count, paired_p, permutation_p
from longlag.stats.intervals import score_interval

MEASURES = ("solved", "outcome", "updates")
_GRID = 20  # log-rank scores are rounded to parts of an event: exact tests need whole numbers
_FEWEST_PAIRS = 8
_ALIKE = 0.5  # above this correlation pairs tell more than the seeds of the baseline that have no partner
_MOST_SEEDS = 1000
POWER = 0.8
_Z = float(stats.norm.ppf(0.95))


class Effect(NamedTuple):
    """A difference, and both ends of its interval."""

    estimate: float
    low: float
    high: float


class Tests(NamedTuple):
    """One-sided p by measure.

    Attributes:
        worse: How likely a change at least so much for the worse is where nothing changed.
        better: The same for the better.
        paired: Whether seeds were paired.
    """

    worse: dict[str, float]
    better: dict[str, float]
    paired: bool


def tests(baseline: Entry, new: Entry, alpha: float) -> Tests:
    """Test every measure in both directions.

    p for worse of more than four times ``alpha``, and p for better above ``alpha``, are approximate: they decide
    nothing.
    """
    ranks, hazards = rank_scores(baseline, new), log_rank_scores(baseline, new)
    if pairs_go_alike(baseline, new, ranks):
        stuck = 1 - np.concatenate([new.events, baseline.events]).astype(np.int64)
        scores = {"solved": stuck, "outcome": ranks, "updates": hazards}
        differences = {name: _differences(baseline, new, of) for name, of in scores.items()}
        worse = {name: paired_p(of) for name, of in differences.items()}
        return Tests(worse, {name: paired_p(-of) for name, of in differences.items()}, paired=True)
    ours, theirs = new.solved, baseline.solved
    worse = {"solved": boschloo_p(ours, new.n, theirs, baseline.n)}
    better = {"solved": boschloo_p(new.n - ours, new.n, baseline.n - theirs, baseline.n)}
    for measure, of in (("outcome", ranks), ("updates", hazards)):
        worse[measure] = permutation_p(of, new.n, 4 * alpha)
        better[measure] = permutation_p(-of, new.n, alpha)  # asked at a far smaller level
    return Tests(worse, better, paired=False)


def rank_scores(baseline: Entry, new: Entry) -> np.ndarray:
    """Return twice the midrank of every outcome, the new ones first, (n + m,); larger is worse."""
    pooled = np.concatenate([new.badness, baseline.badness])
    ordered = np.sort(pooled)
    ranks: np.ndarray = np.searchsorted(ordered, pooled, "left") + np.searchsorted(ordered, pooled, "right") + 1
    return ranks


def log_rank_scores(baseline: Entry, new: Entry) -> np.ndarray:
    """Return log-rank scores in parts of an event, the new ones first, (n + m,); larger is worse.

    A trial's score is the hazard it went through without solving, less one if it solved (Peto & Peto 1972).
    """
    times, events = np.concatenate([new.times, baseline.times]), np.concatenate([new.events, baseline.events])
    if not len(times):
        return np.zeros(0, dtype=np.int64)
    moments, places = np.unique(times, return_inverse=True)
    solved = np.bincount(places, weights=events, minlength=len(moments))
    ended = np.bincount(places, minlength=len(moments))
    at_risk = len(times) - np.cumsum(ended) + ended
    hazard = np.cumsum(solved / at_risk)
    scores: np.ndarray = np.rint(_GRID * (hazard[places] - events)).astype(np.int64)
    return scores


def pairs_go_alike(baseline: Entry, new: Entry, ranks: np.ndarray) -> bool:
    """Say whether the baseline holds every new seed, and seeds are correlated enough to be compared pair by pair.

    The correlation is of sums and absolute differences, which do not know which side is which, so that looking at
    it first does not bias the test by signs.

    Args:
        baseline: Before.
        new: After.
        ranks: Of all outcomes, the new ones first.
    """
    places = _partners(baseline, new)
    if len(places) < max(_FEWEST_PAIRS, new.n):
        return False
    pooled = ranks[places]
    spread = float(((pooled - pooled.mean()) ** 2).mean())
    within = float(((pooled[:, 0] - pooled[:, 1]) ** 2).mean()) / 4
    return spread == 0 or 1 - 2 * within / spread > _ALIKE


def _partners(baseline: Entry, new: Entry) -> np.ndarray:
    """Return the places, in pooled scores, of the new and the baseline's result of every common seed, (pairs, 2)."""
    held = {outcome.seed: place for place, outcome in enumerate(baseline.results, new.n)}
    found = [(place, held[outcome.seed]) for place, outcome in enumerate(new.results) if outcome.seed in held]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _differences(baseline: Entry, new: Entry, scores: np.ndarray) -> np.ndarray:
    pairs = scores[_partners(baseline, new)]
    difference: np.ndarray = pairs[:, 0] - pairs[:, 1]
    return difference


def superiority(baseline: np.ndarray, new: np.ndarray) -> float:
    """Return how often a new number is below one of the baseline, ties counted half; one half is no change.

    >>> superiority(np.array([1, 2, 3]), np.array([0, 2]))
    0.75
    """
    ordered = np.sort(baseline)
    below = np.searchsorted(ordered, new, "left").sum() + np.searchsorted(ordered, new, "right").sum()
    return 1 - float(below) / 2 / (len(new) * len(baseline))


def superiority_interval(estimate: float, n: int, m: int) -> Effect:
    """Return a probability of superiority with its 90 % interval, each end a one-sided bound at .95.

    Inverts the score-type variance of Newcombe (2006, method 5), which is defined at complete separation.

    Args:
        estimate: From 0 to 1.
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
    """Say whether the interval of a probability of superiority lies above a threshold."""
    distance = estimate - threshold
    return distance > 0 and distance**2 > _Z**2 * superiority_variance(threshold, n, m)


def superiority_variance(theta: float, n: int, m: int) -> float:
    """Return the variance of an estimated probability of superiority (Newcombe 2006, method 5)."""
    equal = (n + m) / 2 - 1
    return theta * (1 - theta) / (n * m) * (1 + equal * ((1 - theta) / (2 - theta) + theta / (1 + theta)))


def share_difference(baseline: Entry, new: Entry) -> Effect:
    """Return new less old solved share with its interval."""
    return difference_interval(new.solved / new.n, new.n, baseline.solved / baseline.n, baseline.n)


def difference_interval(after: float, n: int, before: float, m: int) -> Effect:
    """Return the difference of two shares with its 90 % hybrid score interval (Newcombe 1998, method 10)."""
    (after_low, after_high), (before_low, before_high) = (score_interval(*of, 0.9) for of in ((after, n), (before, m)))
    low = after - before - math.hypot(after - after_low, before_high - before)
    high = after - before + math.hypot(after_high - after, before - before_low)
    return Effect(after - before, max(-1.0, low), min(1.0, high))


@cache
def detectable_superiority(n: int, m: int, alpha: float) -> float:
    """Return the probability of superiority, below one half, that is detected with power .8 at level ``alpha``."""
    null = float(stats.norm.isf(alpha)) * math.sqrt(superiority_variance(0.5, n, m))

    def short(theta: float) -> float:
        return 0.5 - theta - null - float(stats.norm.ppf(POWER)) * math.sqrt(superiority_variance(theta, n, m))

    return float(optimize.brentq(short, 0.0, 0.5)) if short(0.0) > 0 else 0.0


@lru_cache(maxsize=4096)
def detectable_drop(solved: int, m: int, n: int, alpha: float) -> float | None:
    """Return the drop of the solved share that ``n`` new seeds detect with power .8; None where they detect none.

    Args:
        solved: Solved seeds of the baseline, taken as it is.
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
    """Return how many more seeds than ``n`` are needed; None where no number up to 1,000 would do.

    Args:
        excludes: Whether so many seeds would do; true for more seeds than any for which it is true.
        n: Seeds that there are.
    """
    fewest, most = n, n + _MOST_SEEDS
    if not excludes(most):
        return None
    while most > fewest:
        middle = (fewest + most) // 2
        fewest, most = (fewest, middle) if excludes(middle) else (middle + 1, most)
    return most - n

"""Statistics for outcomes with two peaks: solved, or stuck at the floor.

Pure functions of plain numbers. Shares come with exact intervals, updates to solve with unsolved trials censored,
errors as interquartile means with a bootstrap over seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from longlag.seeding import stream

RESAMPLES = 2000
_BLOCK = 50_000  # values looked at together


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


def score_interval(share: float, n: int, confidence: float = 0.95) -> Interval:
    """Return the interval of a share of n trials that half successes may be part of (Wilson 1927).

    >>> low, high = score_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
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
    width = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1)) / len(values) ** 0.5
    mean = float(np.mean(values))
    return Interval(max(0.0, mean - width), min(1.0, mean + width))


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


class Horizon(NamedTuple):
    """Where half of the seeds still solve, in lags; what lies outside the lags tried is None.

    Attributes:
        lag: The estimate.
        low: Lower end of its interval.
        high: Upper end.
        shortest: The shortest lag tried.
        longest: The longest.
        beyond: Whether the estimate lies beyond the longest, rather than below the shortest.
    """

    lag: float | None
    low: float | None
    high: float | None
    shortest: int
    longest: int
    beyond: bool = False

    def __str__(self) -> str:
        if self.lag is None:
            return f"> {self.longest}" if self.beyond else f"< {self.shortest}"
        low = f"< {self.shortest}" if self.low is None else f"{self.low:.0f}"
        high = f"> {self.longest}" if self.high is None else f"{self.high:.0f}"
        return f"{self.lag:.0f} [{low}, {high}]"


_SLOPES = np.geomspace(0.5, 8, 12)
"""Slopes of the logistic curve per doubling of the lag; held finite, so that a sharp edge has an estimate."""


def horizon(lags: Sequence[int], solved: Sequence[int], n: Sequence[int], *names: str | int) -> Horizon:
    """Fit a logistic curve of the solved share against log lag and return where it passes one half.

    The estimate is censored at both ends. The interval is the bootstrap's, seeds drawn anew on each rung, widened
    to the rungs on either side of the estimate: where all solve on one and none on the next, seeds do not vary,
    but the distance between the rungs is still not known.

    Args:
        lags: The rungs, ascending.
        solved: Seeds that solved on each.
        n: Seeds with a result on each, at least one somewhere.
        names: What is fitted, naming the bootstrap's stream.

    >>> str(horizon([8, 16, 32, 64], [10, 10, 0, 0], [10, 10, 10, 10]))
    '23 [16, 32]'
    >>> str(horizon([8, 16], [10, 9], [10, 10])), str(horizon([8, 16], [1, 0], [10, 10]))
    ('> 16', '< 8')
    """
    rungs, counts, trials = np.log2(lags), np.asarray(solved), np.asarray(n)
    middles = np.linspace(rungs[0] - 1, rungs[-1] + 1, 401)
    curves = stats.logistic.cdf(_SLOPES[:, None, None] * (middles[:, None] - rungs)).reshape(-1, len(rungs))
    chances = np.clip(curves, 1e-9, 1 - 1e-9)
    generator = stream("bootstrap", "horizon", *names).generator()
    drawn = generator.binomial(trials, counts / np.maximum(trials, 1), size=(RESAMPLES, len(rungs)))
    hits = np.vstack([counts, drawn])
    likelihood = hits @ np.log(chances).T + (trials - hits) @ np.log1p(-chances).T
    estimate, *resampled = np.tile(middles, len(_SLOPES))[likelihood.argmax(axis=1)]
    low, high = np.quantile(resampled, [0.025, 0.975])
    below, above = rungs[rungs <= estimate], rungs[rungs >= estimate]
    ends = (estimate, min(low, *below[-1:]) if len(below) else low, max(high, *above[:1]) if len(above) else high)
    lag, lower, upper = (float(2**end) if rungs[0] <= end <= rungs[-1] else None for end in ends)
    return Horizon(lag, lower, upper, int(lags[0]), int(lags[-1]), beyond=bool(estimate > rungs[-1]))

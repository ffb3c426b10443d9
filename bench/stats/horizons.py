"""The distance at which half of the seeds still solve, fitted to a ladder of distances."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from longlag.stats.intervals import RESAMPLES
from longlag.values.seeding import stream


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

"""The distance at which half of the seeds still solve, fitted to a ladder of distances."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from longlag.values.seeding import stream


class Horizon(NamedTuple):
    """The lag at which half of the seeds that learn at all still solve; numbers outside the lags tried are None.

    Attributes:
        lag: The estimate.
        low: Lower end of its interval.
        high: Upper end of its interval.
        shortest: The shortest lag tried.
        longest: The longest lag tried.
        beyond: Whether the estimate lies beyond the longest lag; otherwise, without an estimate, below the shortest.
        ceiling: The share of seeds that learn at all: below 1 if some do not solve even the shortest lags.
    """

    lag: float | None
    low: float | None
    high: float | None
    shortest: int
    longest: int
    beyond: bool = False
    ceiling: float = 1.0

    def __str__(self) -> str:
        if self.lag is None:
            return f"> {self.longest}" if self.beyond else f"< {self.shortest}"
        low = f"< {self.shortest}" if self.low is None else f"{self.low:.0f}"
        high = f"> {self.longest}" if self.high is None else f"{self.high:.0f}"
        learn = f" of the {self.ceiling:.0%} that learn" if self.ceiling < 1 else ""
        return f"{self.lag:.0f} [{low}, {high}]{learn}"


RESAMPLES = 1000
_SLOPES = np.geomspace(0.5, 8, 9)
"""Slopes of the logistic curve per doubling of the lag; finite, so that a sharp edge has an estimate."""
_CEILINGS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Shares of seeds that learn at all; the first of those that fit equally well is taken."""
_MIDDLES = 201
_BLOCK = 200  # resamples fitted together


def horizon(lags: Sequence[int], solved: Sequence[int], n: Sequence[int], *names: str | int) -> Horizon:
    """Fit a logistic curve with a ceiling to the solved share over log lag; return the lag at half of the ceiling.

    Seeds that learn at no lag would distort a curve without a ceiling (the lapses of Wichmann & Hill 2001, part I,
    section 2). The estimate is censored at both ends. The interval is a bootstrap's: counts are drawn anew for each lag
    with the probability (k + 1/2) / (n + 1), so that lags at which all or none solve vary, too. It is widened to the
    lags tried on either side of the estimate, since nothing is known between them.

    Args:
        lags: The lags tried, ascending.
        solved: Seeds that solved at each.
        n: Seeds with a result at each, above 0 for at least one.
        names: Names of the fitted setting, which key the bootstrap's stream.

    >>> str(horizon([8, 16, 32, 64], [10, 10, 0, 0], [10, 10, 10, 10]))
    '23 [16, 32]'
    >>> str(horizon([8, 16, 32, 64, 128], [6, 6, 6, 0, 0], [10] * 5))
    '41 [19, 64] of the 60% that learn'
    >>> str(horizon([8, 16], [10, 9], [10, 10])), str(horizon([8, 16], [0, 0], [10, 10]))
    ('> 16', '< 8')
    """
    rungs, counts, trials = np.log2(lags), np.asarray(solved), np.asarray(n)
    generator = stream("bootstrap", "horizon", *names).generator()
    drawn = generator.binomial(trials, (counts + 0.5) / (trials + 1), size=(RESAMPLES, len(rungs)))
    fits = [_fitted(tuple(lags), hits, trials) for hits in (counts[None], *np.split(drawn, RESAMPLES // _BLOCK))]
    (estimate, ceiling), *resampled = np.concatenate(fits)
    low, high = np.quantile([middle for middle, _ in resampled], [0.025, 0.975])
    below, above = rungs[rungs <= estimate], rungs[rungs >= estimate]
    ends = (estimate, min(low, *below[-1:]) if len(below) else low, max(high, *above[:1]) if len(above) else high)
    lag, lower, upper = (float(2**end) if rungs[0] <= end <= rungs[-1] else None for end in ends)
    beyond = bool(estimate > rungs[-1])
    return Horizon(lag, lower, upper, int(lags[0]), int(lags[-1]), beyond, float(ceiling))


def _fitted(lags: tuple[int, ...], hits: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Return the midpoint and ceiling of the likeliest curve for each row of counts, (rows, 2)."""
    settings, log_solved, log_unsolved = _curves(lags)
    likelihood = hits @ log_solved + (trials - hits) @ log_unsolved
    likeliest: np.ndarray = settings[likelihood.argmax(axis=1)]
    return likeliest


@lru_cache(maxsize=8)
def _curves(lags: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return midpoint and ceiling of every curve tried, (C, 2), and its log probabilities at each lag, (lags, C)."""
    rungs = np.log2(lags)
    middles = np.linspace(rungs[0] - 1, rungs[-1] + 1, _MIDDLES)
    plain = stats.logistic.cdf(_SLOPES[:, None, None] * (middles[:, None] - rungs)).reshape(-1, len(rungs))
    chances = np.clip(np.concatenate([ceiling * plain for ceiling in _CEILINGS]), 1e-9, 1 - 1e-9).T
    settings = np.column_stack([np.tile(middles, len(_SLOPES) * len(_CEILINGS)), np.repeat(_CEILINGS, len(plain))])
    return settings, np.log(chances), np.log1p(-chances)

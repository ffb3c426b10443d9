"""A correlation within groups: does a number predict the outcome among pairs that are otherwise alike?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from longlag.values.seeding import stream

RESAMPLES = 2000
FEWEST_CLUSTERS = 5
"""Clusters below which no interval is given: a resample of four has few distinct results."""


class Within(NamedTuple):
    """A correlation within groups.

    Attributes:
        value: The correlation of both variables after each group's mean is subtracted.
        low, high: Its interval, by the bootstrap over clusters; None for fewer than `FEWEST_CLUSTERS`.
        n: Pairs in groups in which both vary.
        groups: Those groups.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    groups: int


def within_correlation(
    values: Sequence[float],
    outcomes: Sequence[float],
    groups: Sequence[object],
    clusters: Sequence[object],
    confidence: float = 0.95,
) -> Within | None:
    """Return the correlation of a number with an outcome within groups; None where both vary in no group.

    A correlation pooled over groups would measure differences between groups: one cell that solves and has a long
    reach, another that has neither. Seeds of one setting are not independent: the bootstrap draws whole clusters (Efron
    & Tibshirani 1993, chapter 8).

    >>> within = within_correlation([1, 2, 11, 12], [0, 1, 0, 1], ["a", "a", "b", "b"], [1, 1, 2, 2])
    >>> round(within.value, 6), within.groups
    (1.0, 2)

    Args:
        values: The number, finite.
        outcomes: The outcome, such as 0 and 1.
        groups: The group of each pair: the settings that its members share.
        clusters: The cluster of each pair, within its group; clusters are drawn whole.
        confidence: The interval's; above .95 more resamples are drawn, so that as many lie beyond its ends.
    """
    x, y = np.asarray(values, dtype=float), np.asarray(outcomes, dtype=float)
    group = np.unique(np.array([repr(name) for name in groups], dtype=object).astype(str), return_inverse=True)[1]
    vary = [g for g in range(group.max(initial=-1) + 1) if np.ptp(x[group == g]) > 0 and np.ptp(y[group == g]) > 0]
    kept = np.isin(group, vary)
    if not kept.any():
        return None
    x, y, group = x[kept], y[kept], np.unique(group[kept], return_inverse=True)[1]
    named = [f"{g} {name!r}" for g, name in zip(group, np.array([repr(c) for c in clusters])[kept], strict=True)]
    labels, cluster = np.unique(named, return_inverse=True)
    sums = np.stack([np.bincount(cluster, weights) for weights in (np.ones(len(x)), x, y, x * x, y * y, x * y)])
    home = np.zeros(len(labels), dtype=np.int64)
    home[cluster] = group
    value = float(_correlations(sums, home, np.ones((1, len(labels))))[0])
    low = high = None
    if len(labels) >= FEWEST_CLUSTERS:
        generator = stream("within correlation").generator()
        tail = round((1 - confidence) / 2, 12)  # .025, and not a digit beside it
        resamples = RESAMPLES if confidence <= 0.95 else round(RESAMPLES * 0.025 / tail)
        drawn = generator.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=resamples)
        resampled = _correlations(sums, home, drawn.astype(float))
        low, high = (float(end) for end in np.nanquantile(resampled, (tail, 1 - tail)))
    return Within(value, low, high, len(x), len(vary))


def _correlations(sums: np.ndarray, home: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation for each row of weights of clusters, (R,); NaN where nothing varies.

    Args:
        sums: (6, C), the sums of 1, x, y, x², y² and xy over each cluster.
        home: (C,), the group of each cluster.
        weights: (R, C), how often each cluster is drawn.
    """
    groups = np.eye(home.max() + 1)[home]  # (C, G)
    count, x, y, xx, yy, xy = ((weights * part) @ groups for part in sums)
    count = np.maximum(count, 1)
    across, along = (xx - x * x / count).sum(1), (yy - y * y / count).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations: np.ndarray = (xy - x * y / count).sum(1) / np.sqrt(across * along)
    return correlations

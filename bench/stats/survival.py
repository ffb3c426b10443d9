"""Survival estimates of the updates until a trial is solved; trials that were never solved are censored."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Survival(NamedTuple):
    """A step function: after ``updates[i]`` updates the share ``unsolved[i]`` is still unsolved; it starts at 1."""

    updates: list[float]
    unsolved: list[float]


def survival(updates: Sequence[float], solved: Sequence[bool]) -> Survival:
    """Estimate the share of trials that are unsolved after each number of updates (Kaplan & Meier 1958).

    Args:
        updates: The update at which each trial was solved, or its last update if it was not.
        solved: Whether each trial was solved; the others are censored, not dropped.

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
    """Return the updates after which half of the trials are solved; None ("> budget") where fewer than half are.

    >>> median_updates([100, 200, 500], [True, True, False]), median_updates([100, 500, 500], [True, False, False])
    (200.0, None)
    """
    curve = survival(updates, solved)
    return next((time for time, share in zip(*curve, strict=True) if share <= 0.5 + 1e-12), None)

"""Two sides compared on the same seeds, in several groups (tasks, depths, distances) that have seeds of their own.

Seeds of their own make groups independent, so that their intervals may be joined: no initial weights and no data are in
two of them.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from longlag.claims.base import TUNING_SEEDS
from longlag.claims.support.decisions import (
    Bar,
    Effect,
    Verdict,
    left_open,
    mean_effect,
    pairs_of,
    share_effect,
    together,
)
from longlag.regression.judge.effects import Pairs

STRIDE = 160
"""Seeds that one group may have."""
LEARNT = 0.25
"""A solved share below which a side has not learnt the task within the budget."""


def own_seeds(group: int, count: int) -> tuple[int, ...]:
    """Return the seeds of a group, which no other group has.

    >>> own_seeds(2, 3)
    (320, 321, 322)
    """
    assert count <= STRIDE, "seeds of groups would meet"
    assert (group + 1) * STRIDE <= TUNING_SEEDS[0], "seeds of groups would meet those on which rates are chosen"
    return tuple(range(group * STRIDE, group * STRIDE + count))


def sides_of(frame: pd.DataFrame, by: str, sides: tuple[str, str], what: str = "solved") -> np.ndarray:
    """Return an outcome of the seeds that both sides have, (n, 2), in the order of the seeds.

    Args:
        frame: ``seed``, the column that tells sides, and the outcome, a row a trial.
        by: The column that tells sides.
        sides: Its two values, the first less the second being the effect.
        what: The outcome.
    """
    wide = frame.pivot_table(index="seed", columns=by, values=what).reindex(columns=list(sides)).dropna()
    return np.asarray(wide.to_numpy(dtype=float))


def share_of(
    frame: pd.DataFrame, by: str, compared: Sequence[tuple[str, str]], bar: Bar, what: str = "solved"
) -> tuple[Effect, int]:
    """Return the share of a first side less a second's, a mean over comparisons, and on how many seeds.

    The interval is that of paired shares (Newcombe 1998b). The counts of seeds are averaged over comparisons, so that
    it rests on no more than the seeds.

    Args:
        frame: ``seed``, the column that tells sides, and the outcome, a row a trial.
        by: The column that tells sides.
        compared: First and second side of each comparison, on the same seeds; a side may be in several.
        bar: As fixed.
        what: The outcome, 0 or 1.
    """
    wide = frame.pivot_table(index="seed", columns=by, values=what)
    wide = wide.reindex(columns=list(dict.fromkeys(chain(*compared)))).dropna().astype(bool)
    cells = [pairs_of(wide[first].tolist(), wide[second].tolist()) for first, second in compared]
    return share_effect(Pairs(*np.mean(cells, axis=0)), bar), len(wide)


def mean_of(frame: pd.DataFrame, by: str, sides: tuple[str, str], bar: Bar, what: str) -> tuple[Effect, int]:
    """Return the mean difference of a number by seed with Student's interval, and on how many seeds.

    Args:
        frame: As of `sides_of`.
        by: As of `sides_of`.
        sides: As of `sides_of`.
        bar: As fixed.
        what: The number.
    """
    values = sides_of(frame, by, sides, what)
    return mean_effect((values[:, 0] - values[:, 1]).tolist(), bar), len(values)


def opened(verdict: Verdict, shares: Iterable[float]) -> Verdict:
    """Return a verdict, left open where no side solves `LEARNT` of its seeds: equal shares of nothing say nothing.

    Args:
        verdict: By the numbers.
        shares: The solved share of every side.
    """
    if max(shares) < LEARNT:
        return left_open(verdict).told(left=f" Left open: no side solves {LEARNT:.0%} of its seeds.")
    return verdict.told(left="")


def averaged(found: Sequence[tuple[Effect, int]]) -> tuple[Effect, int]:
    """Return the mean of effects of groups with seeds of their own, and the fewest seeds of any."""
    effects, counts = zip(*found, strict=True)
    return together(effects, 1 / len(effects)), min(counts)


def counted(frame: pd.DataFrame, by: str, what: str = "solved") -> str:
    """Return how many of how many, by side.

    >>> counted(pd.DataFrame({"cell": ["gru", "gru", "rnn"], "solved": [1, 0, 1]}), "cell")
    'gru 1/2, rnn 1/1'
    """
    groups = frame.groupby(by, sort=False)[what].agg(["sum", "size"])
    return ", ".join(f"{name} {row['sum']:.0f}/{row['size']:.0f}" for name, row in groups.iterrows())

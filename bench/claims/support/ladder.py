"""Measures how far back two cells carry: the same ladder of distances for both, doubled from rung to rung.

The difference of horizons in doublings of the lag is the sum, over the rungs, of the difference of solved shares: each
side's sum is its mean log2 horizon within the ladder (Spearman 1908; Kärber 1931), without a curve that would have to
fit. Every rung has seeds of its own, and on every rung each cell has the best rate of a search on others.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from longlag import registry
from longlag.claims.base import TUNING_SEEDS, Picture
from longlag.claims.support.decisions import Bar, Effect, Verdict, decide, left_open, together
from longlag.claims.support.paired import LEARNT, own_seeds, share_of
from longlag.claims.support.rates import Rates
from longlag.plan.grid import Grid
from longlag.plan.specs import shortest_spec
from longlag.stats.horizons import horizon

RATES = (3e-3, 1e-2, 3e-2, 1e-1)
DOUBLINGS = "doublings of the lag"
"""The unit of the effect."""
LEFT_OPEN = (
    f"left open if neither solves {LEARNT:.0%} of its seeds at the shortest lag, or both half of them at the longest"
)

Ladder = Sequence[str]
"""Specs of one task, the lag about twice as long from each to the next."""
Decide = Callable[[Effect, int, Bar], Verdict]
"""A rule on an effect and its fewest seeds."""


def search_grid(ladder: Ladder, cells: Sequence[str], **options: object) -> Grid:
    """Return the coarse grid of rates of every rung and cell.

    Args:
        ladder: The rungs.
        cells: Specs of both sides.
        **options: Further keys of a grid.
    """
    return Grid(task=tuple(ladder), cell=tuple(cells), clip=("norm:1",), seeds=TUNING_SEEDS, **{"lr": RATES, **options})


def reported_grids(ladder: Ladder, cells: Sequence[str], rates: Rates, count: int, **options: object) -> list[Grid]:
    """Return a grid for each rung and cell at its best rate, on the rung's own seeds.

    Args:
        ladder: The rungs.
        cells: Specs of both sides.
        rates: What the search found.
        count: Seeds a rung.
        **options: Further keys of a grid.
    """
    return [
        Grid(
            task=(rung,), cell=(cell,), clip=("norm:1",), lr=(rates.best(task=rung, cell=cell)[0],),
            seeds=own_seeds(place, count), **options,
        )
        for place, rung in enumerate(ladder)
        for cell in cells
    ]  # fmt: skip


def rungs_of(trials: pd.DataFrame, ladder: Ladder, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame of the rules: ``cell`` (its name), ``lag``, ``lr``, ``seed``, ``status``, ``solved``.

    Args:
        trials: Those of a study.
        ladder: The rungs.
        names: What cells are called, by their specs.
    """
    lags = {shortest_spec("task", rung): registry.task(rung).min_lag for rung in ladder}
    called = {shortest_spec("cell", spec): name for spec, name in names.items()}
    of = trials[trials["task"].isin(lags) & trials["cell"].isin(called)]
    made = of.assign(
        lag=of["task"].map(lags), cell=of["cell"].map(called), solved=(of["status"] == "solved").astype(int)
    )
    columns = ["cell", "lag", "lr", "seed", "status", "solved"]
    return made[columns].sort_values(["cell", "lag", "seed"]).reset_index(drop=True)


def doublings(frame: pd.DataFrame, sides: tuple[str, str], bar: Bar) -> tuple[Effect, int]:
    """Return by how many doublings of the lag the first side carries further, and the fewest seeds of a rung.

    Args:
        frame: As of `rungs_of`, at least one rung.
        sides: The names of both cells.
        bar: As fixed.
    """
    found = [share_of(rung, "cell", (sides,), bar) for _, rung in frame.groupby("lag")]
    effects, counts = zip(*found, strict=True)
    return together(effects), min(counts)


def compared(frame: pd.DataFrame, sides: tuple[str, str], bar: Bar, how: Decide = decide) -> Verdict:
    """Judge by how many doublings of the lag the first side carries further, and tell both horizons.

    Args:
        frame: As of `rungs_of`, at least one rung.
        sides: The names of both cells.
        bar: As fixed.
        how: The rule: that the first carries further, or that neither does.
    """
    effect, n = doublings(frame, sides, bar)
    told = {side.lower(): lag for side, lag in horizons(frame).items()}
    return opened(how(effect, n, bar).told(**told, rungs=frame["lag"].nunique()), frame)


def opened(verdict: Verdict, frame: pd.DataFrame) -> Verdict:
    """Return a verdict, left open as `LEFT_OPEN` says: then the ladder has not the lags that would tell.

    Args:
        verdict: By the numbers.
        frame: As of `rungs_of`.
    """
    shares = frame.groupby(["lag", "cell"])["solved"].mean().unstack("cell")
    if shares.iloc[0].max() < LEARNT:
        return left_open(verdict).told(
            left=f" Left open: at the shortest lag neither solves {LEARNT:.0%} of its seeds."
        )
    if shares.iloc[-1].min() >= 0.5:
        return left_open(verdict).told(left=" Left open: both reach beyond the longest lag.")
    return verdict.told(left="")


def horizons(frame: pd.DataFrame) -> dict[str, str]:
    """Return each cell's horizon, the lag at which half of the seeds that learn still solve, as `horizon` tells it."""
    told = {}
    for cell, rows in frame.groupby("cell", sort=True):
        rungs = rows.groupby("lag")["solved"].agg(["sum", "size"])
        lags, solved, n = rungs.index.tolist(), rungs["sum"].tolist(), rungs["size"].tolist()
        told[str(cell)] = str(horizon(lags, solved, n, "claims", str(cell)))
    return told


def picture(frames: Mapping[str, pd.DataFrame], panels: Mapping[str, str]) -> Picture:
    """Show the solved share of each cell by the lag.

    Args:
        frames: As of `rungs_of`, by the name of a rule.
        panels: What each rule's panel is called; rules that are left out have none.
    """
    parts = []
    for name, panel in panels.items():
        shares = frames[name].groupby(["cell", "lag"])["solved"].mean().reset_index()
        parts.append(shares.assign(panel=panel).rename(columns={"cell": "series", "lag": "x", "solved": "y"}))
    return Picture(pd.concat(parts)[["panel", "series", "x", "y"]], "smallest window, steps", "solved share", "x")

"""What lenses found, beside what came of the trials: frames for tables, figures and sentences."""

import numpy as np
import pandas as pd

from longlag.report.memo import once
from longlag.report.outcomes import SETTING, Panel, outcomes
from longlag.stats.within import Within, within_correlation
from longlag.store.flat import lens_numbers, lens_tables
from longlag.store.results import StudyData
from longlag.values.frames import END, PHASES, START

SMALLEST = 1e-12
"""Signals below this are drawn, and their logarithms taken, as this."""


def heading(part: Panel) -> str:
    """Return a panel's name, with the results behind its settings where any of its networks was trained."""
    return f"{part.label} · {part.seeds}" if part.frame["counted"].any() else part.label


def has_lens(study: StudyData, lens: str) -> bool:
    """Whether a lens has looked at any trial, and found something to look at."""
    return bool((study.lenses["lens"] == lens).any()) and not lens_tables(study.lenses, lens).empty


@once
def reach_numbers(study: StudyData) -> pd.DataFrame:
    """Return one row a trial and phase: what `outcomes` has, ``phase``, and the numbers of the lens reach.

    ``signal`` is ``needed_signal``, the median signal from the furthest step that must be seen, at least `SMALLEST`.
    """
    found = lens_numbers(study.lenses, "reach").drop(columns="update")
    frame = outcomes(study).merge(found, on="key", how="inner")
    frame["signal"] = pd.to_numeric(frame["needed_signal"]).clip(lower=SMALLEST)
    return frame


@once
def reach_by_lag(study: StudyData) -> pd.DataFrame:
    """Return one row a trial, phase and lag: ``key, phase, update, lag, n, low, median, high, zeros`` by the input."""
    return lens_tables(study.lenses, "reach", "input").drop(columns="part")


def phases_of(frame: pd.DataFrame) -> list[str]:
    """Return the phases that some rows have, in their order."""
    return [phase for phase in PHASES if (frame["phase"] == phase).any()]


def middle_line(rows: pd.DataFrame, column: str = "median") -> pd.Series:
    """Return the median over trials at each lag that all of them have."""
    found = rows.groupby("lag")[column].agg(["median", "size"])
    return found.loc[found["size"] == rows["key"].nunique(), "median"]


@once
def reach_by_setting(study: StudyData) -> pd.DataFrame:
    """Return what `summarise` adds of reach where training ended: ``reach_1pct``, its median, and ``reach_open``.

    Indexed by setting. ``reach_open``: whether at least half of the seeds' sequences end first.
    """
    if not has_lens(study, "reach"):
        return pd.DataFrame(columns=["reach_1pct", "reach_open"])
    ends = reach_numbers(study)
    ends = ends[ends["phase"] == END].assign(reach_1pct=lambda rows: pd.to_numeric(rows["reach_1pct"]))
    groups = ends.groupby(list(SETTING), sort=False, dropna=False)
    opened = groups["reach_open"].agg(lambda flags: bool(flags.astype(float).mean() >= 0.5))
    return pd.DataFrame({"reach_1pct": groups["reach_1pct"].median(), "reach_open": opened})


def against_outcome(study: StudyData, phase: str) -> Within | None:
    """Return how the logarithm of the needed signal goes with solving, within task and cell, clustered by setting."""
    rows = reach_numbers(study)
    rows = rows[(rows["phase"] == phase) & rows["counted"] & rows["signal"].notna()]
    if rows.empty:
        return None
    return within_correlation(
        np.log10(rows["signal"]).tolist(),
        rows["solved"].astype(float).tolist(),
        list(zip(rows["task"], rows["cell"], strict=True)),
        list(rows[list(SETTING)].astype(str).agg(" ".join, axis=1)),
    )


def correlation_text(found: Within | None) -> str:
    """Write a correlation within groups, or say that there is none.

    >>> correlation_text(Within(0.4, 0.123, 0.61, 40, 3)), correlation_text(None)
    ('r = 0.40 [0.12, 0.61], n = 40 in 3 groups', 'no group has both outcomes')
    """
    if found is None:
        return "no group has both outcomes"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"r = {found.value:.2f}{interval}, n = {found.n} in {found.groups} group{'s' * (found.groups > 1)}"


def at_start(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the frames before training, one a network: clips and rates share their start."""
    return rows[rows["phase"] == START].drop_duplicates(["task", "cell", "hidden_size", "seed"])

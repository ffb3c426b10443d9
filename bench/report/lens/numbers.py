"""Joins what lenses measured with the outcomes of trials, as data frames for tables, figures and sentences."""

import numpy as np
import pandas as pd

from longlag.report.memo import once
from longlag.report.outcomes import SETTING, Panel, outcomes
from longlag.stats.within import Within, within_correlation
from longlag.store.flat import lens_numbers, lens_tables
from longlag.store.results import StudyData
from longlag.values.frames import END, PHASES, START

SMALLEST = 1e-12
"""Smaller signals are replaced by this one before they are drawn or their logarithm is taken."""


def heading(part: Panel) -> str:
    """Return a panel's name, and how many results its settings have if any of its networks was trained."""
    return f"{part.label} · {part.seeds}" if part.frame["counted"].any() else part.label


def has_lens(study: StudyData, lens: str) -> bool:
    """Return whether a lens has measured anything in any trial."""
    return bool((study.lenses["lens"] == lens).any()) and not lens_tables(study.lenses, lens).empty


@once
def reach_numbers(study: StudyData) -> pd.DataFrame:
    """Return one row for each trial and phase: the columns of `outcomes`, ``phase``, and the numbers of the lens reach.

    ``signal`` is ``needed_signal``, the median signal from the furthest step that must be seen, at least `SMALLEST`.
    """
    signals = lens_numbers(study.lenses, "reach").drop(columns="update")
    frame = outcomes(study).merge(signals, on="key", how="inner")
    frame["signal"] = pd.to_numeric(frame["needed_signal"]).clip(lower=SMALLEST)
    return frame


@once
def reach_by_lag(study: StudyData) -> pd.DataFrame:
    """Return the signal by the input, one row for each trial, phase and lag.

    Columns: ``key, phase, update, lag, n, low, median, high, zeros``.
    """
    return lens_tables(study.lenses, "reach", "input").drop(columns="part")


def phases_of(frame: pd.DataFrame) -> list[str]:
    """Return the phases that occur in some rows, in the order of training."""
    return [phase for phase in PHASES if (frame["phase"] == phase).any()]


def middle_line(rows: pd.DataFrame, column: str = "median") -> pd.Series:
    """Return the median over trials at each lag that all trials have."""
    by_lag = rows.groupby("lag")[column].agg(["median", "size"])
    return by_lag.loc[by_lag["size"] == rows["key"].nunique(), "median"]


@once
def reach_by_setting(study: StudyData) -> pd.DataFrame:
    """Return the columns that `summarise` adds for the reach at the end of training, indexed by setting.

    ``reach_1pct`` is the median over seeds; ``reach_open`` is whether the sequences of at least half of the seeds end
    before the signal falls below 1 %.
    """
    if not has_lens(study, "reach"):
        return pd.DataFrame(columns=["reach_1pct", "reach_open"])
    ends = reach_numbers(study)
    ends = ends[ends["phase"] == END].assign(reach_1pct=lambda rows: pd.to_numeric(rows["reach_1pct"]))
    groups = ends.groupby(list(SETTING), sort=False, dropna=False)
    opened = groups["reach_open"].agg(lambda flags: bool(flags.astype(float).mean() >= 0.5))
    return pd.DataFrame({"reach_1pct": groups["reach_1pct"].median(), "reach_open": opened})


def against_outcome(study: StudyData, phase: str) -> Within | None:
    """Return the correlation of the needed signal's logarithm with solving, within task and cell, clustered by setting.

    Args:
        study: The study.
        phase: The phase of training at which the signal was measured.

    Returns:
        The correlation; None if no task and cell has both outcomes.
    """
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


def correlation_text(within: Within | None) -> str:
    """Write a correlation within groups, or say that there is none.

    >>> correlation_text(Within(0.4, 0.123, 0.61, 40, 3)), correlation_text(None)
    ('r = 0.40 [0.12, 0.61], n = 40 in 3 groups', 'no group has both outcomes')
    """
    if within is None:
        return "no group has both outcomes"
    interval = "" if within.low is None or within.high is None else f" [{within.low:.2f}, {within.high:.2f}]"
    return f"r = {within.value:.2f}{interval}, n = {within.n} in {within.groups} group{'s' * (within.groups > 1)}"


def at_start(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows before training, one for each network: trials that differ in clip or rate start from the same."""
    return rows[rows["phase"] == START].drop_duplicates(["task", "cell", "hidden_size", "seed"])

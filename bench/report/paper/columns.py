"""The columns that a table may have: how each writes a setting as text, and how LaTeX aligns it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from longlag.report.outcomes import SETTING, several
from longlag.report.summary import summarise
from longlag.report.text.tables import (
    axis_text,
    error_text,
    number,
    percent,
    percent_range,
    rate_text,
    updates_text,
)
from longlag.store.results import StudyData
from longlag.tasks.support.errors import UsageError, near

DEFAULT = ("solved", "interval", "updates", "error")
"""The results that a table has by default."""
MOST = 8
"""The most columns of a table by default: as many as fit a page of one column."""


@dataclass(frozen=True)
class Column:
    """A column with a result.

    Attributes:
        heading: The column's heading.
        text: Writes the text for a row of `summarise`.
        note: An explanation for the caption; empty if the heading suffices.
        numeric: Whether LaTeX aligns the column by the decimal mark.
    """

    heading: str
    text: Callable[[pd.Series], str]
    note: str = ""
    numeric: bool = False


RESULTS: Mapping[str, Column] = {
    "n": Column("n", lambda row: str(row["n"]), "n: trials with a result", numeric=True),
    "planned": Column("planned", lambda row: str(row["N"]), numeric=True),
    "solved": Column("solved", lambda row: f"{row['solved_count']}/{row['n']}", "solved: of the trials with a result"),
    "share": Column("solved share", lambda row: percent(row["solved_fraction"])),
    "interval": Column(
        "95 % interval", lambda row: percent_range(row["solved_low"], row["solved_high"]),
        "interval: exact, of the solved share",
    ),
    "updates": Column(
        "updates", updates_text, "updates: median until solved, unsolved trials censored at the budget", numeric=True
    ),
    "error": Column(
        "error", error_text,
        "error: median and range of the seeds, diverged and exploded trials at the floor",
    ),
    "score": Column("score", lambda row: number(row["score"], 2), "score: 1 - error / floor", numeric=True),
    "floor": Column("floor", lambda row: number(row["floor"]), "floor: the best error without memory", numeric=True),
    "lag": Column("lag", lambda row: number(row["lag"], 7), numeric=True),
    "diverged": Column("diverged", lambda row: str(row["diverged_count"]), numeric=True),
    "exploded": Column("exploded", lambda row: str(row["exploded_count"]), numeric=True),
    "failed": Column("failed", lambda row: str(row["failed_count"]), numeric=True),
    "timeout": Column("timeout", lambda row: str(row["timeout_count"]), numeric=True),
    "norm": Column(
        "norm", lambda row: number(row["grad_norm_median"]),
        "norm: of the gradient before clipping, median over updates and seeds", numeric=True,
    ),
    "clipped": Column("clipped", lambda row: percent(row["clipped_fraction"]), "clipped: share of updates"),
    "parameters": Column("parameters", lambda row: number(row["num_parameters"], 7), numeric=True),
}  # fmt: skip


def names_of(study: StudyData, chosen: Sequence[str], group: str) -> list[str]:
    """Return the columns of a table: the chosen ones, or by default the axes that vary within a group and `DEFAULT`.

    Args:
        study: The study.
        chosen: The chosen columns: names of axes and of `RESULTS`.
        group: The axis by whose values rows are grouped.

    Raises:
        UsageError: There is no such column.
    """
    known = [*SETTING, *RESULTS]
    for name in (*chosen, group):
        if name not in known:
            raise UsageError(f"no column is called {name!r}{near(name, known)}; there are {', '.join(known)}")
    if chosen:
        return [name for name in dict.fromkeys(chosen) if name != group]
    of_group = study.plan.groupby(group) if group in study.plan else study.plan.groupby("task")
    axes = [name for name in several(study.plan) if name != group and of_group[name].nunique().max() > 1]
    return [*axes[: MOST - len(DEFAULT)], *DEFAULT]


def heading(name: str) -> str:
    """Return the heading of a column."""
    return RESULTS[name].heading if name in RESULTS else name.replace("_", " ")


def texts(study: StudyData, name: str) -> list[str]:
    """Return the texts of a column for each row of the study's summary."""
    rows = [row for _, row in summarise(study).iterrows()]
    if name in RESULTS:
        return [RESULTS[name].text(row) for row in rows]
    return [rate_text(row) if name == "lr" else axis_text(name, row[name]) for row in rows]

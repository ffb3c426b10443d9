"""The outcomes of trials for reports, one row per trial, cut into panels; with notes on missing or mixed trials.

A *setting* is all axes of a trial except the seed. A *panel* holds the trials that one frame shows: those of a task or,
if the same cell and clip were trained in several ways (two optimisers, three rates), those of one way.
"""

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from longlag.report.figures import style
from longlag.report.figures.support.looks import worn
from longlag.report.memo import once
from longlag.report.origins import origins
from longlag.store.results import StudyData
from longlag.values.axes import Group
from longlag.values.trial import AXES, Status

FACTS = ("lag", "min_lag", "baseline_error", "solved_below", "error_name")
WAYS = tuple(
    axis.column or axis.name
    for axis in sorted(AXES.values(), key=lambda axis: axis.group)
    if axis.group not in (Group.SETTING, Group.ORIGIN)
)
"""The axes beside task, cell, clip and seed, in the order in which panels are split by them."""

SETTING = ("task", "cell", "clip", *WAYS)

_RESULTS = (
    "status",
    "error",
    "updates",
    "updates_to_solve",
    "grad_norm_median",
    "clipped_fraction",
    "num_parameters",
)
LOST = (Status.DIVERGED, Status.EXPLODED)


@once
def outcomes(study: StudyData) -> pd.DataFrame:
    """Return one row for each planned trial with its outcome, in the order of reports.

    Added columns: ``counted`` (whether the trial has a result), ``solved``, ``charged_error`` (the error, or the floor
    if the trial diverged or exploded) and ``watched_updates`` (updates until solved; the whole budget if unsolved,
    even if the trial diverged earlier).
    """
    results = study.trials.reindex(columns=["key", *_RESULTS])
    frame = study.plan.drop(columns=[name for name in _RESULTS if name in study.plan])
    frame = frame.merge(results, on="key", how="left")
    for name in _RESULTS[1:]:
        frame[name] = pd.to_numeric(frame[name]).astype(float)
    frame["status"] = frame["status"].astype(object)
    frame["counted"] = frame["status"].isin([status for status in Status if status.is_result])
    frame["solved"] = frame["status"] == Status.SOLVED
    lost = frame["status"].isin(LOST) | (frame["counted"] & frame["error"].isna())
    frame["charged_error"] = frame["error"].where(~lost, frame["baseline_error"])
    frame["watched_updates"] = frame["updates_to_solve"].where(frame["solved"], frame["budget_updates"])
    return in_order(frame)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by task in the study's order, then ways, cell and clip in the order of legends, then seed."""
    names = [name for name in ("task", *WAYS, "cell", "clip", "seed") if name in frame]
    tasks = list(frame["task"].unique())
    ranks: dict[str, Callable[[Any], Any]] = {
        "task": tasks.index,
        "cell": style.cell_rank,
        "clip": style.clip_rank,
    }
    ranks |= {column: values.index for column, values in worn().given.items() if column in WAYS}
    places = [_places(frame[name], ranks.get(name)) for name in names]
    return frame.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def _places(values: pd.Series, rank: Callable[[Any], Any] | None) -> np.ndarray:
    """Return the place of each value in the order of ranks; equal ranks have equal places."""
    codes, distinct = pd.factorize(values)
    ranked: list[Hashable] = [value if rank is None else rank(value) for value in distinct.tolist()]
    number = {value: place for place, value in enumerate(sorted(set(ranked)))}  # type: ignore[type-var]
    places: np.ndarray = np.array([number[value] for value in ranked], dtype=np.int64)[codes]
    return places


def several(frame: pd.DataFrame, names: tuple[str, ...] = SETTING) -> list[str]:
    """Return the axes that have more than one value in a frame."""
    return [name for name in names if frame[name].nunique() > 1]


@dataclass(frozen=True)
class Panel:
    """The trials drawn in one frame.

    Attributes:
        task: The task's spec.
        ways: The axes that distinguish this panel from the task's others: ``{"optimizer": "sgd", "lr": 0.6}``.
        frame: The trials' rows of `outcomes`.
    """

    task: str
    ways: dict[str, Any]
    frame: pd.DataFrame

    @cached_property
    def label(self) -> str:
        """The task, then the axes that distinguish the panel."""
        return ", ".join(filter(None, [style.task_label(self.task), self.ways_label]))

    @cached_property
    def ways_label(self) -> str:
        """The axes that distinguish the panel from the task's others, in words; empty if it is the only one."""
        return ", ".join(style.way_label(*way) for way in self.ways.items())

    @property
    def lag(self) -> int:
        """The task's distance dial, in time steps."""
        return int(self.frame["lag"].iloc[0])

    @property
    def floor(self) -> float:
        """The best error without memory."""
        return float(self.frame["baseline_error"].iloc[0])

    @property
    def solved_below(self) -> float:
        """The error under which a trial counts as solved."""
        return float(self.frame["solved_below"].iloc[0])

    @property
    def error_name(self) -> str:
        """The name of the error, with its unit."""
        return str(self.frame["error_name"].iloc[0])

    @cached_property
    def budget(self) -> int:
        """The largest number of updates a trial may take."""
        return int(self.frame["budget_updates"].max())

    @cached_property
    def cells(self) -> list[str]:
        """The cells, in the order of legends."""
        return sorted(self.frame["cell"].unique(), key=style.cell_rank)

    @cached_property
    def clips(self) -> list[str]:
        """The clips, in the order of legends."""
        return sorted(self.frame["clip"].unique(), key=style.clip_rank)

    @cached_property
    def seeds(self) -> str:
        """The number of results of its settings: ``n = 5`` or ``n = 2 to 5``."""
        return seeds(self.frame)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], np.ndarray]:
        return cast("dict[tuple[str, str], np.ndarray]", self.frame.groupby(["cell", "clip"]).indices)

    def of(self, cell: str, clip: str | None = None) -> pd.DataFrame:
        """Return the rows of a cell, or of a cell and clip."""
        if clip is not None:
            return self.frame.iloc[self._rows.get((cell, clip), [])]
        return self.frame[self.frame["cell"] == cell]


def into_panels(frame: pd.DataFrame, ways_drawn: Collection[str] = ()) -> list[Panel]:
    """Cut `outcomes` into panels, tasks in the order of the rows.

    Args:
        frame: Rows of `outcomes`.
        ways_drawn: Axes of `WAYS` that one frame shows together, so that panels are not split by them.
    """
    named = ["optimizer"] if frame["optimizer"].nunique() > 1 else []
    axes = tuple(way for way in WAYS if way not in ways_drawn)
    panels = []
    for task in frame["task"].unique():
        for ways, part in _split(frame[frame["task"] == task], axes):
            ways_of = {name: part[name].iloc[0] for name in named} | ways
            panels.append(Panel(str(task), ways_of, part))
    return panels


@once
def study_panels(study: StudyData) -> list[Panel]:
    """Cut a study into panels."""
    return into_panels(outcomes(study))


def _split(frame: pd.DataFrame, axes: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Split by an axis if the same cell and clip have several of its values; always split by optimiser."""
    if not axes:
        yield {}, frame
        return
    axis, *rest = axes
    spread = frame.groupby(["cell", "clip"])[axis].nunique().max()
    if spread == 1 and not (axis == "optimizer" and frame[axis].nunique() > 1):
        yield from _split(frame, tuple(rest))
        return
    for value, part in frame.groupby(axis, sort=True):
        for ways, rows in _split(part, tuple(rest)):
            yield {axis: value, **ways}, rows


@once
def progress(study: StudyData) -> str:
    """Write how many of the planned trials have a result: ``37 of 135 trials``.

    Trials that failed or timed out have none.
    """
    frame = outcomes(study)
    planned, counted = len(frame), int(frame["counted"].sum())
    return f"{planned} trials" if counted == planned else f"{counted} of {planned} trials"


def seeds(frame: pd.DataFrame) -> str:
    """Write how many results the settings of a frame have: ``n = 5`` or ``n = 2 to 5``."""
    counts = frame.groupby([*SETTING])["counted"].sum()
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def without_result(frame: pd.DataFrame) -> list[str]:
    """Return counts of trials that ended without a result, by status: ``3 failed``, ``1 timeout``."""
    counts = {status: int((frame["status"] == status).sum()) for status in (Status.FAILED, Status.TIMEOUT)}
    return [f"{count} {status}" for status, count in counts.items() if count]


@once
def processors(study: StudyData) -> pd.Series:
    """Return how many results each type of processor computed, by its name."""
    made = study.trials.reindex(columns=["status", "processor"])
    return made["processor"][made["status"].isin([status for status in Status if status.is_result])].value_counts()


@once
def notes(study: StudyData) -> list[str]:
    """Return sentences on what limits the numbers: missing or failed trials, mixed code, mixed processors."""
    frame = outcomes(study)
    missing = int(frame["status"].isna().sum())
    lines = []
    if missing:
        lines.append(f"Half-finished: {progress(study)} have results; {missing} not trained yet.")
    if lost := without_result(frame):
        lines.append(f"Of {len(frame)} trials {', '.join(lost)}: they count in N, not in n.")
    if len(study.sources) > 1:
        lines.append(f"Mixed source: {len(study.sources)} versions of the code made these trials.")
    if len(made_by := processors(study)) > 1:
        listed = ", ".join(f"{name} {made_by[name]}" for name in sorted(made_by.index))
        lines.append(f"Mixed processors made these trials ({listed}): on another the same trial may round differently.")
    if study.outside:
        lines.append(f"{study.outside} stored trials lie outside the plan and are left out.")
    return lines + origins(study)

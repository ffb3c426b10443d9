"""Curves over updates, one for each seed; and the figure of gradient norms before clipping."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from longlag.report.figures import panels, style
from longlag.report.figures.support.small_multiples import lay_out
from longlag.report.memo import once
from longlag.report.outcomes import SETTING, Panel, outcomes, study_panels
from longlag.store.results import StudyData
from longlag.values.trial import Status

MOST_FAINT = 100
"""The most seeds of a setting that are drawn one by one; more would fill the frame."""

_COLUMNS = ["task", "ways", "cell", "clip", "seed", "update"]
_GRADIENTS = ("grad_norm_median", "clipped_fraction")


def all_clips(parts: list[Panel]) -> list[str]:
    """Return every clip of several panels, in the order of legends."""
    return sorted({clip for part in parts for clip in part.clips}, key=style.clip_rank)


def all_cells(parts: list[Panel]) -> list[str]:
    """Return every cell of several panels, in the order of legends."""
    return sorted({cell for part in parts for cell in part.cells}, key=style.cell_rank)


@dataclass(frozen=True)
class Curves:
    """The points of all curves, in the order of planned trials.

    Attributes:
        points: ``update``, and a column for each quantity measured.
        ends: Where each trial's points end, with a leading 0; the trials are in the order of `outcomes`.
    """

    points: dict[str, np.ndarray]
    ends: np.ndarray

    def of(self, rows: pd.DataFrame, column: str) -> pd.DataFrame:
        """Return the curves of one setting, a row for each update and a column for each seed; NaN after a trial's end.

        Args:
            rows: Rows of `outcomes`, with their index.
            column: The quantity measured.
        """
        rows = rows[rows["counted"]].sort_values("seed")
        first, last = self.ends[rows.index], self.ends[rows.index + 1]
        rows, first, last = rows[first < last], first[first < last], last[first < last]
        counts = last - first
        across = np.repeat(np.arange(len(rows)), counts)
        picked = np.arange(len(across)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        updates, down = np.unique(self.points["update"][picked], return_inverse=True)
        wide = np.full((len(updates), len(rows)), np.nan)
        wide[down, across] = self.points[column][picked]
        return pd.DataFrame(wide, index=pd.Index(updates, name="update"), columns=pd.Index(rows["seed"], name="seed"))


@once
def curves(study: StudyData) -> Curves:
    """Return the points of a study's curves in the order of its outcomes."""
    frame = outcomes(study)
    places = pd.Index(frame["key"]).get_indexer(pd.Index(study.curves["key"]))
    order = np.argsort(places, kind="stable")[(places < 0).sum() :]
    points = {name: study.curves[name].to_numpy()[order] for name in ("update", "error", *_GRADIENTS)}
    ends = np.cumsum(np.bincount(places[order] + 1, minlength=len(frame) + 1))
    return Curves(points, ends)


def median_error(rows: pd.DataFrame, wide: pd.DataFrame) -> pd.Series:
    """Return the median over seeds; ended trials keep their last error, diverged and exploded ones get the floor."""
    lost = rows[rows["status"].isin([Status.DIVERGED, Status.EXPLODED])]
    ends = [int(rows["budget_updates"].max())] if len(lost) else []
    held = wide.reindex(wide.index.union(ends)).ffill()
    lost = lost[lost["seed"].isin(wide.columns)]
    across = wide.columns.get_indexer(pd.Index(lost["seed"]))
    known = wide.iloc[:, across].notna().to_numpy()
    last = np.where(known, wide.index.to_numpy()[:, None], -1).max(axis=0, initial=-1)
    floors = np.broadcast_to(lost["baseline_error"].to_numpy(), (len(held), len(lost)))
    values = held.to_numpy(copy=True)
    values[:, across] = np.where(held.index.to_numpy()[:, None] > last, floors, values[:, across])
    return pd.DataFrame(values, index=held.index).median(axis=1)


def draw_faint(ax: Axes, wide: pd.DataFrame, color: str) -> None:
    """Draw the curves of the first `MOST_FAINT` seeds."""
    x = wide.index.to_numpy(dtype=float)
    lines = [np.column_stack([x, y]) for y in wide.iloc[:, :MOST_FAINT].to_numpy().T]
    ax.add_collection(
        LineCollection(lines, colors=color, alpha=style.FAINT, linewidths=0.6, capstyle="projecting", joinstyle="round")
    )


def _faint(parts: list[Panel]) -> str:
    """Write which seeds are drawn one by one."""
    most = max(int(part.frame.groupby([*SETTING])["seed"].nunique().max()) for part in parts)
    return "every seed faint" if most <= MOST_FAINT else f"the first {MOST_FAINT} seeds faint"


def long_form(part: Panel, cell: str, clip: str, wide: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return curves with one row for each point.

    Args:
        part: The panel.
        cell: The cell.
        clip: The clip.
        wide: The curves, a row for each update and a column for each seed.
        value: The quantity measured.
    """
    values = wide.to_numpy().T
    seeds, updates = np.nonzero(~np.isnan(values))
    columns = {
        "task": part.task,
        "ways": part.ways_label,
        "cell": cell,
        "clip": clip,
        "seed": np.asarray(wide.columns, dtype=object)[seeds],
        "update": wide.index.to_numpy()[updates],
        value: values[seeds, updates],
    }
    return pd.DataFrame(columns)


def _together(drawn_rows: list[pd.DataFrame], value: str) -> pd.DataFrame:
    return pd.concat(drawn_rows, ignore_index=True) if drawn_rows else pd.DataFrame(columns=[*_COLUMNS, value])


@style.report_style()
def gradient_norms(study: StudyData) -> panels.Drawing:
    """Draw the gradient's norm before clipping over training, and below it the share of clipped updates.

    Without a clip the frame of clipped updates is blank.
    """
    parts = study_panels(study)
    clips = all_clips(parts)
    layout = lay_out(parts, clips, [1.5, 0.75], sharey="row")
    drawn_rows = []
    for part, (upper, lower) in zip(parts, layout.frames, strict=True):
        layout.head(part, upper, clips)
        for clip, above, below in zip(clips, upper, lower, strict=True):
            above.tick_params(labelbottom=False)
            if clip not in part.clips:
                panels.blank(above)
                panels.blank(below)
                continue
            norms = draw_norms(above, part, clip, curves(study))
            if clip == "none":
                panels.blank(below)
                above.tick_params(labelbottom=True)
                drawn_rows.append(norms)
                continue
            clipped = draw_clipped(below, part, clip, curves(study))
            drawn_rows.append(norms.merge(clipped, on=_COLUMNS, how="outer"))
    for upper, _ in layout.frames:
        low, high = upper[0].get_ylim()
        upper[0].set_ylim(low, max(high, 100 * low))
    names = ["gradient norm\nbefore clipping,\nlog axis", "clipped\nupdates\n(share)"]
    layout.name_axes("updates", [names] * len(parts))
    title = f"median between evaluations; {_faint(parts)}, bold the median where at least half of the seeds still train"
    figure = layout.figure
    panels.caption(figure, study, "Gradient norms", layout.explained(title, clips))
    panels.legend_below(figure, panels.cell_handles(all_cells(parts)))
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def draw_norms(ax: Axes, part: Panel, clip: str, measured: Curves) -> pd.DataFrame:
    """Draw the norms of one frame and return them.

    Args:
        ax: The frame.
        part: The panel.
        clip: The clipping setting.
        measured: The study's curves.
    """
    ax.set_yscale("log")
    ax.set_xlim(0, part.budget * 1.03)
    drawn_rows = _draw_medians(ax, part, clip, measured, "grad_norm_median")
    threshold = style.clip_threshold(clip)
    if threshold is not None:  # drawn last, as the axis takes its range from the curves
        panels.reference_line(ax, threshold, f"clipped above {threshold:g}")
    return drawn_rows


def draw_clipped(ax: Axes, part: Panel, clip: str, measured: Curves) -> pd.DataFrame:
    """Draw the clipped shares of one frame and return them.

    Args:
        ax: The frame.
        part: The panel.
        clip: The clipping setting.
        measured: The study's curves.
    """
    ax.set_ylim(-0.06, 1.06)
    ax.set_xlim(0, part.budget * 1.03)
    return _draw_medians(ax, part, clip, measured, "clipped_fraction")


def _draw_medians(ax: Axes, part: Panel, clip: str, measured: Curves, column: str) -> pd.DataFrame:
    drawn_rows = []
    for cell in part.cells:
        wide = measured.of(part.of(cell, clip), column).dropna(how="all")
        if wide.empty:
            continue
        half = wide.notna().sum(axis=1) >= wide.shape[1] / 2  # else the median would be that of a few late seeds
        middle, look = wide[half].median(axis=1), style.cell_look(cell)
        draw_faint(ax, wide, look.color)
        ax.plot(middle.index, middle, color=look.color, linestyle=style.clip_line(clip))
        ax.plot(middle.index[-1:], middle[-1:], color=look.color, marker=look.marker, clip_on=False)
        drawn_rows.append(long_form(part, cell, clip, wide.assign(median=middle.reindex(wide.index)), column))
    return _together(drawn_rows, column)

"""Draws the share of unsolved trials over updates as step curves; markers distinguish lines that coincide."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.figures.curves import all_clips
from longlag.report.figures.support import frames
from longlag.report.figures.support.small_multiples import lay_out
from longlag.report.outcomes import Panel, study_panels
from longlag.stats.survival import survival
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip")
_WIDEST, _NARROWEST = 2.6, 1.0
"""Width of the first line and of the last, in points: a line below shows on both sides of the one above it."""
_LARGEST, _SMALLEST = 6.5, 3.5
"""Size of the markers at the corners, in points."""


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each corner of every step curve.

    Columns: ``task, ways, cell, clip, n, update, unsolved_fraction``.
    """
    parts = study_panels(study)
    curves = [_corners(part, cell, clip) for part in parts for cell in part.cells for clip in part.clips]
    columns = ["task", "ways", "cell", "clip", "n", "update", "unsolved_fraction"]
    return pd.DataFrame([row for rows in curves for row in rows], columns=columns)


def _corners(part: Panel, cell: str, clip: str) -> list[tuple[str, str, str, str, int, float, float]]:
    rows = part.of(cell, clip)
    rows = rows[rows["counted"]]
    if rows.empty:
        return []
    curve = survival(rows["watched_updates"].tolist(), rows["solved"].tolist())
    updates = [0.0, *curve.updates, float(rows["budget_updates"].max())]
    unsolved = [1.0, *curve.unsolved, curve.unsolved[-1] if curve.unsolved else 1.0]
    names = (part.task, part.ways_label, cell, clip, len(rows))
    return [(*names, *corner) for corner in zip(updates, unsolved, strict=True)]


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of trials not yet solved against updates, a line for each cell and clip.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    lines = list(frames.lines_of(frame))
    several = frame["clip"].nunique() > 1
    for place, line in enumerate(lines):
        part = place / max(len(lines) - 1, 1)
        ax.plot(
            line.rows["update"], line.rows["unsolved_fraction"], drawstyle="steps-post", color=line.color,
            linestyle=line.dashes if several else "-", linewidth=_WIDEST + part * (_NARROWEST - _WIDEST),
            marker=line.marker, markersize=_LARGEST + part * (_SMALLEST - _LARGEST), markerfacecolor="none",
            markeredgewidth=1.0, label=line.label, clip_on=False,
        )  # fmt: skip
    frames.counting_axis(ax, "updates", float(frame["update"].max()))
    frames.share_axis(ax, "not solved yet (share)")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    if frame["clip"].nunique() > 1:
        return frames.line_handles(frame)
    looks = map(style.cell_look, frames.cells_of(frame))
    return [
        Line2D([], [], color=look.color, marker=look.marker, markerfacecolor="none", label=look.label) for look in looks
    ]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Share of trials not solved yet, {frames.counts(frame)} seeds a setting (Kaplan-Meier); unsolved, diverged "
        "and exploded trials are censored at the budget, where lines end. Of lines on top of each other the lower are "
        "wider and have larger marks."
    )


@style.report_style()
def updates_to_solve(study: StudyData) -> panels.Drawing:
    """Draw the step curves of a whole study, with a row for each panel and a column for each clip."""
    parts, data = study_panels(study), numbers(study)
    clips = all_clips(parts)
    layout = lay_out(parts, clips, [1.35], sharey=True)
    for part, (row,) in zip(parts, layout.frames, strict=True):
        layout.head(part, row, clips)
        of_part = data[(data["task"] == part.task) & (data["ways"] == part.ways_label)]
        for clip, ax in zip(clips, row, strict=True):
            frame = of_part[of_part["clip"] == clip]
            if frame.empty:
                panels.blank(ax)
            else:
                draw(frame, ax)
            ax.set_xlabel("")
            ax.set_ylabel("")
    layout.name_axes("updates (the budget is the right end)", [["not solved yet\n(share of trials)"]] * len(parts))
    title = (
        "unsolved and diverged trials are censored at the budget; of lines on top of each other the lower are wider "
        "and have larger marks"
    )
    panels.caption(layout.figure, study, "Updates to solve", layout.explained(title, clips))
    panels.legend_below(layout.figure, handles(data.assign(clip="none")))
    return panels.Drawing(layout.figure, data)

"""Draws the error during training: every seed faint, the median bold, nothing cut off."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from longlag.report.figures import panels, style
from longlag.report.figures.curves import MOST_FAINT, all_cells, all_clips, curves, draw_faint, long_form, median_error
from longlag.report.figures.support import frames
from longlag.report.figures.support.small_multiples import lay_out
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip")
_MARKS = 4
"""Markers on a line: enough to distinguish lines, too few to hide them."""


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each evaluation of every trial with a result, and of the median over the seeds of a setting.

    Columns: ``task, ways, cell, clip, seed`` (or ``median``), ``update, error, n, floor, solved_below, budget,
    error_name``.
    """
    tables = [_of_setting(study, part, cell, clip) for part, cell, clip in settings(study)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def of_panel(study: StudyData, part: Panel, clip: str) -> pd.DataFrame:
    """Return the numbers of one panel and clip; empty if no trial has a curve."""
    return pd.concat([_of_setting(study, part, cell, clip) for cell in part.cells], ignore_index=True)


def settings(study: StudyData) -> list[tuple[Panel, str, str]]:
    """Return each panel, cell and clip of a study, in the order of reports."""
    parts = study_panels(study)
    return [(part, cell, clip) for part in parts for cell in part.cells for clip in part.clips]


def _of_setting(study: StudyData, part: Panel, cell: str, clip: str) -> pd.DataFrame:
    rows = part.of(cell, clip)
    wide = curves(study).of(rows, "error")
    if wide.empty:
        return pd.DataFrame()
    middle = median_error(rows, wide)
    points = long_form(part, cell, clip, wide.reindex(middle.index).assign(median=middle), "error")
    return points.assign(
        n=int(rows["counted"].sum()),
        floor=part.floor,
        solved_below=part.solved_below,
        budget=part.budget,
        error_name=part.error_name,
    )


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw error against updates, a line for each cell and clip, with the floor and the error that counts as solved.

    If the error that counts as solved is far below the floor, the axis is logarithmic down to a tenth of it and linear
    from there to 0, so that no error is cut off.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    first = frame.iloc[0]
    _scale(ax, frame)
    frames.counting_axis(ax, "updates", float(frame["budget"].max()))
    for height, dashes in ((first["floor"], "-"), (first["solved_below"], ":")):
        ax.axhline(height, color=frames.GREY, linewidth=0.8, linestyle=dashes, zorder=1)
    for place, line in enumerate(frames.lines_of(frame)):
        median = line.rows["seed"].astype(str) == "median"
        wide = line.rows[~median].pivot(index="update", columns="seed", values="error")
        draw_faint(ax, wide, line.color)
        bold = line.rows[median].sort_values("update")
        every = max(1, len(bold) // _MARKS)
        ax.plot(
            bold["update"], bold["error"], color=line.color, linestyle=line.dashes, marker=line.marker,
            markevery=(place % every, every), label=line.label,
        )  # fmt: skip
    ax.set_ylabel(frames.error_label(frame))
    return ax


def _scale(ax: Axes, frame: pd.DataFrame) -> None:
    first, highest = frame.iloc[0], float(np.nanmax(frame["error"]))
    floor, below = float(first["floor"]), float(first["solved_below"])
    top = max(1.15 * floor, 1.05 * highest)
    if below > floor / 10:
        ax.set_ylim(-0.03 * top, top)
        return
    linear = below / 10
    top = max(1.5 * floor, 1.2 * highest)
    ax.set_yscale("symlog", linthresh=linear, linscale=0.4)
    ax.set_ylim(-0.25 * linear, top)
    frames.decade_ticks(ax, [0.0, *frames.decades(linear, top)])


def _on_log(part: Panel) -> bool:
    return part.solved_below <= part.floor / 10


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    return [*frames.line_handles(frame), frames.reference("floor"), frames.reference("counts as solved", ":")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    seeds = int(frame["n"].max())
    faint = "Every seed is faint" if seeds <= MOST_FAINT else f"The first {MOST_FAINT} seeds are faint"
    log = frame["solved_below"] <= frame["floor"] / 10
    axis = " The vertical axis is logarithmic, and linear below its second tick." if log.any() else ""
    return (
        f"Error while learning, {frames.counts(frame)} seeds a setting. {faint}, the median bold; trials that have "
        f"ended keep their last error, diverged and exploded ones count as the floor.{axis}"
    )


@style.report_style()
def learning_curves(study: StudyData) -> panels.Drawing:
    """Draw the learning curves of a whole study, with a row for each panel and a column for each clip."""
    parts = study_panels(study)
    data = numbers(study)
    clips = all_clips(parts)
    layout = lay_out(parts, clips, [1.65], sharey="row")
    for part, (row,) in zip(parts, layout.frames, strict=True):
        layout.head(part, row, clips, f"floor {part.floor:.3g} · solved below {part.solved_below:.2g}")
        of_part = data[(data["task"] == part.task) & (data["ways"] == part.ways_label)] if len(data) else data
        for clip, ax in zip(clips, row, strict=True):
            frame = of_part[of_part["clip"] == clip] if len(of_part) else of_part
            if frame.empty:
                panels.blank(ax)
                continue
            draw(frame, ax)
            ax.set_xlabel("")
            ax.set_ylabel("")
        if len(of_part):
            _scale(row[0], of_part)
    layout.name_axes("updates", [[panels.error_label(part.error_name, _on_log(part))] for part in parts])
    floors = "thin grey line: the floor; dotted: below it a trial counts as solved"
    few = not len(data) or data["n"].max() <= MOST_FAINT
    faint = "every seed faint" if few else f"the first {MOST_FAINT} seeds faint"
    title = f"{faint}, median bold (finished trials keep their last error; diverged ones count as the floor); {floors}"
    panels.caption(layout.figure, study, "Learning curves", layout.explained(title, clips))
    panels.legend_below(layout.figure, panels.cell_handles(all_cells(parts), line=None))
    return panels.Drawing(layout.figure, data)

"""Draws solved shares as heat maps with counts, a line for each cell and a column for each clip."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from longlag.report.figures import panels, style
from longlag.report.figures.curves import all_clips
from longlag.report.figures.support import frames, rows, wrapped
from longlag.report.outcomes import study_panels
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways")
COLUMNS = ["task", "ways", "cell", "clip", "line", "solved_count", "n", "N", "solved_fraction"]
MAP = "cividis"
_SQUARE = 0.34
"""Inches of a square of the heat map."""
_STRAIGHT = 3
"""Clips whose names fit side by side under a heat map."""


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting: label (``line``), ``solved_count``, ``n`` (results), ``N`` (planned), share."""
    parts = study_panels(study)
    drawn_rows = [
        _row((part.task, part.ways_label, cell, clip), style.cell_label(cell), part.of(cell, clip))
        for part in parts
        for cell, clip in product(part.cells, part.clips)
        if len(part.of(cell, clip))
    ]
    return pd.DataFrame(drawn_rows, columns=COLUMNS)


def _row(names: tuple[str, str, str, str], label: str, trials: pd.DataFrame) -> tuple[object, ...]:
    n, count = int(trials["counted"].sum()), int(trials["solved"].sum())
    return (*names, label, count, n, len(trials), count / n if n else np.nan)


def draw(
    frame: pd.DataFrame, ax: Axes | None = None, lines: Sequence[str] | None = None, clips: Sequence[str] | None = None
) -> Axes:
    """Draw one heat map; settings outside the plan are blank, and those without a result yet have a dash.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
        lines: The labels of all lines, if the map has more than the frame.
        clips: The specs of all clips, if the map has more than the frame.
    """
    ax = frames.axes_of(ax)
    lines = list(dict.fromkeys(frame["line"])) if lines is None else list(lines)
    clips = frames.clips_of(frame) if clips is None else list(clips)
    shares = np.full((len(lines), len(clips)), np.nan)
    colors = mpl.colormaps[MAP]
    for row in frame.to_dict("records"):
        y, x = lines.index(row["line"]), clips.index(row["clip"])
        share = shares[y, x] = row["solved_fraction"]
        text = f"{row['solved_count']}/{row['n']}" if row["n"] else "-"
        dark = row["n"] > 0 and sum(colors(share)[:3]) < 1.6
        ax.text(
            x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=style.small(), color="white" if dark else "black"
        )
    ax.pcolormesh(
        np.arange(len(clips) + 1), np.arange(len(lines) + 1), shares, cmap=colors, vmin=0, vmax=1, edgecolor="white",
        linewidth=1.2,
    )  # fmt: skip
    ax.set_ylim(len(lines), 0)
    ax.set_xlim(0, len(clips))
    slant: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(clips) > _STRAIGHT else {}
    ax.set_xticks(np.arange(len(clips)) + 0.5, [_on_lines(style.clip_label(clip), slant) for clip in clips], **slant)
    ax.set_yticks(np.arange(len(lines)) + 0.5, lines)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _on_lines(label: str, slant: dict[str, Any]) -> str:
    """Break a clip's name into lines if names are not slanted."""
    return label if slant else label.replace(" ≤ ", "\n≤ ").replace("no clip", "no\nclip")


def handles(_: pd.DataFrame) -> list[Artist]:
    """Return the legend, which is empty: the counts explain the colours."""
    return []


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    planned = frame.groupby(["task", "ways", "line", "clip"]).size().unstack()
    blank = " Blank: not in the plan." if planned.isna().to_numpy().any() else ""
    dash = " A dash: no result yet." if (frame["n"] == 0).any() else ""
    return f"Trials that solve the task of those with a result, {frames.counts(frame)} seeds a setting.{blank}{dash}"


@style.report_style()
def solved(study: StudyData) -> panels.Drawing:
    """Draw the heat maps of a whole study, a line for each cell (or way of training)."""
    parts = study_panels(study)
    clips, of_parts = all_clips(parts), rows.frames_of(parts)
    beside = panels.text_inches(wrapped.labels(of_parts)) + 0.1
    slanted = len(clips) > _STRAIGHT
    under = 0.62 + slanted * 0.7 * panels.text_inches(map(style.clip_label, clips))
    figure, axes, of_parts = wrapped.wrapped_grid(of_parts, lambda n: under + 0.26 * n, _SQUARE * len(clips), beside)
    per_row = axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    axes[0].get_gridspec().set_height_ratios([len(one.lines) for one in of_parts[::per_row]])  # type: ignore[union-attr]
    drawn_rows = []
    for one, ax in zip(of_parts, axes, strict=True):
        ax.set_title(one.title, loc="left", fontsize=7)
        map_rows = [
            _row(line.names(clip), line.label, line.of(clip))
            for line, clip in product(one.lines, clips)
            if len(line.of(clip))
        ]
        drawn_rows.append(pd.DataFrame(map_rows, columns=COLUMNS))
        draw(drawn_rows[-1], ax, [line.label for line in one.lines], clips)
    data = pd.concat(drawn_rows, ignore_index=True)
    panels.caption(figure, study, "Solved share", how_to_read(data).split(", ")[0] + _marks(data, len(clips), of_parts))
    return panels.Drawing(figure, data)


def _marks(data: pd.DataFrame, clips: int, of_parts: Sequence[rows.Frame]) -> str:
    """Explain the marks that occur, and no others."""
    squares = clips * sum(len(one.lines) for one in of_parts)
    marks = ["blank: not in the plan"] * (len(data) < squares) + ["a dash: no result yet"] * bool(
        (data["n"] == 0).any()
    )
    return "; ".join(["", *marks])

"""Draws the error of every seed for networks that read forward, beside those that read in both directions."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.memo import once
from longlag.report.outcomes import Panel, into_panels, outcomes
from longlag.store.results import StudyData
from longlag.values.wiring import DIRECTIONS

_PER_ROW = 2
_PLACES = {"forward": -0.2, "bidirectional": 0.2}
_SPREAD = 0.12
"""Half the width over which the seeds of a setting are spread."""
_FILLS: dict[str, Literal["none", "full"]] = {"forward": "none", "bidirectional": "full"}


@once
def direction_frames(study: StudyData) -> list[Panel]:
    """Return a panel for each task, clip and way in which a cell was trained forward and in both directions."""
    frame = outcomes(study)
    matched = "matched" in frame and frame["matched"].notna().any()
    drawn = (
        ("direction", "hidden_size") if matched else ("direction",)
    )  # two directions with equal parameters are narrower
    frames = []
    for part in into_panels(frame, drawn):
        for clip, rows in part.frame.groupby("clip", sort=False):
            both = rows.groupby("cell")["direction"].transform("nunique") > 1
            if both.any():
                names = {"clip": clip} if len(part.clips) > 1 else {}
                frames.append(Panel(part.task, names | part.ways, rows[both]))
    return frames


def has_direction(study: StudyData) -> bool:
    """Return whether any cell was trained forward and in both directions."""
    return bool(direction_frames(study))


@style.report_style()
def direction(study: StudyData) -> panels.Drawing:
    """Draw the error of every seed in a frame for each task, for each cell forward beside bidirectional."""
    parts = direction_frames(study)
    columns = min(_PER_ROW, len(parts))
    rows = -(-len(parts) // columns)
    figure, axes = panels.grid(rows, columns, [1.9])
    width = max(len(part.cells) for part in parts) * columns
    figure.set_figwidth(max(figure.get_figwidth(), 0.75 * width))
    for ax in axes.flat[len(parts) :]:
        panels.blank(ax)
    drawn_rows = [_draw(ax, part) for ax, part in zip(axes.flat, parts, strict=False)]
    explanation = "a point a seed, diverged ones at the floor; bar: median; above: how many solve"
    panels.caption(figure, study, "Direction", explanation)
    panels.legend_below(figure, _handles())
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _handles() -> list[Artist]:
    labels = {"forward": "forward: left to right only", "bidirectional": "bidirectional"}
    return [
        Line2D([], [], color="0.3", marker="o", linestyle="", fillstyle=_FILLS[name], label=label)
        for name, label in labels.items()
    ]


def _draw(ax: Axes, part: Panel) -> pd.DataFrame:
    """Draw one frame and return its numbers, a row for each seed."""
    ax.set_title(f"{part.label}\nlag {part.lag} · {part.seeds}", loc="left", fontsize=6.5)
    ax.set_ylim(-0.05 * part.floor, 1.4 * part.floor)
    ax.set_xlim(-0.5, len(part.cells) - 0.35)
    panels.reference_line(ax, part.floor, f"floor {part.floor:.3g}")
    drawn_rows = []
    for place, cell in enumerate(part.cells):
        for name in DIRECTIONS:
            rows = part.of(cell)
            rows = rows[(rows["direction"] == name) & rows["counted"]].sort_values("seed")
            if len(rows):
                _draw_seeds(ax, place + _PLACES[name], cell, name, rows)
            drawn_rows.append(rows.assign(task=part.task, ways=part.ways_label))
    ax.set_xticks(range(len(part.cells)), [style.cell_label(cell) for cell in part.cells])
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(part.error_name.replace(" (", "\n("), fontsize=6.5)
    columns = ["task", "ways", "cell", "clip", "direction", "seed", "status", "charged_error"]
    return pd.concat(drawn_rows)[columns].rename(columns={"charged_error": "error"})


def _draw_seeds(ax: Axes, at: float, cell: str, name: str, rows: pd.DataFrame) -> None:
    look, errors = style.cell_look(cell), rows["charged_error"]
    places = at + np.linspace(-_SPREAD, _SPREAD, len(rows)) if len(rows) > 1 else [at]
    ax.plot(places, errors, linestyle="", color=look.color, marker=look.marker, markersize=3.5, fillstyle=_FILLS[name])
    ax.hlines(errors.median(), at - 1.4 * _SPREAD, at + 1.4 * _SPREAD, color=look.color, linewidth=1.2)
    top = ax.get_ylim()[1]
    ax.text(at, 0.98 * top, f"{int(rows['solved'].sum())}/{len(rows)}", ha="center", va="top", fontsize=6)

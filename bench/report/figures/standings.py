"""Figures of how trials ended: solved shares, statuses, and how long they took to solve."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from longlag.report.figures import panels, style
from longlag.report.figures.curves import all_cells, all_clips
from longlag.report.figures.rows import Frame, frames_of, side_by_side
from longlag.report.figures.small_multiples import lay_out
from longlag.report.outcomes import Panel, study_panels
from longlag.stats.survival import survival
from longlag.store.results import StudyData
from longlag.values.trial import Status

PER_ROW = 3

_GAP, _SQUARE, _BAR = 0.12, 0.34, 0.75
"""Inches between frames, of a square of the heat map, and of the bar beside it."""
_TITLE_LINE = 0.12
"""Inches of a line of a title."""
_NARROWEST = 1.2
"""Inches of a frame of bars."""
_LETTERS = 24
"""Letters in a line of a frame's title."""
_STRAIGHT = 3
"""Clips whose names fit side by side under a heat map."""

_MISSING = "not trained yet"
STATUS_LOOKS: dict[str, dict[str, Any]] = {
    Status.SOLVED: {"facecolor": "#0B3C7D"},
    Status.UNSOLVED: {"facecolor": "#BFD3E6"},
    Status.EXPLODED: {"facecolor": "#E8A200", "hatch": "////"},
    Status.DIVERGED: {"facecolor": "#B3321B", "hatch": "xxxx"},
    Status.FAILED: {"facecolor": "#222222"},
    Status.TIMEOUT: {"facecolor": "#777777", "hatch": "...."},
    _MISSING: {"facecolor": "white"},
}
_WHITE_EDGE: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4}
_GREY_EDGE: dict[str, Any] = {"edgecolor": "0.5", "linewidth": 0.4}


def _wrapped_grid(
    frames: list[Frame], height: Callable[[int], float], width: float, beside: float
) -> tuple[Any, list[Axes], list[Frame]]:
    """Lay frames out in rows of three, or fewer where these would be wider than a page; what is left over is blank.

    Long titles are broken into lines.

    Args:
        frames: The frames.
        height: Inches of a row of frames, by its number of lines.
        width: Inches that a frame needs, apart from its title.
        beside: Inches beside the frames.

    Returns:
        The figure, axes for each frame, and the frames, those of a row with the same lines.
    """
    frames = [replace(frame, title=_broken(frame.title)) for frame in frames]
    width = max(width, panels.text_inches((frame.title for frame in frames), 7))
    per_row = max(1, min(PER_ROW, len(frames), int((style.INCHES[3] - beside) / (width + _GAP))))
    rows = [side_by_side(frames[start : start + per_row]) for start in range(0, len(frames), per_row)]
    heights = [height(len(row[0].lines)) + _TITLE_LINE * _more_lines(row) for row in rows]
    figure, axes = panels.grid(len(rows), per_row, heights, beside + per_row * (width + _GAP), sharey="row")
    for ax in axes.flat[len(frames) :]:
        panels.blank(ax)
    return figure, list(axes.flat[: len(frames)]), [frame for row in rows for frame in row]


def _broken(title: str) -> str:
    """Break long lines before a bracket and between options, not within.

    >>> print(_broken("temporal_order (length 44, marked 3)"))
    temporal_order
    (length 44, marked 3)
    """
    return panels.broken(re.sub(r"(?<!,) (?!\()", "\N{NO-BREAK SPACE}", title), _LETTERS)


def _more_lines(row: list[Frame]) -> int:
    """Return how many lines more than the usual two the longest title of a row has."""
    return max(frame.title.count("\n") - 1 for frame in row)


def _labels(frames: list[Frame]) -> list[str]:
    return [line.label for frame in frames for line in frame.lines]


@style.report_style()
def solved(study: StudyData) -> panels.Drawing:
    """Draw the solved share as heat maps, a line a cell (or way) and a column a clip, counts written in."""
    parts = study_panels(study)
    clips, frames = all_clips(parts), frames_of(parts)
    beside = panels.text_inches(_labels(frames)) + _BAR
    under = 0.55 + _slanted(clips) * 0.7 * panels.text_inches(map(style.clip_label, clips))
    figure, axes, frames = _wrapped_grid(frames, lambda count: under + 0.26 * count, _SQUARE * len(clips), beside)
    shown = [draw_shares(ax, frame, clips) for frame, ax in zip(frames, axes, strict=True)]
    bar = figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.7, aspect=25, pad=0.015)
    bar.set_label("solved share of trials")
    title = "solved / trials with a result; crossed out: not in the plan; a dash: no result yet"
    panels.caption(figure, study, "Solved share", title)
    return panels.Drawing(figure, pd.concat(shown, ignore_index=True))


def _slanted(clips: list[str]) -> bool:
    """Whether the clips are too many for names written straight."""
    return len(clips) > _STRAIGHT


def draw_shares(ax: Axes, frame: Frame, clips: list[str]) -> pd.DataFrame:
    """Draw one heat map and return its numbers."""
    ax.set_title(frame.title, loc="left", fontsize=7)
    shares = np.full((len(frame.lines), len(clips)), np.nan)
    counts = np.full(shares.shape, "", dtype=object)
    shown = []
    for y, line in enumerate(frame.lines):
        for x, clip in enumerate(clips):
            rows = line.of(clip)
            if rows.empty:
                ax.plot([x, x + 1], [y + 1, y], color="0.85", linewidth=0.6)
                continue
            n, count = int(rows["counted"].sum()), int(rows["solved"].sum())
            if n:
                shares[y, x], counts[y, x] = count / n, f"{count}/{n}"
            else:
                ax.text(x + 0.5, y + 0.5, "-", ha="center", va="center", fontsize=6.5)
            shown.append((*line.names(clip), count, n, len(rows)))
    seaborn.heatmap(
        shares,
        annot=counts,
        fmt="",
        annot_kws={"fontsize": 6.5},
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        linewidths=1.2,
        linecolor="white",
        xticklabels=[style.clip_label(clip) for clip in clips],
        yticklabels=[line.label for line in frame.lines],
        ax=ax,
    )
    ax.tick_params(length=0, rotation=0)
    if _slanted(clips):
        ax.set_xticks(
            ax.get_xticks(), [style.clip_label(clip) for clip in clips], rotation=45, ha="right", rotation_mode="anchor"
        )
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "solved_count", "n", "N"])


@style.report_style()
def statuses(study: StudyData) -> panels.Drawing:
    """Draw how the trials of each setting ended as stacked bars."""
    parts = study_panels(study)
    clips, frames = all_clips(parts), frames_of(parts)
    width = panels.text_inches(_labels(frames))
    beside = panels.text_inches(map(style.clip_label, clips), 5.5)
    figure, axes, frames = _wrapped_grid(
        frames, lambda count: 0.5 + count * (0.125 * len(clips) + 0.15), max(width, _NARROWEST), beside
    )
    shown = []
    for frame, ax in zip(frames, axes, strict=True):
        shown.append(draw_statuses(ax, frame, clips))
        ax.set_xlabel("trials")
    panels.caption(figure, study, "How trials ended", "one bar a setting, one trial a seed")
    data = pd.concat(shown, ignore_index=True)
    used = set(data.loc[data["trials"] > 0, "status"])
    handles = [Patch(label=str(name), **look | _GREY_EDGE) for name, look in STATUS_LOOKS.items() if name in used]
    panels.legend_below(figure, handles)
    return panels.Drawing(figure, data)


def draw_statuses(ax: Axes, frame: Frame, clips: list[str]) -> pd.DataFrame:
    """Draw one frame's bars, its lines as groups, and return the counts."""
    ax.set_title(frame.title, loc="left", fontsize=7)
    ticks, names, shown, y = [], [], [], 0.0
    for line in frame.lines:
        planned = line.part is not None
        ax.text(0, y, line.label, fontsize=6.5, va="center", color="black" if planned else "0.65")
        for clip in clips:
            y += 1
            ticks.append(y)
            names.append(style.clip_label(clip))
            left = 0
            rows = line.of(clip)
            statuses = [] if rows.empty else rows["status"].fillna(_MISSING).tolist()
            for status, look in STATUS_LOOKS.items():
                count = statuses.count(status)
                edge = _GREY_EDGE if status == _MISSING else _WHITE_EDGE
                if count:
                    ax.barh(y, count, left=left, height=0.82, **look | edge)
                left += count
                if planned:
                    shown.append((*line.names(clip), str(status), count))
        y += 1.35
    ax.set_ylim(y - 0.6, -0.8)
    ax.set_yticks(ticks, names, fontsize=5.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "status", "trials"])


@style.report_style()
def updates_to_solve(study: StudyData) -> panels.Drawing:
    """Draw the share of trials not solved yet against updates, unsolved trials censored at the budget."""
    parts = study_panels(study)
    clips = all_clips(parts)
    layout = lay_out(parts, clips, [1.35], sharey=True)
    shown = []
    for part, (row,) in zip(parts, layout.frames, strict=True):
        layout.head(part, row, clips)
        for clip, ax in zip(clips, row, strict=True):
            ax.set_xlim(0, part.budget * 1.06)
            ax.set_ylim(-0.07, 1.1)
            if clip in part.clips:
                shown.append(draw_survival(ax, part, clip))
            else:
                panels.blank(ax)
    layout.name_axes("updates (the budget is the right end)", [["not solved yet\n(share of trials)"]] * len(parts))
    title = "unsolved and diverged trials are censored at the budget; lines are set apart a little where they coincide"
    figure = layout.figure
    panels.caption(figure, study, "Updates to solve", layout.explained(title, clips))
    panels.legend_below(figure, panels.cell_handles(all_cells(parts)))
    return panels.Drawing(figure, pd.concat(shown, ignore_index=True))


def draw_survival(ax: Axes, part: Panel, clip: str) -> pd.DataFrame:
    """Draw one frame's step curves and return their corners."""
    shown = []
    cells = part.cells
    for place, cell in enumerate(cells):
        rows = part.of(cell, clip)
        rows = rows[rows["counted"]]
        if rows.empty:
            continue
        curve = survival(rows["watched_updates"].tolist(), rows["solved"].tolist())
        updates = [0.0, *curve.updates, float(rows["budget_updates"].max())]
        unsolved = [1.0, *curve.unsolved, curve.unsolved[-1] if curve.unsolved else 1.0]
        look, apart = style.cell_look(cell), 0.09 * (place / max(len(cells) - 1, 1) - 0.5)
        heights = [share + apart for share in unsolved]
        ax.step(updates, heights, where="post", color=look.color, linestyle=style.clip_line(clip), linewidth=1.3)
        ax.plot(updates[-1], heights[-1], color=look.color, marker=look.marker, clip_on=False)
        corners = zip(updates, unsolved, strict=True)
        shown += [(part.task, part.ways_label, cell, clip, len(rows), *corner) for corner in corners]
    return pd.DataFrame(shown, columns=["task", "ways", "cell", "clip", "n", "update", "unsolved_fraction"])

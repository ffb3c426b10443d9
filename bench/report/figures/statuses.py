"""Draws how trials ended, as a stacked bar for each setting."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from longlag.report.figures import panels, style
from longlag.report.figures.curves import all_clips
from longlag.report.figures.support import frames, rows, wrapped
from longlag.report.outcomes import study_panels
from longlag.store.results import StudyData
from longlag.values.trial import Status

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip")
COLUMNS = ["task", "ways", "cell", "clip", "status", "trials"]
_NARROWEST = 1.2
"""Inches of a frame of bars."""
_MISSING = "not trained yet"
STATUS_LOOKS: dict[str, dict[str, Any]] = {
    Status.SOLVED: {"facecolor": "#0B3C7D"},
    Status.UNSOLVED: {"facecolor": "#BFD3E6"},
    Status.EXPLODED: {"facecolor": "#E8A200", "hatch": "////"},
    Status.DIVERGED: {"facecolor": "#B3321B", "hatch": "xxxx"},
    Status.FAILED: {"facecolor": "#222222", "hatch": "...."},
    Status.TIMEOUT: {"facecolor": "#777777", "hatch": "...."},
    _MISSING: {"facecolor": "white"},
}
_WHITE_EDGE: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4}
_GREY_EDGE: dict[str, Any] = {"edgecolor": "0.5", "linewidth": 0.4}


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting and status: ``task, ways, cell, clip, status, trials``."""
    parts = study_panels(study)
    counts = [
        row
        for part in parts
        for cell in part.cells
        for clip in part.clips
        for row in _counts((part.task, part.ways_label, cell, clip), part.of(cell, clip))
    ]
    return pd.DataFrame(counts, columns=COLUMNS)


def _counts(names: tuple[str, str, str, str], trials: pd.DataFrame) -> list[tuple[Any, ...]]:
    if trials.empty:
        return []
    ended = trials["status"].fillna(_MISSING).tolist()
    return [(*names, str(status), ended.count(status)) for status in STATUS_LOOKS]


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw a bar for each cell and clip, divided by how its trials ended.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    names = []
    for y, line in enumerate(frames.lines_of(frame)):
        names.append(line.label)
        _bar(ax, float(y), dict(zip(line.rows["status"], line.rows["trials"], strict=True)))
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.set_xlabel("trials")
    return ax


def _bar(ax: Axes, y: float, trials: dict[str, int]) -> None:
    left = 0
    for status, look in STATUS_LOOKS.items():
        if count := trials.get(str(status), 0):
            ax.barh(y, count, left=left, height=0.82, **look | (_GREY_EDGE if status == _MISSING else _WHITE_EDGE))
        left += count


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend: the statuses that occur."""
    used = set(frame.loc[frame["trials"] > 0, "status"])
    return [Patch(label=str(name), **look | _GREY_EDGE) for name, look in STATUS_LOOKS.items() if str(name) in used]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    planned = frame.groupby(["task", "ways", "cell", "clip"])["trials"].sum()
    low, high = int(planned.min()), int(planned.max())
    count = f"{low}" if low == high else f"{low} to {high}"
    return f"How the trials of each setting ended; {count} trials a setting, one a seed."


@style.report_style()
def statuses(study: StudyData) -> panels.Drawing:
    """Draw the statuses of a whole study, with groups of bars for each line and a bar for each clip."""
    parts = study_panels(study)
    clips, of_parts = all_clips(parts), rows.frames_of(parts)
    width = panels.text_inches(wrapped.labels(of_parts))
    beside = panels.text_inches(map(style.clip_label, clips), 5.5)
    figure, axes, of_parts = wrapped.wrapped_grid(
        of_parts, lambda count: 0.5 + count * (0.125 * len(clips) + 0.15), max(width, _NARROWEST), beside
    )
    drawn_rows = []
    for frame, ax in zip(of_parts, axes, strict=True):
        drawn_rows.append(_draw_groups(ax, frame, clips))
        ax.set_xlabel("trials")
    panels.caption(figure, study, "How trials ended", "one bar a setting, one trial a seed")
    data = pd.concat(drawn_rows, ignore_index=True)
    panels.legend_below(figure, handles(data))
    return panels.Drawing(figure, data)


def _draw_groups(ax: Axes, frame: rows.Frame, clips: list[str]) -> pd.DataFrame:
    """Draw the groups of bars of one frame, and return the counts."""
    ax.set_title(frame.title, loc="left", fontsize=7)
    ticks, names, drawn_rows, y = [], [], [], 0.0
    for line in frame.lines:
        planned = line.part is not None
        ax.text(0, y, line.label, fontsize=6.5, va="center", color="black" if planned else "0.65")
        for clip in clips:
            y += 1
            ticks.append(y)
            names.append(style.clip_label(clip))
            counts = _counts(line.names(clip), line.of(clip)) if planned else []
            _bar(ax, y, {row[-2]: row[-1] for row in counts})
            drawn_rows += counts
        y += 1.35
    ax.set_ylim(y - 0.6, -0.8)
    ax.set_yticks(ticks, names, fontsize=5.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return pd.DataFrame(drawn_rows, columns=COLUMNS)

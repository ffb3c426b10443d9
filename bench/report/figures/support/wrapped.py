"""Lays out frames of lines in rows of three, or of fewer if three would be wider than a page."""

import re
from collections.abc import Callable
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longlag.report.figures import panels, style
from longlag.report.figures.support.rows import Frame, side_by_side

PER_ROW = 3

_GAP = 0.12
"""Inches between frames."""
_TITLE_LINE = 0.12
"""Height of a line of a title, in inches."""
_LETTERS = 25
"""Letters in a line of a frame's title."""


def wrapped_grid(
    frames: list[Frame], height: Callable[[int], float], width: float, beside: float
) -> tuple[Figure, list[Axes], list[Frame]]:
    """Lay out frames in rows of three, or of fewer if three would be wider than a page, and break long titles.

    Args:
        frames: The contents of the frames.
        height: Computes the height of a row of frames in inches from its number of lines.
        width: The width in inches that a frame needs, whatever its title.
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


def labels(frames: list[Frame]) -> list[str]:
    """Return the labels of the lines of frames."""
    return [line.label for frame in frames for line in frame.lines]


def _broken(title: str) -> str:
    """Break the long lines of a title before a bracket and between options.

    >>> print(_broken("temporal_order (length 44, marked 3)"))
    temporal_order
    (length 44, marked 3)
    """
    return panels.broken(re.sub(r"(?<!,) (?!\()", "\N{NO-BREAK SPACE}", title), _LETTERS)


def _more_lines(row: list[Frame]) -> int:
    """Return how many lines beyond the usual two the longest title of a row has."""
    return max(frame.title.count("\n") - 1 for frame in row)

"""Lays out panels as rows with a column for each clip, or as small multiples.

A study of one clip and dozens of ways, as with depths and skip connections, would otherwise be metres of rows with one
frame each.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from longlag.report.figures import panels, style
from longlag.report.outcomes import Panel

MOST_ROWS = 6
"""The most panels that get a row each; more panels, if they have one clip and few cells, are drawn small."""
_MOST_CELLS = 3
"""The most cells whose lines can be distinguished in a small frame."""
_PER_ROW = 6
_SMALLER, _LOWEST = 0.4, 0.36
_TITLE = 0.42
"""Height of small frames: the factor to the usual height, the least height and the title's height, in inches."""
_LETTERS = 21
"""Letters in a line of a small frame's title."""
_BESIDE = 12
"""Letters in a line of the name beside it."""


@dataclass(frozen=True)
class FigureLayout:
    """A figure and its frames.

    Attributes:
        figure: The figure.
        parts: The panels.
        frames: For each panel an array of its frames, (frames above each other, clips).
        small: Whether several panels share a row.
    """

    figure: Figure
    parts: list[Panel]
    frames: list[np.ndarray]
    small: bool

    def head(self, part: Panel, row: Sequence[Axes], clips: Sequence[str], more: str = "") -> None:
        """Write the titles of a panel's uppermost frames.

        Args:
            part: The panel.
            row: Its uppermost frames.
            clips: Their clips.
            more: A further text for the title, if each panel has a row.
        """
        if self.small:
            task = [] if self._one_task else [style.task_label(part.task), f"lag {part.lag}"]
            count = [part.seeds] if len(self._counts) > 1 else []
            row[0].set_title(_wrapped(task, part, count), loc="left", fontsize=5.5)
            return
        for place, (clip, ax) in enumerate(zip(clips, row, strict=True)):
            texts = filter(None, [part.label, f"lag {part.lag}", part.seeds, more])
            header = " · ".join(texts) if place == 0 else ""
            panels.titles(ax, header, style.clip_label(clip) if clip in part.clips else "")

    def explained(self, text: str, clips: Sequence[str]) -> str:
        """Return the explanation of the figure, preceded by what all small frames have in common."""
        if not self.small:
            return text
        shared = [f"{style.task_label(self.parts[0].task)}, lag {self.parts[0].lag}"] if self._one_task else []
        shared += [style.clip_label(clips[0]), *(self._counts if len(self._counts) == 1 else [])]
        return f"{', '.join(shared)}; {text}"

    def name_axes(self, x: str, names: Sequence[Sequence[str]]) -> None:
        """Write the names of axes, x at the bottom and y at the left.

        Args:
            x: The name of the x axes.
            names: For each panel the names of the y axes of its frames above each other.
        """
        for frames, of_part in zip(self.frames, names, strict=True):
            left, bottom = frames[:, 0], frames[-1]
            for ax, name in zip(left, of_part, strict=True):
                if self.small and ax.get_subplotspec().is_first_col():
                    ax.set_ylabel(textwrap.fill(name.replace("\n", " "), _BESIDE), fontsize=5.5)
                elif not self.small:
                    ax.set_ylabel(name, fontsize=6.5)
            for ax in frames.flat if self.small else ():
                ax.tick_params(labelsize=5.5)
                if not ax.get_subplotspec().is_first_col():
                    for text in list(ax.texts):  # only a row's first frame names the reference lines
                        text.remove()
            for ax in bottom:
                if frames is self.frames[-1] or self._nothing_below(frames):
                    ax.tick_params(labelbottom=True)
                    if self.small:
                        ax.set_xlabel(textwrap.fill(x, _LETTERS), fontsize=5.5)
                    else:
                        ax.set_xlabel(x)

    def _nothing_below(self, frames: np.ndarray) -> bool:
        if not self.small:
            return False
        spec = frames[-1, 0].get_subplotspec()
        below = spec.rowspan.stop, spec.colspan.start
        tops = [other[0, 0].get_subplotspec() for other in self.frames]
        return below not in [(top.rowspan.start, top.colspan.start) for top in tops]

    @cached_property
    def _counts(self) -> set[str]:
        return {part.seeds for part in self.parts}

    @property
    def _one_task(self) -> bool:
        return len({part.task for part in self.parts}) == 1


def _wrapped(before: Sequence[str], part: Panel, behind: Sequence[str]) -> str:
    """Return the ways of a panel as text whose lines break between ways, not within them."""
    words = [*before[1:], *(style.way_label(*way) for way in part.ways.items()), *behind]
    whole = ", ".join([*before[:1], *(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)])
    return panels.broken(whole, _LETTERS)


def _rows(parts: list[Panel]) -> list[list[Panel]]:
    """Cut panels into rows of small frames; each row has one task, and so one y axis."""
    return [
        of_task[start : start + _PER_ROW]
        for of_task in (list(some) for _, some in groupby(parts, lambda part: part.task))
        for start in range(0, len(of_task), _PER_ROW)
    ]


def _many(parts: list[Panel], rows: int) -> bool:
    """Return whether panels are drawn small: there are too many for a row each, and ``rows`` at least halves them."""
    few_cells = max(len(part.cells) for part in parts) <= _MOST_CELLS
    return len(parts) > MOST_ROWS and few_cells and 2 * rows <= len(parts)


def lay_out(parts: list[Panel], clips: Sequence[str], heights: Sequence[float], sharey: bool | str) -> FigureLayout:
    """Make the figure of some panels.

    Args:
        parts: The panels.
        clips: All their clips.
        heights: The heights in inches of a panel's frames above each other, if each panel has a row.
        sharey: Which frames share a y axis, as in `Figure.subplots`.
    """
    count, rows = len(heights), _rows(parts)
    if len(clips) > 1 or not _many(parts, len(rows)):
        figure, axes = panels.grid(count * len(parts), len(clips), heights, sharex="row", sharey=sharey)
        return FigureLayout(
            figure, parts, [axes[count * row : count * (row + 1)] for row in range(len(parts))], small=False
        )
    inches = [max(_SMALLER * height, _LOWEST) for height in heights]
    inches[0] += _TITLE
    shared = "all" if len({part.budget for part in parts}) == 1 else "none"
    figure, axes = panels.grid(count * len(rows), _PER_ROW, inches, width=style.INCHES[3], sharex=shared, sharey=sharey)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, 0, 0.985, 1))  # the last tick's label reaches beyond its frame
    frames = []
    for row, side_by_side in enumerate(rows):
        stacked = axes[count * row : count * (row + 1)]
        frames += [stacked[:, place : place + 1] for place in range(len(side_by_side))]
        for ax in stacked[:, len(side_by_side) :].flat:
            panels.blank(ax)
    return FigureLayout(figure, parts, frames, small=True)

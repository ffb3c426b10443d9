"""Parts of figures that are drawn frame by frame: axes, lines in their order, ticks with plain numbers, legends.

Such a figure is a module with ``numbers(study)``, a table with one row for each mark, whose first columns are ``task,
ways, cell, clip``; ``PANELS``, the columns by which these rows are cut into frames; ``draw(frame, ax=None)``, which
draws the rows of one frame and no other number; ``handles(frame)``, its legend; and ``how_to_read(frame)``, a sentence
for the reader.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from longlag.report.figures import style

GREY = "0.35"
SETTING = ("task", "ways", "cell", "clip")
_TICKS = 5
"""The most numbers that fit under a frame of half a column's width."""


@dataclass(frozen=True)
class Line:
    """The line of one setting in a frame.

    Attributes:
        cell: The cell's spec.
        clip: The clip's spec.
        rows: The setting's rows.
        color: The cell's colour.
        marker: The cell's marker.
        dashes: The clip's dashes if the frame has several clips, else the cell's.
        label: The names in which the frame's lines differ.
    """

    cell: str
    clip: str
    rows: pd.DataFrame
    color: str
    marker: str
    dashes: style.LineStyle
    label: str


def axes_of(ax: Axes | None) -> Axes:
    """Return the axes to draw on: ``ax``, or those of a new figure if it is None."""
    return Figure(layout="constrained").subplots() if ax is None else ax


def cells_of(frame: pd.DataFrame) -> list[str]:
    """Return the cells of some rows, in the order of legends."""
    return sorted(map(str, frame["cell"].unique()), key=style.cell_rank)


def clips_of(frame: pd.DataFrame) -> list[str]:
    """Return the clips of some rows, in the order of legends."""
    return sorted(map(str, frame["clip"].unique()), key=style.clip_rank)


def lines_of(frame: pd.DataFrame) -> Iterator[Line]:
    """Yield each cell and clip of a frame with its rows, in the order of legends."""
    cells, clips = cells_of(frame), clips_of(frame)
    for cell, clip in ((cell, clip) for cell in cells for clip in clips):
        rows = frame[(frame["cell"] == cell) & (frame["clip"] == clip)]
        if len(rows):
            look = style.cell_look(cell)
            dashes = style.clip_line(clip) if len(clips) > 1 else style.cell_line(cell)
            names = ([look.label] if len(cells) > 1 or len(clips) == 1 else []) + (
                [style.clip_label(clip)] if len(clips) > 1 else []
            )
            yield Line(cell, clip, rows, look.color, look.marker, dashes, ", ".join(names))


def line_handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of lines: an entry for each cell, and one for each clip if a frame has several."""
    clips = clips_of(frame)
    of_cells = [(style.cell_look(cell), "-" if len(clips) > 1 else style.cell_line(cell)) for cell in cells_of(frame)]
    handles: list[Artist] = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=dashes, label=look.label)
        for look, dashes in of_cells
    ]
    if len(clips) > 1:
        handles += [
            Line2D([], [], color=GREY, linestyle=style.clip_line(clip), label=style.clip_label(clip)) for clip in clips
        ]
    return handles


def reference(label: str, dashes: style.LineStyle = "-") -> Line2D:
    """Return the legend's entry for a thin grey line."""
    return Line2D([], [], color=GREY, linewidth=0.8, linestyle=dashes, label=label)


def share_axis(ax: Axes, name: str) -> None:
    """Make the vertical axis an axis of shares from 0 to 1."""
    ax.set_ylim(-0.04, 1.04)
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_ylabel(name)


def counting_axis(ax: Axes, name: str, highest: float) -> None:
    """Make the horizontal axis an axis of updates from 0.

    Args:
        ax: The frame.
        name: The axis' name.
        highest: Its upper end.
    """
    ax.set_xlim(-0.04 * highest, 1.04 * highest)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.set_xlabel(name)


def doubling_axis(ax: Axes, name: str, values: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with ticks at some of the values.

    Args:
        ax: The frame.
        name: The axis' name.
        values: The values that are drawn.
    """
    ax.set_xscale("log", base=2)
    known = sorted(set(map(float, values)))
    ax.xaxis.set_major_locator(FixedLocator(thinned(known)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(plain_number))
    ax.set_xlim(known[0] / 1.25, known[-1] * 1.25)
    ax.set_xlabel(name)


def thinned(values: Sequence[float], most: int = _TICKS) -> list[float]:
    """Return some of the values, the largest included, of which no two are close on a logarithmic axis.

    >>> thinned([8, 16, 32, 64, 128, 256, 512])
    [8, 32, 128, 512]
    """
    if len(values) < 2:
        return list(values)
    apart = np.log(values[-1] / values[0]) / most
    kept = [values[-1]]
    for value in reversed(values[:-1]):
        if np.log(kept[-1] / value) > apart * 1.0001:
            kept.append(value)
    return kept[::-1]


def decade_ticks(ax: Axes, ticks: Sequence[float]) -> None:
    """Label the ticks of the vertical axis with plain numbers, as exponents would be smaller than text may be."""
    ax.yaxis.set_major_locator(FixedLocator(list(ticks)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(FuncFormatter(plain_number))


def decades(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Return powers of ten between two numbers, at most ``most`` of them.

    >>> decades(0.002, 2), decades(1e-8, 1)
    ([0.01, 0.1, 1.0], [1e-08, 1e-06, 0.0001, 0.01, 1.0])
    """
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))
    step = max(1, -(-(last - first + 1) // most))
    return [float(f"1e{power}") for power in range(last, first - 1, -step)][::-1]


def plain_number(value: float, _: int | None = None) -> str:
    """Write a tick's number without a superscript.

    >>> plain_number(0.001), plain_number(1e-5), plain_number(128.0)
    ('0.001', '1e-5', '128')
    """
    return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")


def error_label(frame: pd.DataFrame) -> str:
    """Return the name of a frame's error."""
    return str(frame["error_name"].iloc[0])


def counts(frame: pd.DataFrame, column: str = "n") -> str:
    """Write how many results the settings of some rows have: ``n = 8`` or ``n = 7 to 8``."""
    low, high = int(frame[column].min()), int(frame[column].max())
    return f"n = {low}" if low == high else f"n = {low} to {high}"

"""Parts of all figures: a grid of frames with titles, labelled lines, a legend outside, and reproducible files."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longlag.report.figures import style
from longlag.report.outcomes import progress
from longlag.store.results import StudyData

GREY = "0.35"


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers it shows."""

    figure: Figure
    data: pd.DataFrame

    def settle(self) -> None:
        """Lay the frames out once, so that all formats are alike."""
        engine = self.figure.get_layout_engine()
        if engine is not None:
            with style.report_style():
                for axis in (axis for ax in self.figure.axes for axis in (ax.xaxis, ax.yaxis)):
                    if not axis.get_label_text():
                        axis.set_label_coords(0, 0)  # else matplotlib computes a place at each drawing
                engine.execute(self.figure)
                self.figure.set_layout_engine(None)  # with any engine, "none" too, each format is drawn twice

    def save(self, folder: Path, name: str) -> list[Path]:
        """Write PNG, PDF and CSV; the same drawing gives the same bytes."""
        self.settle()
        png, pdf, csv = written = paths(folder, name)
        with style.report_style():
            self.figure.savefig(png, metadata={"Software": None})
            self.figure.savefig(pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
        text = self.data.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        csv.write_text(text, encoding="utf-8", newline="\n")
        return written


def paths(folder: Path, name: str) -> list[Path]:
    """Return the files of a figure: PNG, PDF and CSV."""
    return [folder / f"{name}{ending}" for ending in (".png", ".pdf", ".csv")]


def grid(
    rows: int,
    columns: int,
    heights: Sequence[float],
    at_least: float = 0.0,
    width: float | None = None,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """Make a figure of ``rows`` times ``columns`` frames.

    Args:
        rows: Frames above each other.
        columns: Frames side by side.
        heights: Inches of each row, repeated as often as needed.
        at_least: The least width of the figure in inches.
        width: The width of the figure in inches; by default it depends on the number of columns.
        options: Passed on to `Figure.subplots`.

    Returns:
        The figure and its frames, (rows, columns).
    """
    if width is None:
        width = max(at_least, style.INCHES.get(columns, 1.75 * columns))
    inches = [heights[row % len(heights)] for row in range(rows)]
    figure = Figure(figsize=(width, sum(inches) + 0.75), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"height_ratios": inches}, **options)
    return figure, axes


def caption(figure: Figure, study: StudyData, what: str, explained: str) -> None:
    """Write a figure's title: what it shows, of how many trials, and how to read it.

    Args:
        figure: The figure.
        study: The study that it shows.
        what: What it shows.
        explained: How to read it.
    """
    mixed = ", mixed source" if len(study.sources) > 1 else ""
    headline(figure, f"{what} · {study.name}, {progress(study)}{mixed}", explained)


def headline(figure: Figure, what: str, explained: str) -> None:
    """Write a figure's title: a line that says what it shows, then how to read it."""
    wrapped = textwrap.fill(explained, int(figure.get_figwidth() * 17))
    figure.suptitle(f"{what}\n{wrapped}", x=0.008, ha="left", fontsize=7.5, linespacing=1.35)


def titles(ax: Axes, row: str, column: str) -> None:
    """Write the titles of a frame: the row's name, which only its first frame has, above the column's.

    Args:
        ax: The frame.
        row: The row's name, broken into lines no wider than the figure; empty for other frames.
        column: The column's name.
    """
    wrapped = textwrap.fill(row, int(ax.get_figure(root=True).get_figwidth() * 13))  # type: ignore[union-attr]
    ax.set_title(f"{wrapped}\n " if row else "", loc="left", fontweight="bold")
    ax.set_title(column, loc="center")


def error_label(name: str, log: bool = False) -> str:
    """Return the name of an error for an axis, with a long unit on its own line."""
    name = name.replace(" (", "\n(") if len(name) > 22 else name
    if not log:
        return name
    return f"{name}, log axis" if len(name.split("\n")[-1]) < 14 else f"{name},\nlog axis"


def broken(text: str, letters: int) -> str:
    """Break text into lines between words; a no-break space keeps words together and becomes an ordinary space.

    >>> broken("adding, length\N{NO-BREAK SPACE}50", 12).splitlines()
    ['adding,', 'length 50']
    """
    lines = "\n".join(textwrap.fill(line, letters) for line in text.split("\n"))
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def text_inches(texts: Iterable[str], size: float = 6.5) -> float:
    """Return the approximate width of the longest of some texts, in inches.

    Args:
        texts: The texts.
        size: The size of the letters in points.
    """
    return max((len(line) for text in texts for line in text.split("\n")), default=0) * size * 0.0083


def reference_line(ax: Axes, height: float, text: str, line: style.LineStyle = "-", above: bool = True) -> None:
    """Draw a thin line across the frame, with its name above the right end or below the left end.

    Args:
        ax: The frame.
        height: Where the line lies.
        text: Its name.
        line: Its dashes.
        above: Whether the name stands above it.
    """
    ax.axhline(height, color=GREY, linewidth=0.6, linestyle=line, zorder=1)
    ax.annotate(
        text,
        (1.0 if above else 0.015, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 1.5 if above else -1.5),
        textcoords="offset points",
        ha="right" if above else "left",
        va="bottom" if above else "top",
        fontsize=5.5,
        color=GREY,
    )


def cell_handles(cells: Iterable[str], line: style.LineStyle | None = "-") -> list[Artist]:
    """Return a legend entry for each cell, with the cell's own dashes if ``line`` is None."""
    handles: list[Artist] = []
    for cell in cells:
        look, dashes = style.cell_look(cell), style.cell_line(cell) if line is None else line
        handles.append(Line2D([], [], color=look.color, marker=look.marker, linestyle=dashes, label=look.label))
    return handles


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put the legend below the frames, in as many columns as its longest label allows."""
    widths = [0.62 + 0.058 * len(str(handle.get_label())) for handle in handles]
    columns = max(len(widths), 1)
    while columns > 1 and _legend_width(widths, columns) > figure.get_figwidth():
        columns -= 1
    rows = -(-len(widths) // columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * rows)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=-(-len(widths) // rows) if rows else 1)


def _legend_width(widths: list[float], columns: int) -> float:
    """Return the width in inches of a legend that is filled column by column."""
    rows = -(-len(widths) // columns)
    return sum(max(widths[start : start + rows]) for start in range(0, len(widths), rows))


def blank(ax: Axes) -> None:
    """Hide a frame for which the plan has no trials."""
    ax.axis("off")

"""Lays out frames on figures of a venue's width: as many side by side as are readable, no higher than a page."""

import string
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from longlag.report.figures import style as looks
from longlag.report.figures.panels import broken, text_inches
from longlag.report.figures.support import frames
from longlag.report.paper.catalogue import FIGURES, Figure
from longlag.report.paper.latex import escape
from longlag.report.paper.styles import Style

_NARROWEST, _LOWEST, _HIGHEST = 1.45, 1.15, 1.7
"""The least width of a frame with its labels, its least height and its largest height, in inches."""
_LINE, _SQUARE = 0.17, 0.36
"""The height of a named line in a frame, and the size of a square of a heat map, in inches."""
_BELOW = 0.35
"""Inches below a frame, for its tick labels and its axis' name."""


@dataclass(frozen=True)
class Page:
    """One figure.

    Attributes:
        figure: The drawing.
        data: The numbers that it shows.
        caption: What it shows, with n and intervals.
    """

    figure: Canvas
    data: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class _Frame:
    """The contents and the size of one frame.

    Attributes:
        name: The values that distinguish it from the figure's other frames.
        data: Its rows.
        width: Its width with the labels beside it, in inches.
        beside: The width of these labels, in inches.
        inches: Its height, in inches.
        lines: How many named lines it has; 0 if its lines have no names.
    """

    name: str
    data: pd.DataFrame
    width: float
    beside: float
    inches: float
    lines: int


Row = list[_Frame]


def pages(name: str, data: pd.DataFrame, style: Style) -> list[Page]:
    """Draw one of the figures; if it does not fit a page, return several.

    Args:
        name: One of `FIGURES`.
        data: The figure's numbers.
        style: The venue's style.
    """
    member = FIGURES[name]
    shown = [
        _Frame(_name(data, rows, member), rows, *_needs(name, rows))
        for _, rows in data.groupby(list(member.PANELS), sort=False)
    ]
    columns = max(1, min(len(shown), int(style.width / max(one.width for one in shown))))
    columns = -(-len(shown) // -(-len(shown) // columns))  # rows of equal length, without adding a row
    highest = max(_LOWEST, min(_HIGHEST, 0.62 * style.width / columns))
    shown = [one if one.lines else replace(one, inches=highest) for one in shown]
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    with style.used():
        legend = _legend_inches(member.handles(_legend_rows(member, data)), style.width)
        above = _BELOW + _title_inches(shown, style, columns)
        return [_page(member, some, above, style) for some in _cut(rows, above, style.tallest - legend)]


def _inches(row: Row) -> float:
    return max(one.inches for one in row)


def _cut(rows: list[Row], above: float, tallest: float) -> list[list[Row]]:
    """Cut rows into pages that are no higher than ``tallest``; a page has at least one row."""
    cut: list[list[Row]] = [[]]
    for row in rows:
        if cut[-1] and sum(map(_inches, [*cut[-1], row])) + above * (len(cut[-1]) + 1) > tallest:
            cut.append([])
        cut[-1].append(row)
    return cut


def _page(member: Figure, rows: list[Row], above: float, style: Style) -> Page:
    shown = [one for row in rows for one in row]
    columns = len(rows[0])
    heights = list(map(_inches, rows))
    figure = Canvas(figsize=(style.width, sum(heights) + above * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for one, ax, beside in zip(shown, axes.flat, (row for row in rows for _ in row), strict=False):
        member.draw(one.data, ax)
        if one.lines:
            low, high = ax.get_ylim()
            ax.set_ylim(low + max(other.lines for other in beside) - one.lines, high)
    for ax in axes.flat[len(shown) :]:
        ax.axis("off")
    _share_names(axes, len(shown), min(heights))
    _head(shown, axes, style, columns)
    data = pd.concat([one.data for one in shown], ignore_index=True)
    if style.usetex:
        escape_texts(figure)
    handles = member.handles(_legend_rows(member, data))
    if handles:
        legend = _legend(figure, handles)
        height = legend.get_window_extent(_renderer(figure)).height / figure.dpi
        figure.set_figheight(figure.get_figheight() + height + 0.05)
    engine = figure.get_layout_engine()
    assert engine is not None
    for _ in range(2):  # the second time, the sizes of axes' names are known
        engine.execute(figure)
    figure.set_layout_engine(None)
    return Page(figure, data, _caption(member, shown, data))


def _name(data: pd.DataFrame, rows: pd.DataFrame, member: Figure) -> str:
    """Write the values that distinguish a frame from the figure's other frames."""
    parts = []
    for column in member.PANELS:
        value = str(rows[column].iloc[0])
        if data[column].nunique() == 1 and column != "task":
            continue
        parts.append(_label(column, value))
    return ", ".join(filter(None, parts))


def _label(column: str, value: str) -> str:
    words = {"task": looks.task_label, "cell": looks.cell_label, "clip": looks.clip_label}
    return words[column](value) if column in words else value


def _needs(name: str, rows: pd.DataFrame) -> tuple[float, float, float, int]:
    """Return a frame's needs: its width with labels, the labels' width, its height (inches), and its named lines."""
    if name == "solved":
        lines, clips = rows["line"].nunique(), frames.clips_of(rows)
        slanted = 0.75 * text_inches(map(looks.clip_label, clips), 8) if len(clips) > 3 else 0.2
        beside = text_inches(rows["line"], 8) + 0.25
        return beside + _SQUARE * len(clips), beside, 0.22 * lines + slanted, lines
    if name in ("statuses", "horizons"):
        cells, clips = frames.cells_of(rows), frames.clips_of(rows) if name == "horizons" else []
        per_cell = max(_LINE, 0.09 * len(clips))
        beside = text_inches(map(looks.cell_label, cells), 8) + 0.15
        return beside + 1, beside, per_cell * len(cells) + 0.15, len(cells)
    return _NARROWEST, 0.55, _LOWEST, 0


def _share_names(axes: np.ndarray, count: int, inches: float) -> None:
    """Remove names of axes that the frame to the left or below also has, and break long names into lines."""
    names = {place: (ax.get_xlabel(), ax.get_ylabel()) for place, ax in np.ndenumerate(axes)}
    columns = axes.shape[1]
    for (row, column), ax in np.ndenumerate(axes):
        below = (row + 1) * columns + column < count
        if below and names[row + 1, column][0] == names[row, column][0]:
            ax.set_xlabel("")
        if column and names[row, column - 1][1] == names[row, column][1]:
            ax.set_ylabel("")
        else:
            ax.set_ylabel(textwrap.fill(names[row, column][1], max(8, int(inches * 15))))


def _head(shown: Row, axes: np.ndarray, style: Style, columns: int) -> None:
    """Write a title above each frame: its name if the style has titles, else its letter."""
    if len(shown) == 1 and not style.title:
        return
    for one, letter, ax in zip(shown, _letters(), axes.flat, strict=False):
        ax.set_title(_title(one, style, columns) if style.title else f"({letter})", loc="left", pad=3)


def _letters() -> list[str]:
    return [*string.ascii_lowercase, *(first + second for first in "ab" for second in string.ascii_lowercase)]


def _title(one: _Frame, style: Style, columns: int) -> str:
    return broken(
        one.name.replace(" ≤ ", "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}"),
        max(12, int(12 * (style.width / columns - one.beside))),
    )


def _title_inches(shown: Row, style: Style, columns: int) -> float:
    lines = max(_title(one, style, columns).count("\n") + 1 for one in shown) if style.title else len(shown) > 1
    return 0.15 * lines


def _legend_rows(member: Figure, data: pd.DataFrame) -> pd.DataFrame:
    """Return the rows for the legend; if each frame has one clip, all rows get the same clip, so none is listed."""
    return data.assign(clip=data["clip"].iloc[0]) if "clip" in member.PANELS and len(data) else data


def _renderer(figure: Canvas) -> RendererAgg:
    return FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call,no-any-return]


def _legend(figure: Canvas, handles: Sequence[Artist]) -> Legend:
    """Put the legend below the frames, in as many columns as the figure's width allows."""
    renderer = _renderer(figure)
    columns = max(min(len(handles), 8), 1)
    labels = [str(one.get_label()) for one in handles]
    labels = list(map(_escape_lines, labels)) if rcParams["text.usetex"] else labels
    while True:
        legend = figure.legend(list(handles), labels, loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent(renderer).width <= figure.bbox.width:
            return legend
        legend.remove()
        columns -= 1


def _legend_inches(handles: Sequence[Artist], width: float) -> float:
    if not handles:
        return 0.0
    figure = Canvas(figsize=(width, 3), layout="constrained")
    legend = _legend(figure, handles)
    return float(legend.get_window_extent(_renderer(figure)).height) / figure.dpi + 0.1


def escape_texts(figure: Canvas) -> None:
    """Escape every text so that TeX prints it as it is."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if isinstance(axis.get_major_locator(), FixedLocator) and not any("$" in label for label in labels):
                axis.set_ticklabels(list(map(_escape_lines, labels)))
    for text in figure.findobj(Text):  # ticks of other locators are written anew when they are drawn
        text.set_text(_escape_lines(text.get_text()))


def _escape_lines(text: str) -> str:
    return "\n".join(map(escape, text.split("\n")))


def _caption(member: Figure, shown: Row, data: pd.DataFrame) -> str:
    if len(shown) == 1:
        which = f" {shown[0].name}." if shown[0].name else ""
    else:
        which = " " + "; ".join(f"({letter}) {one.name}" for one, letter in zip(shown, _letters(), strict=False)) + "."
    return member.how_to_read(data) + which


def numbered(name: str, drawn: Sequence[Page]) -> list[tuple[str, Page]]:
    """Name a figure's pages: ``solved``, or ``solved-1``, ``solved-2`` if there are several; captions name the part."""
    if len(drawn) == 1:
        return [(name, drawn[0])]
    return [
        (f"{name}-{number}", replace(page, caption=f"{page.caption} Part {number} of {len(drawn)}."))
        for number, page in enumerate(drawn, 1)
    ]

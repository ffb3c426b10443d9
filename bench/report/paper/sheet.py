"""Lays frames out on figures of a venue's width: as many side by side as can be read, no higher than a page."""

import string
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from longlag.report.figures import style as looks
from longlag.report.figures.panels import broken, text_inches
from longlag.report.figures.support import frames
from longlag.report.paper.catalogue import FIGURES, Figure
from longlag.report.paper.latex import escape
from longlag.report.paper.styles import Style

_NARROWEST, _LOWEST, _HIGHEST = 1.45, 1.15, 1.7
"""Inches of a frame of lines with what stands beside it, and its least and largest height."""
_LINE, _SQUARE = 0.17, 0.36
"""Inches of a line of a frame whose lines have names, and of a square of a heat map."""
_BELOW = 0.35
"""Inches under a frame, for its ticks and its axis' name."""


@dataclass(frozen=True)
class Page:
    """One figure.

    Attributes:
        figure: As it is drawn.
        data: The numbers that it shows.
        caption: What it shows, n and intervals included.
    """

    figure: Canvas
    data: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class _Frame:
    """What one frame shows.

    Attributes:
        name: What sets it apart from the figure's others.
        data: Its rows.
        width: Inches that it needs with what stands beside it.
        beside: Inches of that.
        inches: Its height.
        lines: How many lines with names it has; 0 where it has none.
    """

    name: str
    data: pd.DataFrame
    width: float
    beside: float
    inches: float
    lines: int


Row = list[_Frame]


def pages(name: str, data: pd.DataFrame, style: Style) -> list[Page]:
    """Draw a figure of the set; what does not fit a page becomes several figures.

    Args:
        name: One of `FIGURES`.
        data: Its numbers.
        style: The venue's.
    """
    member = FIGURES[name]
    told = [
        _Frame(_name(data, rows, member), rows, *_needs(name, rows))
        for _, rows in data.groupby(list(member.PANELS), sort=False)
    ]
    columns = max(1, min(len(told), int(style.width / max(one.width for one in told))))
    columns = -(-len(told) // -(-len(told) // columns))  # as even as the same number of rows allows
    highest = max(_LOWEST, min(_HIGHEST, 0.62 * style.width / columns))
    told = [one if one.lines else replace(one, inches=highest) for one in told]
    rows = [told[start : start + columns] for start in range(0, len(told), columns)]
    with style.used():
        legend = _legend_inches(member.handles(_legend_rows(member, data)), style.width)
        above = _BELOW + _title_inches(told, style, columns)
        return [_page(member, some, above, style) for some in _cut(rows, above, style.tallest - legend)]


def _inches(row: Row) -> float:
    return max(one.inches for one in row)


def _cut(rows: list[Row], above: float, tallest: float) -> list[list[Row]]:
    """Cut rows into pages that are no higher than they may be, or of one row."""
    found: list[list[Row]] = [[]]
    for row in rows:
        if found[-1] and sum(map(_inches, [*found[-1], row])) + above * (len(found[-1]) + 1) > tallest:
            found.append([])
        found[-1].append(row)
    return found


def _page(member: Figure, rows: list[Row], above: float, style: Style) -> Page:
    told = [one for row in rows for one in row]
    columns = len(rows[0])
    heights = list(map(_inches, rows))
    figure = Canvas(figsize=(style.width, sum(heights) + above * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for one, ax, beside in zip(told, axes.flat, (row for row in rows for _ in row), strict=False):
        member.draw(one.data, ax)
        if one.lines:
            low, high = ax.get_ylim()
            ax.set_ylim(low + max(other.lines for other in beside) - one.lines, high)
    for ax in axes.flat[len(told) :]:
        ax.axis("off")
    _share_names(axes, len(told), min(heights))
    _head(told, axes, style, columns)
    data = pd.concat([one.data for one in told], ignore_index=True)
    handles = member.handles(_legend_rows(member, data))
    if handles:
        legend = _legend(figure, handles)
        height = legend.get_window_extent(_renderer(figure)).height / figure.dpi
        figure.set_figheight(figure.get_figheight() + height + 0.05)
    if style.usetex:
        _escape(figure)
    engine = figure.get_layout_engine()
    assert engine is not None
    for _ in range(2):  # what names of axes take is known once ticks have their places
        engine.execute(figure)
    figure.set_layout_engine(None)
    return Page(figure, data, _caption(member, told, data))


def _name(data: pd.DataFrame, rows: pd.DataFrame, member: Figure) -> str:
    """Say what sets a frame apart from the figure's others."""
    said = []
    for column in member.PANELS:
        value = str(rows[column].iloc[0])
        if data[column].nunique() == 1 and column != "task":
            continue
        said.append(_told(column, value))
    return ", ".join(filter(None, said))


def _told(column: str, value: str) -> str:
    words = {"task": looks.task_label, "cell": looks.cell_label, "clip": looks.clip_label}
    return words[column](value) if column in words else value


def _needs(name: str, rows: pd.DataFrame) -> tuple[float, float, float, int]:
    """Return inches of a frame: its width with what stands beside it, and that; its height; and its named lines."""
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
    """Leave out the names of axes that the frame to the left or the one below has, and break long ones."""
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


def _head(told: Row, axes: np.ndarray, style: Style, columns: int) -> None:
    """Write above each frame its letter, or what it shows where the style has titles."""
    if len(told) == 1 and not style.title:
        return
    for one, letter, ax in zip(told, _letters(), axes.flat, strict=False):
        ax.set_title(_title(one, style, columns) if style.title else f"({letter})", loc="left", pad=3)


def _letters() -> list[str]:
    return [*string.ascii_lowercase, *(first + second for first in "ab" for second in string.ascii_lowercase)]


def _title(one: _Frame, style: Style, columns: int) -> str:
    return broken(
        one.name.replace(" ≤ ", "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}"),
        max(12, int(12 * (style.width / columns - one.beside))),
    )


def _title_inches(told: Row, style: Style, columns: int) -> float:
    lines = max(_title(one, style, columns).count("\n") + 1 for one in told) if style.title else len(told) > 1
    return 0.15 * lines


def _legend_rows(member: Figure, data: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the legend is of: where each frame has one clip, as if all had the same."""
    return data.assign(clip=data["clip"].iloc[0]) if "clip" in member.PANELS and len(data) else data


def _renderer(figure: Canvas) -> RendererAgg:
    return FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call,no-any-return]


def _legend(figure: Canvas, handles: Sequence[Artist]) -> Legend:
    """Put the legend under the frames, as wide as the figure allows."""
    renderer = _renderer(figure)
    columns = max(min(len(handles), 8), 1)
    while True:
        legend = figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)
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


def _escape(figure: Canvas) -> None:
    """Let TeX print every text as it is."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter):
                formatter.seq = [escape(text) for text in formatter.seq]
    for text in figure.findobj(Text):
        text.set_text(escape(text.get_text()))


def _caption(member: Figure, told: Row, data: pd.DataFrame) -> str:
    if len(told) == 1:
        which = f" {told[0].name}." if told[0].name else ""
    else:
        which = " " + "; ".join(f"({letter}) {one.name}" for one, letter in zip(told, _letters(), strict=False)) + "."
    return member.told(data) + which


def numbered(name: str, found: Sequence[Page]) -> list[tuple[str, Page]]:
    """Name a figure's pages: ``solved``, or ``solved-1``, ``solved-2`` where there are several, which captions say."""
    if len(found) == 1:
        return [(name, found[0])]
    return [
        (f"{name}-{number}", replace(page, caption=f"{page.caption} Part {number} of {len(found)}."))
        for number, page in enumerate(found, 1)
    ]

"""Draws reach against outcome: does more signal arrive in networks that solve their task?"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import panels, style
from longlag.report.lens.lines import WHEN
from longlag.report.lens.numbers import SMALLEST, against_outcome, correlation_text, phases_of, reach_numbers
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData

_ROW_INCHES = 0.16
_SPREAD = 0.3
"""How far solved trials are drawn above a cell's line, and others below it."""


class Line(NamedTuple):
    """A line of the figure: a cell of a panel.

    Attributes:
        part: The panel.
        cell: The cell.
        place: The line's place from the top.
        first: Whether it is the first line of its panel.
    """

    part: Panel
    cell: str
    place: int
    first: bool


def _lines(study: StudyData) -> list[Line]:
    """Return the lines, panel by panel; a panel has room for at least two lines, which its name needs."""
    lines: list[Line] = []
    place = 0
    for part in study_panels(study):
        for number, cell in enumerate(part.cells):
            lines.append(Line(part, cell, place + number, number == 0))
        place += max(len(part.cells), 2)
    return lines


def has_reach_outcome(study: StudyData) -> bool:
    """Return whether any trial with frames of the lens reach has a result."""
    return bool((study.lenses["lens"] == "reach").any()) and bool(reach_numbers(study)["counted"].any())


@style.report_style()
def reach_outcome(study: StudyData) -> panels.Drawing:
    """Draw each trial's signal from the furthest step needed, solved or not, with a column for each phase."""
    rows = reach_numbers(study)
    rows = rows[rows["counted"] & rows["signal"].notna()]
    phases = phases_of(rows)
    lines = _lines(study)
    height = max(1.2, _ROW_INCHES * (lines[-1].place + 1))
    figure, axes = panels.grid(1, len(phases), [height], width=style.INCHES[3], sharey=True, sharex=True)
    drawn_rows = []
    for phase, ax in zip(phases, axes[0], strict=True):
        of_phase = rows[rows["phase"] == phase]
        for line in lines:
            some = of_phase[of_phase["key"].isin(line.part.of(line.cell)["key"])]
            _draw_line(ax, some, line.place, style.cell_look(line.cell).color)
            columns = ["task", "cell", "clip", "lr", "seed", "solved", "signal"]
            drawn_rows.append(some[columns].assign(phase=phase, ways=line.part.ways_label))
            if line.first and line.place:
                ax.axhline(line.place - 0.7, color="0.8", linewidth=0.6)
        correlation = correlation_text(against_outcome(study, phase)).replace(", n =", ",\nn =")
        ax.set_title(f"{WHEN[phase]}\n{correlation}", fontsize=6.5)
        ax.set_xscale("log")
        ax.set_xlim(max(SMALLEST, rows["signal"].min()) / 3, 3)
        ax.set_xlabel("signal from the furthest\nstep needed, log axis", fontsize=6.5)
    names = [style.cell_label(line.cell) for line in lines]
    axes[0, 0].set_yticks([line.place for line in lines], names, fontsize=5.5)
    axes[0, 0].set_ylim(lines[-1].place + 0.7, -0.9)
    for line in lines:
        if line.first:
            axes[0, -1].annotate(
                panels.broken(line.part.label, 24), (1.01, line.place - 0.5), xycoords=("axes fraction", "data"),
                fontsize=5.5, va="top", annotation_clip=False,
            )  # fmt: skip
    explanation = (
        "a dot a trial, above its cell's line where it solved the task; r: correlation of the logarithm with solving "
        "within task and cell, 95 % interval over settings"
    )
    panels.caption(figure, study, "Reach against outcome", explanation)
    dot = {"color": "0.2", "marker": "o", "markersize": 3.5, "linestyle": "none"}
    handles = [
        Line2D([], [], **dot, fillstyle="full", label="solved"),  # type: ignore[arg-type]
        Line2D([], [], **dot, fillstyle="none", label="not solved"),  # type: ignore[arg-type]
    ]
    panels.legend_below(figure, handles)
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw_line(ax: Axes, rows: pd.DataFrame, place: int, color: str) -> None:
    """Draw the trials of one cell, solved ones above its line and others below it."""
    solved = rows["solved"].to_numpy(dtype=bool)
    height = place + np.where(solved, -_SPREAD, _SPREAD) / 2
    ax.axhline(place, color="0.92", linewidth=0.4, zorder=0)
    for kind, fill in ((solved, color), (~solved, "none")):
        ax.scatter(
            rows["signal"].to_numpy()[kind],
            height[kind],
            s=7,
            facecolors=fill,
            edgecolors=color,
            linewidths=0.5,
            alpha=0.7,
        )

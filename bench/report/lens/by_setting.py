"""Draws lenses with one line for each cell: Lyapunov exponents, sensitivity, and erasure beside reach."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import curves, panels, style
from longlag.report.lens.lines import WHEN
from longlag.report.lens.numbers import has_lens, heading, middle_line, phases_of, reach_by_lag
from longlag.report.outcomes import Panel, study_panels
from longlag.store.flat import lens_tables
from longlag.store.results import StudyData
from longlag.values.frames import QUARTER


@dataclass(frozen=True)
class Lines:
    """The contents of one of these figures.

    Attributes:
        lens: The lens.
        part: The table of the lens.
        x: The column on the horizontal axis.
        y: The column on the vertical axis.
        title: The title of the figure.
        explanation: How to read the figure.
        across: The name of the horizontal axis.
        up: The name of the vertical axis.
        log: Whether the vertical axis is logarithmic.
    """

    lens: str
    part: str
    x: str
    y: str
    title: str
    explanation: str
    across: str
    up: str
    log: bool = False


LYAPUNOV = Lines(
    *("lyapunov", "exponents", "place", "exponent", "Lyapunov exponents"),
    "of the joint state along the task's sequences, mean of 8, then median of the trials: 0 keeps, below it forgets",
    *("exponent, largest first", "nats a step"),
)
SENSITIVITY = Lines(
    *("sensitivity", "recurrent", "lag", "sensitivity", "Sensitivity"),
    "how far the state at the answer moves with the recurrent weights through the last k steps: median of the trials",
    *("steps back, k", "norm, log axis"),
    log=True,
)


def has_lyapunov(study: StudyData) -> bool:
    """Return whether the lens lyapunov has measured anything in any trial."""
    return has_lens(study, "lyapunov")


def has_sensitivity(study: StudyData) -> bool:
    """Return whether the lens sensitivity has measured anything in any trial."""
    return has_lens(study, "sensitivity")


def has_erasure(study: StudyData) -> bool:
    """Return whether the lens erasure has measured anything in any trial."""
    return has_lens(study, "erasure")


def lyapunov(study: StudyData) -> panels.Drawing:
    """Draw the exponents, largest first, a row for each panel, a column for each phase and a line for each cell."""
    return _drawn(study, LYAPUNOV)


def sensitivity(study: StudyData) -> panels.Drawing:
    """Draw sensitivity against the lag, a row for each panel, a column for each phase and a line for each cell."""
    return _drawn(study, SENSITIVITY)


@style.report_style()
def _drawn(study: StudyData, lines: Lines) -> panels.Drawing:
    rows = lens_tables(study.lenses, lines.lens, lines.part)
    phases = [phase for phase in phases_of(rows) if phase != QUARTER]
    parts = [part for part in study_panels(study) if rows["key"].isin(part.frame["key"]).any()]
    figure, axes = panels.grid(len(parts), len(phases), [1.65], sharex="row", sharey="row")
    drawn_rows = []
    for part, row in zip(parts, axes, strict=True):
        for place, (phase, ax) in enumerate(zip(phases, row, strict=True)):
            panels.titles(ax, heading(part) if place == 0 else "", WHEN[phase])
            for cell in part.cells:
                some = rows[(rows["phase"] == phase) & rows["key"].isin(part.of(cell)["key"])]
                if len(some):
                    line = middle_line(some.rename(columns={lines.x: "lag"}), lines.y)
                    _plot(ax, line, cell)
                    names = {"task": part.task, "ways": part.ways_label, "cell": cell, "phase": phase}
                    drawn_rows.append(pd.DataFrame(names | {lines.x: line.index, lines.y: line.to_numpy()}))
            if lines.log:
                ax.set_yscale("log")
            else:
                ax.axhline(0, color=panels.GREY, linewidth=0.6, zorder=1)
        row[0].set_ylabel(lines.up)
    for ax in axes[-1]:
        ax.set_xlabel(lines.across)
    panels.caption(figure, study, lines.title, lines.explanation)
    panels.legend_below(figure, panels.cell_handles(curves.all_cells(parts)))
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _plot(ax: Axes, line: pd.Series, cell: str) -> None:
    look = style.cell_look(cell)
    ax.plot(line.index, line, color=look.color, linewidth=1.2)
    ax.plot(line.index[-1:], line[-1:], color=look.color, marker=look.marker, clip_on=False)


@style.report_style()
def erasure(study: StudyData) -> panels.Drawing:
    """Draw the change of the answer by lag beside reach at the last phase, with a row for each panel."""
    rows = lens_tables(study.lenses, "erasure", "answer")
    phase = phases_of(rows)[-1]
    rows = rows[rows["phase"] == phase]
    parts = [part for part in study_panels(study) if rows["key"].isin(part.frame["key"]).any()]
    figure, axes = panels.grid(len(parts), 2, [1.65], width=style.INCHES[3], sharex="row")
    heard = reach_by_lag(study) if has_lens(study, "reach") else pd.DataFrame(columns=["key", "phase", "lag", "median"])
    drawn_rows = []
    for part, (left, right) in zip(parts, axes, strict=True):
        panels.titles(left, f"{heading(part)}", f"erasure, {WHEN[phase]}")
        panels.titles(right, "", f"reach, {WHEN[phase]}")
        due = rows[rows["key"].isin(part.frame["key"])].groupby("lag")["carried_target"].median()
        left.plot(due.index, due, color=panels.GREY, linestyle="--", linewidth=0.8, zorder=1)
        for cell in part.cells:
            keys = part.of(cell)["key"]
            drawn_rows.append(_draw_erasure(left, part, cell, rows[rows["key"].isin(keys)]))
            some = heard[(heard["phase"] == phase) & heard["key"].isin(keys)]
            line = middle_line(some) if len(some) else pd.Series(dtype=float)
            _plot(right, line[line > 0], cell)
        right.set_yscale("log")
        left.set_ylim(bottom=0)
        left.set_ylabel("change of the answer", fontsize=6.5)
        right.set_ylabel("signal, log axis", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("steps back")
    explanation = (
        "left: answers that change (share; in regression the mean change) when what was read so far back is redrawn, "
        "solid where it must be carried, dotted elsewhere, grey dashes how the right answer changes where it must be "
        "carried; right: the gradient at the same lags"
    )
    panels.caption(figure, study, "Erasure", explanation)
    kinds = [Line2D([], [], color=panels.GREY, label="must be carried")]
    kinds.append(Line2D([], [], color=panels.GREY, linestyle=":", label="others"))
    if pd.to_numeric(rows["carried_target"]).notna().any():
        kinds.append(Line2D([], [], color=panels.GREY, linestyle="--", linewidth=0.8, label="right answer"))
    panels.legend_below(figure, [*panels.cell_handles(curves.all_cells(parts)), *kinds])
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True))


def _draw_erasure(ax: Axes, part: Panel, cell: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Draw one cell's changes and return them."""
    look = style.cell_look(cell)
    names = {"task": part.task, "ways": part.ways_label, "cell": cell}
    values = ["carried", "others", "carried_target", "others_target"]
    medians = rows.groupby("lag")[values].median().reset_index()
    ax.plot(medians["lag"], medians["carried"], color=look.color, marker=look.marker, markersize=2.5, linewidth=1.1)
    ax.plot(medians["lag"], medians["others"], color=look.color, linestyle=":", linewidth=1.0)
    return medians.assign(**names)[[*names, "lag", *values]]

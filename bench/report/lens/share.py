"""Draws the share of the recurrent gradient that comes from distant steps, before and after clipping."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from longlag.report.figures import curves, panels, style
from longlag.report.lens.lines import WHEN
from longlag.report.lens.numbers import has_lens, heading, middle_line, phases_of
from longlag.report.memo import once
from longlag.report.outcomes import Panel, outcomes, study_panels
from longlag.store.flat import lens_tables
from longlag.store.results import StudyData

_LOWEST = 1e-4
_BEFORE: style.LineStyle = (0, (3, 2))


def has_share(study: StudyData) -> bool:
    """Return whether the lens share has measured anything in any trial."""
    return has_lens(study, "share")


@once
def shares_by_lag(study: StudyData) -> pd.DataFrame:
    """Return one row for each trial, phase and lag: ``key, phase, update, lag, before, after, cell, clip``."""
    shares = lens_tables(study.lenses, "share", "recurrent").drop(columns="part")
    return shares.merge(outcomes(study)[["key", "cell", "clip"]], on="key", how="inner")


@style.report_style()
def share(study: StudyData) -> panels.Drawing:
    """Draw the share of the gradient from lags of at least k against k, for each panel (row) and clip (column)."""
    rows = shares_by_lag(study)
    phase = phases_of(rows)[-1]
    rows = rows[rows["phase"] == phase]
    parts = [part for part in study_panels(study) if rows["key"].isin(part.frame["key"]).any()]
    clips = curves.all_clips(parts)
    figure, axes = panels.grid(len(parts), len(clips), [1.65], sharex="row", sharey="row")
    drawn_rows = []
    for part, row in zip(parts, axes, strict=True):
        for place, (clip, ax) in enumerate(zip(clips, row, strict=True)):
            if place == 0:
                header = ax.set_title(f"{heading(part)}\n ", loc="left", fontweight="bold")
                header.set_in_layout(False)  # else the first column would be as wide as its row's name
            ax.set_title(f"\n{style.clip_label(clip)}")
            drawn_rows.append(_draw(ax, part, clip, rows))
        row[0].set_ylabel("share of the recurrent\ngradient, log axis", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("from at least so many steps back")
    explanation = (
        f"norm of what comes from so far or further, over that of the whole, {WHEN[phase]}: median of the seeds"
    )
    panels.caption(figure, study, "Share of far gradient", explanation)
    handles = [
        Line2D([], [], color=panels.GREY, linestyle=_BEFORE, label="before the clip"),
        Line2D([], [], color=panels.GREY, linestyle="-", label="after it"),
    ]
    panels.legend_below(figure, [*panels.cell_handles(curves.all_cells(parts)), *handles])
    return panels.Drawing(figure, pd.concat(drawn_rows, ignore_index=True).assign(phase=phase))


def _draw(ax: Axes, part: Panel, clip: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Draw one frame and return its numbers."""
    drawn_rows = []
    for cell in part.cells:
        some = rows[rows["key"].isin(part.of(cell, clip)["key"])]
        if some.empty:
            continue
        look = style.cell_look(cell)
        lines = {name: middle_line(some, name) for name in ("before", "after")}
        heard = {name: line[line >= _LOWEST / 2] for name, line in lines.items()}
        before, after = heard["before"], heard["after"]
        ax.plot(before.index, before, color=look.color, linestyle=_BEFORE, linewidth=0.9)
        ax.plot(after.index, after, color=look.color, linewidth=1.3)
        ax.plot(after.index[-1:], after[-1:], color=look.color, marker=look.marker, clip_on=False)
        names = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip}
        both = pd.DataFrame(lines).reset_index()
        drawn_rows.append(both.assign(**names)[[*names, "lag", "before", "after"]])
    ax.set_yscale("log")
    ax.set_ylim(_LOWEST, 2)
    return pd.concat(drawn_rows, ignore_index=True) if drawn_rows else pd.DataFrame()

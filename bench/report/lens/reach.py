"""Reach by lag: how much of the signal from k steps back arrives, before and after training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from longlag.report.figures import curves, panels, style
from longlag.report.lens.numbers import SMALLEST, at_start, has_lens, heading, middle_line, reach_by_lag, reach_numbers
from longlag.report.outcomes import Panel, study_panels
from longlag.store.results import StudyData
from longlag.values.frames import END, START


def has_reach(study: StudyData) -> bool:
    """Whether the lens reach has looked at any trial."""
    return has_lens(study, "reach")


@style.report_style()
def reach(study: StudyData) -> panels.Drawing:
    """Draw the signal against the lag: a row a panel, a column before training and one a clip where it ended."""
    parts = [part for part in study_panels(study) if _numbers(study, part, START, None).size]
    ended = bool((reach_numbers(study)["phase"] == END).any())
    clips = curves.all_clips(parts) if ended else []
    columns: list[tuple[str, str | None]] = [(START, None), *((END, clip) for clip in clips)]
    figure, axes = panels.grid(len(parts), len(columns), [1.65], sharex="row", sharey="row")
    shown = []
    for part, row in zip(parts, axes, strict=True):
        for place, ((phase, clip), ax) in enumerate(zip(columns, row, strict=True)):
            if place == 0:
                header = ax.set_title(f"{heading(part)}\n ", loc="left", fontweight="bold")
                header.set_in_layout(False)  # else the first column would be as wide as its row's name
            ax.set_title("\n" + ("before training" if clip is None else f"trained, {style.clip_label(clip)}"))
            shown.append(_draw(ax, study, part, phase, clip))
        row[0].set_ylim(_lowest(shown[-len(columns) :]), 2)
        row[0].set_ylabel("signal, share of the\nstrongest, log axis", fontsize=6.5)
    for ax in axes[-1]:
        ax.set_xlabel("steps back")
    told = (
        "gradient of the answer's margin by the input so many steps back: median of 64 sequences, then of seeds, with "
        "the 10 to 90 % range of the sequences; the grey line is the furthest step that must be seen; dashed the bound "
        "(g s_max)^k on the state's signal of a plain network"
    )
    panels.caption(figure, study, "Reach", told)
    dashed = Line2D([], [], color=panels.GREY, linestyle=(0, (3, 2)), linewidth=0.8, label="bound")
    bound = bool(pd.to_numeric(reach_numbers(study)["fading"]).lt(1).any())
    panels.legend_below(figure, [*panels.cell_handles(curves.all_cells(parts)), *([dashed] if bound else [])])
    return panels.Drawing(figure, pd.concat(shown, ignore_index=True))


def _numbers(study: StudyData, part: Panel, phase: str, clip: str | None) -> pd.DataFrame:
    rows = reach_numbers(study)
    rows = rows[rows["key"].isin(part.frame["key"]) & (rows["phase"] == phase)]
    return at_start(rows) if clip is None else rows[rows["clip"] == clip]


def _draw(ax: Axes, study: StudyData, part: Panel, phase: str, clip: str | None) -> pd.DataFrame:
    """Draw one frame and return its numbers."""
    numbers, lags = _numbers(study, part, phase, clip), reach_by_lag(study)
    lags = lags[lags["phase"] == phase]
    shown = []
    for cell in part.cells:
        of_cell = numbers[numbers["cell"] == cell]
        rows = lags[lags["key"].isin(of_cell["key"])]
        if rows.empty:
            continue
        middle, look = middle_line(rows), style.cell_look(cell)
        low, high = (middle_line(rows, name).clip(lower=SMALLEST) for name in ("low", "high"))
        heard = middle[middle > 0].clip(lower=SMALLEST)
        ax.fill_between(low.index, low, high, color=look.color, alpha=0.08, linewidth=0)
        ax.plot(heard.index, heard, color=look.color, linewidth=1.2)
        ax.plot(heard.index[-1:], heard[-1:], color=look.color, marker=look.marker, clip_on=False)
        fading = pd.to_numeric(of_cell["fading"]).median()
        if fading < 1:
            ax.plot(
                middle.index, fading ** middle.index.to_numpy(), color=look.color, linestyle=(0, (3, 2)), linewidth=0.8
            )
        told = {"task": part.task, "ways": part.ways_label, "cell": cell, "clip": clip or "", "phase": phase}
        columns = {"lag": middle.index, "median": middle, "low": low, "high": high, "bound": fading**middle.index}
        shown.append(pd.DataFrame(told | {name: list(values) for name, values in columns.items()}))
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    needed = numbers["needed_lag"].dropna()
    if len(needed):
        ax.axvline(float(needed.iloc[0]), color=panels.GREY, linewidth=0.6, zorder=1)
    return pd.concat(shown, ignore_index=True) if shown else pd.DataFrame()


def _lowest(shown: list[pd.DataFrame]) -> float:
    """Return where the axis of a row of frames begins: below every median that is not 0."""
    heard = [value for rows in shown if len(rows) for value in rows["median"] if value > 0]
    return max(min(heard, default=1.0) / 2, SMALLEST / 2)

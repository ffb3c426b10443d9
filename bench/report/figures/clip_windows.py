"""Draws safe windows: solved share, updates and clipped updates against a clip's threshold and the learning rate."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from longlag.experiments.clip_window import NONE, SAFE_FRACTION, Window
from longlag.report.figures import style
from longlag.report.figures.panels import GREY, Drawing
from longlag.report.figures.support import frames
from longlag.report.figures.support.looks import kept_apart
from longlag.report.figures.support.palette import CellLook
from longlag.report.outcomes import into_panels, outcomes
from longlag.stats.intervals import share_interval
from longlag.store.results import StudyData
from longlag.tasks.support.options import spell


def write(window: Window, rows: pd.DataFrame, trials: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the settings as CSV beside the figure as PNG and PDF.

    Args:
        window: The experiment.
        rows: Its settings, one a row.
        trials: The trials of the settings.
        folder: The folder of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with kept_apart(trials):
        return Drawing(_figure(window, rows, trials), rows).save(folder, "window")


@style.report_style()
def _figure(window: Window, rows: pd.DataFrame, trials: pd.DataFrame) -> Figure:
    """Draw solved share, updates to solve and share of clipped updates, against threshold (left) and rate (right)."""
    figure = Figure(figsize=(7, 5.4), layout="constrained")
    axes = figure.subplots(3, 2, sharex="col", sharey="row", gridspec_kw={"height_ratios": (3, 3, 2)})
    budget = float(trials["budget_updates"].max())
    cells = list(dict.fromkeys(rows["cell"]))
    for column, sweep in enumerate(("clip", "rate")):
        of_sweep = rows[rows["sweep"] == sweep]
        groups = [
            (str(cell), str(clip), subset)
            for cell in cells
            for clip, subset in _lines(sweep, of_sweep[of_sweep["cell"] == cell])
        ]
        for place, (cell, clip, subset) in enumerate(groups):
            shift = 1.06 ** (place - (len(groups) - 1) / 2)
            subset = subset.assign(x=[shift * _x(window, sweep, row) for row in subset.to_dict("records")])
            line = style.clip_line(clip) if sweep == "rate" else "-"
            _draw_line(axes[:, column], subset, trials, budget, style.cell_look(cell), line, clip == NONE)
        _axis(axes[:, column], window, sweep)
    axes[0, 0].set_ylabel("solved share\n(bars: exact 95 %)")
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0, 0].set_ylim(-0.04, 1.04)
    axes[1, 0].set_ylabel("updates to solve\n(line: median; faint: seeds)")
    axes[1, 0].set_ylim(0, budget * 1.06)
    axes[2, 0].set_ylabel("clipped updates\n(median)")
    axes[2, 0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[2, 0].set_ylim(-0.04, 1.04)
    for ax in axes[0]:
        ax.axhline(SAFE_FRACTION, color=GREY, linewidth=0.6, linestyle=":")
    _legend(figure, window, cells)
    what = f"Safe window of {window.clip} · {style.task_label(window.task)}, n = {rows['n'].max()} a setting"
    figure.suptitle(f"{what}; dotted: {SAFE_FRACTION:.0%} solved; open triangles: not solved within the budget",
                    x=0.008, ha="left", fontsize=7.5)  # fmt: skip
    return figure


def _lines(sweep: str, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows that a line joins: the thresholds, no clip by itself, and the rates under each clip."""
    if sweep == "rate":
        return [(str(clip), subset) for clip, subset in rows.groupby("clip", sort=False)]
    alone = rows["clip"] == NONE
    return [("", rows[~alone]), (NONE, rows[alone])]


def _x(window: Window, sweep: str, row: Mapping[Hashable, Any]) -> float:
    if sweep == "rate":
        return float(row["lr"])
    return _none_at(window) if row["clip"] == NONE else float(row["threshold"])


def _none_at(window: Window) -> float:
    """Return where no clip is drawn: one step beyond the loosest threshold."""
    return window.thresholds[-1] * max(3.0, window.thresholds[-1] / window.thresholds[-2])


def _draw_line(
    axes: Sequence[Axes],
    rows: pd.DataFrame,
    trials: pd.DataFrame,
    budget: float,
    look: CellLook,
    line: style.LineStyle,
    unclipped: bool,
) -> None:
    share, updates, clipped = axes
    color, marker = look.color, look.marker
    share.vlines(
        rows["x"], rows["low"].astype(float), rows["high"].astype(float), color=color, linewidth=0.8, alpha=0.5
    )
    share.plot(rows["x"], rows["solved_fraction"].astype(float), color=color, marker=marker, linestyle=line)
    median = rows["median_updates"].astype(float)
    updates.plot(rows["x"], median, color=color, marker=marker, linestyle=line)
    beyond = rows.loc[median.isna() & (rows["n"] > 0), "x"]
    updates.plot(beyond, [budget] * len(beyond), "^", color=color, markerfacecolor="none")
    for row in rows.to_dict("records"):
        seeds = trials[(trials["cell"] == row["cell"]) & (trials["clip"] == row["clip"]) & (trials["lr"] == row["lr"])]
        solved = seeds["updates_to_solve"].dropna().astype(float)
        unsolved = int(row["n"]) - len(solved)
        updates.plot([row["x"]] * len(solved), solved, ".", color=color, alpha=style.FAINT, markersize=3)
        if unsolved:
            updates.plot(
                [row["x"]], [budget], "^", color=color, alpha=style.FAINT, markersize=3, markerfacecolor="none"
            )
    if not unclipped:
        clipped.plot(rows["x"], rows["clipped_fraction"].astype(float), color=color, marker=marker, linestyle=line)


def _axis(axes: Sequence[Axes], window: Window, sweep: str) -> None:
    ax = axes[-1]
    ax.set_xscale("log")
    values = window.thresholds if sweep == "clip" else window.rates
    places = [*values, _none_at(window)] if sweep == "clip" else list(values)
    labels = [f"{value:g}" for value in values] + ([NONE] if sweep == "clip" else [])
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(places, labels, rotation=45 if max(map(len, labels)) > 5 else 0)
    if sweep == "clip":
        for each in axes:
            each.axvline((values[-1] * _none_at(window)) ** 0.5, color=GREY, linewidth=0.5, linestyle="--")
        ax.set_xlabel(f"threshold of {window.clip} (log axis), at a rate of {spell(window.lr)}")
    else:
        ax.set_xlabel("learning rate (log axis)")


def _legend(figure: Figure, window: Window, cells: Sequence[str]) -> None:
    looks = [style.cell_look(cell) for cell in cells]
    handles = [Line2D([], [], color=look.color, marker=look.marker, label=look.label) for look in looks]
    handles += [
        Line2D([], [], color=GREY, linestyle=style.clip_line(clip), label=f"{style.clip_label(clip)} (right)")
        for clip in window.beside
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5)


__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "sweep", "clip")
_FEWEST = 3
"""The fewest thresholds, or rates, that make a sweep."""


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting of every sweep in a study, that is, of three thresholds or rates at least.

    Columns: ``task, ways, cell, clip`` (the clip's kind if thresholds are swept), ``sweep`` (``threshold`` or
    ``rate``), ``value`` (missing for no clip), ``drawn_at``, ``n, solved_count, solved_fraction, solved_low,
    solved_high`` (exact 95 % interval).
    """
    frame = outcomes(study)
    frame = frame[frame["counted"]]
    rows: list[dict[str, Any]] = []
    for part in into_panels(frame, ("lr",)):
        for (cell, clip), subset in part.frame.groupby(["cell", "clip"], sort=False):
            if subset["lr"].nunique() >= _FEWEST:
                names = (part.task, part.ways_label, str(cell), str(clip), "rate")
                rows += [_point(names, lr, lr, some) for lr, some in _by_rate(subset)]
    for part in into_panels(frame):
        for cell in part.cells:
            rows += _thresholds(part.task, part.ways_label, part.of(cell))
    return pd.DataFrame(rows)


def _by_rate(rows: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    return [(lr, rows[rows["lr"] == lr]) for lr in sorted(map(float, rows["lr"].unique()))]


def _thresholds(task: str, ways: str, rows: pd.DataFrame) -> list[dict[str, Any]]:
    kinds = rows["clip"].str.extract(r"^(?P<kind>[^:+]+):(?P<value>[0-9.e+-]+)$")
    kinds["value"] = pd.to_numeric(kinds["value"])
    points: list[dict[str, Any]] = []
    for kind, subset in kinds.dropna().groupby("kind", sort=True):
        values = sorted(subset["value"].unique())
        if len(values) < _FEWEST:
            continue
        names = (task, ways, str(rows["cell"].iloc[0]), str(kind), "threshold")
        points += [_point(names, value, value, rows.loc[subset.index[subset["value"] == value]]) for value in values]
        if len(unclipped := rows[rows["clip"] == NONE]):
            points.append(_point(names, np.nan, values[-1] * max(3.0, values[-1] / values[-2]), unclipped))
    return points


def _point(setting: tuple[str, ...], value: float, at: float, rows: pd.DataFrame) -> dict[str, Any]:
    solved, n = int(rows["solved"].sum()), len(rows)
    share = share_interval(solved, n)
    names = dict(zip(("task", "ways", "cell", "clip", "sweep"), setting, strict=True))
    counts = {"value": value, "drawn_at": at, "n": n, "solved_count": solved, "solved_fraction": solved / n}
    return (
        names | counts | {"solved_low": share.low if share else np.nan, "solved_high": share.high if share else np.nan}
    )


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the solved share against threshold or rate, a line for each cell and clip; no clip is right of a gap.

    Args:
        frame: Rows of `numbers`, of one task and sweep.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    ax.axhline(SAFE_FRACTION, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    for line in frames.lines_of(frame):
        rows = line.rows.sort_values("drawn_at")
        ax.vlines(rows["drawn_at"], rows["solved_low"], rows["solved_high"], color=line.color, linewidth=0.7, alpha=0.5)
        for subset, label in ((rows[rows["value"].notna()], line.label), (rows[rows["value"].isna()], "_none")):
            ax.plot(
                subset["drawn_at"], subset["solved_fraction"], color=line.color, linestyle=line.dashes,
                marker=line.marker, label=label, clip_on=False,
            )  # fmt: skip
    ax.set_xscale("log")
    none = sorted(set(frame.loc[frame["value"].isna(), "drawn_at"]))
    ticks = frames.thinned(sorted(set(frame["value"].dropna())), 4)
    ax.xaxis.set_major_locator(FixedLocator([*ticks, *none]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: "none" if at in none else frames.plain_number(at)))
    ax.set_xlabel("learning rate, log axis" if frame["sweep"].iloc[0] == "rate" else "threshold, log axis")
    frames.share_axis(ax, "solved share")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    return [*frames.line_handles(frame), frames.reference(f"{SAFE_FRACTION:.0%} solved", ":")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Solved share against the clip's threshold and the learning rate, {frames.counts(frame)} seeds a setting; "
        f"bars: exact 95 % interval. A setting is called safe where {SAFE_FRACTION:.0%} of the seeds solve."
    )

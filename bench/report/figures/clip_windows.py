"""Reports safe windows: tables, a sentence for each sweep, and a figure against threshold and learning rate."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from longlag.experiments import clip_window as sweeps
from longlag.experiments.clip_window import NONE, SAFE_FRACTION, Window
from longlag.report.figures import style
from longlag.report.figures.palette import CellLook
from longlag.report.figures.panels import GREY, Drawing
from longlag.tasks.support.options import spell

_HEAD = f"{'solved':>12} {'exploded,':>10} {'updates to':>11} {'clipped':>9}"
_UNDER = f"{'':>12} {'diverged':>10} {'solve':>11} {'updates':>9}"


def render(window: Window, rows: pd.DataFrame) -> str:
    """Return both sweeps as aligned lines, each with the sentence that says its window."""
    budget = max(grid.updates for grid in window.study().grids)
    lines = [f"{style.task_label(window.task)}, n = {rows['n'].max()} seeds a setting, within {budget} updates"]
    for (cell, sweep), of in rows.groupby(["cell", "sweep"], sort=False):
        for clip, of_sweep in [(None, of)] if sweep == "clip" else list(of.groupby("clip", sort=False)):
            swept = f"rate {spell(window.lr)}" if sweep == "clip" else style.clip_label(str(clip))
            lines += ["", f"{style.cell_label(str(cell))}, {swept}", f"  {'':12} {_HEAD}", f"  {'':12} {_UNDER}"]
            lines += [_line(str(sweep), row) for row in of_sweep.to_dict("records")]
            lines += ["", f"  {sentence(str(sweep), of_sweep)}"]
    return "\n".join(lines) + "\n"


def _line(sweep: str, row: Mapping[Hashable, Any]) -> str:
    name = str(row["clip"]) if sweep == "clip" else spell(float(row["lr"]))
    updates = "> budget" if pd.isna(row["median_updates"]) else f"{row['median_updates']:.0f}"
    clipped = "" if pd.isna(row["clipped_fraction"]) or row["clip"] == NONE else f"{row['clipped_fraction']:.1%}"
    solved = f"{row['solved']}/{row['n']}"
    ended = ", ".join(f"{row[status]} {status}" for status in ("failed", "timeout") if row[status])
    return f"  {name:12} {solved:>12} {row['lost'] or '':>10} {updates:>11} {clipped:>9}   {ended}".rstrip()


def sentence(sweep: str, rows: pd.DataFrame) -> str:
    """Say in one sentence which settings of a sweep are safe."""
    names = list(rows["clip"]) if sweep == "clip" else [spell(lr) for lr in rows["lr"]]
    runs = sweeps.safe_runs(rows["solved_fraction"].tolist())
    if not rows["solved"].any():
        return "No setting solves in any seed."
    if not runs:
        best = rows.iloc[int(rows["solved"].to_numpy().argmax())]
        name = best["clip"] if sweep == "clip" else f"a rate of {spell(float(best['lr']))}"
        return (
            f"No setting solves at least {SAFE_FRACTION:.0%} of its seeds; most: {name}, {best['solved']}/{best['n']}."
        )
    said = " and ".join(names[low] if low == high else f"{names[low]} to {names[high]}" for low, high in runs)
    several = len(runs) > 1 or runs[0][0] < runs[0][1]
    start = "" if sweep == "clip" else "rates of " if several else "a rate of "
    verb = "solve" if several else "solves"
    text = f"{start}{said} {verb} at least {SAFE_FRACTION:.0%} of the seeds"
    edges = [
        edge
        for edge, reached in (("lowest", runs[0][0] == 0), ("highest", runs[-1][1] == len(names) - 1))
        if reached and not (sweep == "clip" and edge == "highest")
    ]
    open_end = f"; the window reaches the {' and the '.join(edges)} value tried" if edges else ""
    return f"{text[0].upper() if sweep == 'rate' else text[0]}{text[1:]}{open_end}."


def write(window: Window, rows: pd.DataFrame, trials: pd.DataFrame, folder: Path) -> list[Path]:
    """Write the settings as CSV beside the figure as PNG and PDF.

    Args:
        window: What was swept.
        rows: The settings, one a row.
        trials: Their trials.
        folder: Where the files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return Drawing(draw(window, rows, trials), rows).save(folder, "window")


@style.report_style()
def draw(window: Window, rows: pd.DataFrame, trials: pd.DataFrame) -> Figure:
    """Draw solved share, updates to solve and share of clipped updates (down) against threshold and rate (across)."""
    figure = Figure(figsize=(7, 5.4), layout="constrained")
    axes = figure.subplots(3, 2, sharex="col", sharey="row", gridspec_kw={"height_ratios": (3, 3, 2)})
    budget = float(trials["budget_updates"].max())
    cells = list(dict.fromkeys(rows["cell"]))
    for column, sweep in enumerate(("clip", "rate")):
        of_sweep = rows[rows["sweep"] == sweep]
        groups = [
            (str(cell), str(clip), of)
            for cell in cells
            for clip, of in _lines(sweep, of_sweep[of_sweep["cell"] == cell])
        ]
        for place, (cell, clip, of) in enumerate(groups):
            shift = 1.06 ** (place - (len(groups) - 1) / 2)
            of = of.assign(x=[shift * _x(window, sweep, row) for row in of.to_dict("records")])
            line = style.clip_line(clip) if sweep == "rate" else "-"
            _draw_line(axes[:, column], of, trials, budget, style.cell_look(cell), line, clip == NONE)
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
    """Return what is joined by a line: the thresholds, no clip by itself, and the rates under each clip."""
    if sweep == "rate":
        return [(str(clip), of) for clip, of in rows.groupby("clip", sort=False)]
    alone = rows["clip"] == NONE
    return [("", rows[~alone]), (NONE, rows[alone])]


def _x(window: Window, sweep: str, row: Mapping[Hashable, Any]) -> float:
    if sweep == "rate":
        return float(row["lr"])
    return _none_at(window) if row["clip"] == NONE else float(row["threshold"])


def _none_at(window: Window) -> float:
    """Return where no clip stands: a step beyond the loosest threshold."""
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

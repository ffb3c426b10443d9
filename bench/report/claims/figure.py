"""Draws a claim's figure: effects with intervals at the left, the data behind them at the right."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from longlag.report.figures import style

_COLOURS = {
    "proved": "#117733",
    "exhibited": "#117733",
    "holds": "#0B3C7D",
    "fails": "#A00000",
    "cannot tell": "#777777",
}
_SERIES = ("#0B3C7D", "#D55E00", "#2AA198", "#A8327F", "#8C6D1F", "#5AA0E0", "#4D4D4D", "#E8A200")
_TICKS = 8
"""The most places on a logarithmic axis that are all labelled."""


@style.report_style()
def draw(verdicts: pd.DataFrame, points: pd.DataFrame | None, x: str = "", y: str = "", log: str = "") -> Figure:
    """Draw one claim.

    Args:
        verdicts: The claim's rows, with the columns of `longlag.report.claims.table.terminal`.
        points: The data behind the effects, ``panel, series, x, y``; None if the claim has none.
        x: The name of the horizontal axes of the points.
        y: The name of their vertical axes.
        log: Which of their axes are logarithmic: ``x``, ``y`` or ``xy``.
    """
    effects = verdicts[verdicts["estimate"].notna()]
    panels = [] if points is None else list(dict.fromkeys(points["panel"]))
    frames = (1 if len(effects) else 0) + len(panels)
    figure = Figure(figsize=(max(5.0, 2.9 * frames), 3.1), layout="constrained")
    axes = list(figure.subplots(1, max(frames, 1), squeeze=False)[0])
    if len(effects):
        _effects(axes.pop(0), effects)
    if points is not None:
        _points(axes, points, panels, log)
        for ax in axes:
            ax.set_xlabel(x)
            if y.endswith("share"):
                ax.set_ylim(-0.03, 1.03)
        axes[0].set_ylabel(y)
        if points["series"].nunique() > 1:
            handles, labels = axes[-1].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4 if frames > 1 else 2)
    first = verdicts.iloc[0]
    figure.suptitle(f"{first['claim']}  {first['sentence']}", wrap=True)
    return figure


def _effects(ax: Axes, effects: pd.DataFrame) -> None:
    """Draw each effect with its interval on a line of its own, and a tick at its minimum; all share one axis."""
    places = np.arange(len(effects))[::-1]
    for place, (_, row) in zip(places, effects.iterrows(), strict=True):
        colour = _COLOURS[str(row["verdict"])]
        ax.plot([float(row["low"]), float(row["high"])], [place, place], color=colour, linewidth=1.4)
        ax.plot([float(row["estimate"])], [place], color=colour, marker="o")
        ax.plot([float(row["minimum"])], [place], color="0.2", marker="|", markersize=11)
        ax.text(0.0, place + 0.24, str(row["verdict"]), transform=ax.get_yaxis_transform(), fontsize=6, color=colour)
    ax.axvline(0, color="0.6", linewidth=0.6)
    ax.set_yticks(places, [str(name) for name in effects["rule"]])
    ax.set_ylim(-0.6, len(effects) - 0.2)
    units = list(dict.fromkeys(effects["unit"]))
    ax.set_xlabel("effect, in " + ",\n".join(units) if any(units) else "effect", fontsize=6.5)
    ax.set_title("upright: the minimum effect", loc="left", fontsize=6.5)


def _points(axes: list[Axes], points: pd.DataFrame, panels: list[str], log: str) -> None:
    """Draw all points faintly, and the median of each series at each place; a line joins those along numbers."""
    series = list(dict.fromkeys(points["series"]))
    words = not pd.api.types.is_numeric_dtype(points["x"])
    named = list(dict.fromkeys(points["x"])) if words else []
    for ax, panel in zip(axes, panels, strict=False):
        of = points[points["panel"] == panel].dropna(subset=["y"])
        of = of.assign(at=of["x"].map({name: place for place, name in enumerate(named)}) if words else of["x"])
        for place, name in enumerate(series):
            rows = of[of["series"] == name]
            colour = _SERIES[place % len(_SERIES)]
            spread = np.linspace(-0.08, 0.08, len(rows)) if words else 0.0
            ax.plot(rows["at"] + spread, rows["y"], linestyle="", marker=".", color=colour, alpha=0.25, markersize=3)
            middle = rows.groupby("at")["y"].median()
            marker, line = ("o", "") if words else ("", "-")
            ax.plot(middle.index, middle, color=colour, marker=marker, linestyle=line, markersize=4, label=str(name))
        if "x" in log:
            ax.set_xscale("log")
            if of["x"].nunique() <= _TICKS:
                ax.set_xticks(sorted(of["x"].unique()), [f"{place:g}" for place in sorted(of["x"].unique())])
                ax.xaxis.set_minor_locator(NullLocator())
        if "y" in log:
            ax.set_yscale("log")
        if words:
            ax.set_xticks(range(len(named)), named)
            ax.set_xlim(-0.5, len(named) - 0.5)
        ax.set_title(panel, loc="left", fontsize=6.5)

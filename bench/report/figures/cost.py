"""Draws quality against costs: the number of parameters, and the numbers carried from step to step.

Quality is the horizon where a study has a ladder of distances, else the solved share.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWNBASE, CARETUPBASE
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from longlag.report.figures import horizons, style
from longlag.report.figures.support import frames
from longlag.report.figures.support.ladders import on_ladders
from longlag.report.outcomes import outcomes, study_panels
from longlag.stats.intervals import share_interval
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip", "cost_name")
COSTS = {"num_parameters": "parameters", "state_size": "state size"}
HORIZON, SHARE = "horizon", "solved share"
Row = tuple[dict[str, object], pd.Series]
"""The quality of a setting, and the keys of its trials, whose median cost it has."""
_WIDEST, _NARROWEST = 2.0, 0.7
"""Widths of the first interval and of the last, in points."""
_LARGEST, _SMALLEST = 7.5, 3.5
"""Sizes of the first mark and of the last, in points: those below show around those above them."""


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each setting and cost.

    Columns: ``task, ways, cell, clip, n, quality_name`` (`HORIZON` on ladders, else `SHARE`), ``quality, low, high``
    (with its 95 % interval), ``censored`` (``below`` or ``beyond`` the lags tried, which are drawn then), ``cost_name,
    cost`` (for frames in which costs differ), and ``on_front``: no other setting of the task, way and clip is as good
    at a lower cost.
    """
    ladders = on_ladders(study)
    rows = [(row, keys) for row, keys in shares(study) if row["task"] not in ladders]
    return against(study.trials, [*rows, *_horizons(study, ladders)], COSTS)


def against(trials: pd.DataFrame, rows: Sequence[Row], costs: Mapping[str, str]) -> pd.DataFrame:
    """Return rows of quality once for each cost, with their front.

    Args:
        trials: One row per trial, with its ``key`` and columns of costs.
        rows: The qualities.
        costs: The names of costs, by column.
    """
    measured = trials.reindex(columns=["key", *costs])
    rows_by_cost = []
    for row, keys in rows:
        trials_of = measured[measured["key"].isin(keys)]
        rows_by_cost += [row | {"cost_name": costs[name], "cost": _median(trials_of[name])} for name in costs]
    data = pd.DataFrame(rows_by_cost)
    if data.empty:
        return data
    data = data.dropna(subset="cost")
    data = data[data.groupby(list(PANELS))["cost"].transform("nunique") > 1]  # if all cost the same, there is no choice
    data = data.assign(on_front=False)
    for _, rows_of in data.groupby(list(PANELS), sort=False):
        data.loc[rows_of.index, "on_front"] = front(rows_of["cost"].tolist(), rows_of["quality"].tolist())
    return data.reset_index(drop=True)


def _median(costs: pd.Series) -> float:
    return float(pd.to_numeric(costs).astype(float).median())


def shares(study: StudyData) -> Iterator[Row]:
    """Yield the solved share of each setting."""
    for part in study_panels(study):
        for (cell, clip), subset in part.frame[part.frame["counted"]].groupby(["cell", "clip"], sort=False):
            solved, n = int(subset["solved"].sum()), len(subset)
            share = share_interval(solved, n)
            low, high = (share.low, share.high) if share else (np.nan, np.nan)
            names = {"task": part.task, "ways": part.ways_label, "cell": str(cell), "clip": str(clip), "n": n}
            yield names | _quality(SHARE, solved / n, low, high), subset["key"]


def _horizons(study: StudyData, ladders: Mapping[str, str]) -> Iterator[Row]:
    """Yield the horizon of each setting."""
    trials = outcomes(study)
    keys = trials.assign(ladder=trials["task"].map(ladders)).groupby(["ladder", "cell", "clip"])["key"]
    for row in horizons.numbers(study).to_dict("records") if ladders else ():
        names = {name: row[name] for name in ("task", "ways", "cell", "clip")} | {"n": row["seeds"]}
        drawn = (row["drawn_at"], row["drawn_low"], row["drawn_high"])
        subset = keys.get_group((row["task"], row["cell"], row["clip"]))
        yield names | _quality(HORIZON, *drawn, row["censored"]), subset


def _quality(name: str, value: float, low: float, high: float, censored: str = "") -> dict[str, object]:
    return {"quality_name": name, "quality": value, "low": low, "high": high, "censored": censored}


def front(costs: list[float], quality: list[float]) -> list[bool]:
    """Return for each point whether no other one is as good at a lower cost, or better at the same cost.

    >>> front([1, 2, 3, 3], [0.5, 0.5, 1.0, 0.7])
    [True, False, True, False]
    """
    points = list(zip(costs, quality, strict=True))
    return [
        not any((cost <= own and good >= value) and (cost, good) != (own, value) for cost, good in points)
        for own, value in points
    ]


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw quality against one cost, a mark for each cell and clip; a line joins those on the front.

    Args:
        frame: Rows of `numbers`, of one task and cost.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    best = frame[frame["on_front"]].sort_values("cost")
    ax.plot(
        best["cost"], best["quality"], drawstyle="steps-post", color=frames.GREY, linewidth=0.8, zorder=1,
        label="Pareto front",
    )  # fmt: skip
    lines = list(frames.lines_of(frame))
    widths = np.linspace(_WIDEST, _NARROWEST, len(lines))
    sizes = np.linspace(_LARGEST, _SMALLEST, len(lines))
    for line, width, size in zip(lines, widths, sizes, strict=True):
        ax.vlines(line.rows["cost"], line.rows["low"], line.rows["high"], color=line.color, linewidth=width, alpha=0.5)
        ax.plot(
            line.rows["cost"], line.rows["quality"], color=line.color, marker=line.marker, markersize=size,
            markerfacecolor="none", markeredgewidth=1.1, linestyle="none", label=line.label, clip_on=False,
        )  # fmt: skip
        for censored, caret in (("beyond", CARETUPBASE), ("below", CARETDOWNBASE)):
            rows = line.rows[line.rows["censored"] == censored]
            if len(rows):
                ax.plot(
                    rows["cost"], rows["quality"], color=line.color, marker=caret, markersize=4, linestyle="none",
                    clip_on=False,
                )  # fmt: skip
    ax.set_xscale("log")
    low, high = float(frame["cost"].min()), float(frame["cost"].max())
    ax.set_xlim(low / 1.3, high * 1.3)
    ax.xaxis.set_major_locator(FixedLocator(_round_ticks(low / 1.3, high * 1.3, frame["cost"].tolist())))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(frames.plain_number))
    ax.set_xlabel(f"{frame['cost_name'].iloc[0]}, log axis")
    if frame["quality_name"].iloc[0] == SHARE:
        frames.share_axis(ax, SHARE)
    else:
        _lag_axis(ax, frame)
    return ax


def _lag_axis(ax: Axes, frame: pd.DataFrame) -> None:
    """Make the vertical axis a logarithmic one of lags."""
    low, high = float(frame[["quality", "low"]].min().min()), float(frame[["quality", "high"]].max().max())
    ax.set_yscale("log")
    ax.set_ylim(low / 1.25, high * 1.25)
    frames.decade_ticks(ax, _round_ticks(low / 1.25, high * 1.25, [low, high]))
    ax.set_ylabel("horizon (time steps)")


def _round_ticks(low: float, high: float, values: list[float]) -> list[float]:
    """Return at most four round numbers between two numbers, or some of the values where there are not two.

    >>> _round_ticks(1200, 5200, []), _round_ticks(12, 42, [16, 32, 16])
    ([2000.0, 5000.0], [16, 32])
    """
    every = [float(f"{digit}e{power}") for power in range(-6, 12) for digit in (1, 2, 5)]
    inside = [value for value in every if low <= value <= high]
    return frames.thinned(inside if len(inside) > 1 else sorted(set(values)), 3)


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    cells: list[Artist] = []
    for cell in frames.cells_of(frame):
        look = style.cell_look(cell)
        cells.append(
            Line2D([], [], color=look.color, marker=look.marker, markerfacecolor="none", markeredgewidth=1.1,
                   linestyle="none", label=look.label)
        )  # fmt: skip
    return [*cells, frames.reference("Pareto front")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    names = set(frame["quality_name"])
    which = {
        SHARE: "Solved share against cost, bars its exact 95 % interval",
        HORIZON: "Lag at which half of the seeds that learn at all still solve against cost, bars its 95 % bootstrap "
        "interval, carets horizons below or beyond the lags tried",
    }
    axes = "; ".join(text for name, text in which.items() if name in names)
    read = (
        f"{axes}; {frames.counts(frame)} seeds a setting. "
        "The line joins the settings that no other of the frame beats; "
        "overlapping intervals do not tell them apart. Of marks on top of each other the lower are larger."
    )
    state = " State size: numbers carried from step to step." if COSTS["state_size"] in set(frame["cost_name"]) else ""
    return read + state

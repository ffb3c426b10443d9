"""Draws the solved share against costs: the number of parameters, and the numbers carried from step to step."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from longlag.report.figures import style
from longlag.report.figures.support import frames
from longlag.report.outcomes import study_panels
from longlag.stats.intervals import share_interval
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "ways", "clip", "cost_name")
_COSTS = {"num_parameters": "parameters", "state_size": "state size"}
_SECONDS = "updates_per_second"


def numbers(study: StudyData, timings: bool = False) -> pd.DataFrame:
    """Return a row for each setting and cost.

    Columns: ``task, ways, cell, clip, n, solved_count, solved_fraction, solved_low, solved_high`` (exact 95 %
    interval), ``cost_name, cost`` (for frames in which costs differ), and ``on_front``: no other setting of the task,
    way and clip solves as often at a lower cost.

    Args:
        study: The study.
        timings: Whether the milliseconds of an update are a cost, too. They are the median over trials, which were
            trained in cohorts; they hold for one machine and differ from run to run.
    """
    costs = dict(_COSTS) | ({_SECONDS: "update (ms)"} if timings else {})
    measured = study.trials.reindex(columns=["key", *costs])
    rows = []
    for part in study_panels(study):
        for (cell, clip), of in part.frame[part.frame["counted"]].groupby(["cell", "clip"], sort=False):
            trials = measured[measured["key"].isin(of["key"])]
            rows += [
                _row(part.task, part.ways_label, str(cell), str(clip), of) | cost for cost in _costs(trials, costs)
            ]
    data = pd.DataFrame(rows)
    if data.empty:
        return data
    data = data.dropna(subset="cost")
    data = data[data.groupby(list(PANELS))["cost"].transform("nunique") > 1]  # if all cost the same, there is no choice
    data = data.assign(on_front=False)
    for _, of in data.groupby(list(PANELS), sort=False):
        data.loc[of.index, "on_front"] = front(of["cost"].tolist(), of["solved_fraction"].tolist())
    return data.reset_index(drop=True)


def _costs(trials: pd.DataFrame, costs: dict[str, str]) -> list[dict[str, object]]:
    values = {name: pd.to_numeric(trials[name]).astype(float) for name in costs}
    if _SECONDS in values:
        values[_SECONDS] = 1000 / values[_SECONDS]
    return [{"cost_name": costs[name], "cost": of.median()} for name, of in values.items()]


def _row(task: str, ways: str, cell: str, clip: str, rows: pd.DataFrame) -> dict[str, object]:
    solved, n = int(rows["solved"].sum()), len(rows)
    share = share_interval(solved, n)
    return {
        "task": task,
        "ways": ways,
        "cell": cell,
        "clip": clip,
        "n": n,
        "solved_count": solved,
        "solved_fraction": solved / n,
        "solved_low": share.low if share else np.nan,
        "solved_high": share.high if share else np.nan,
    }


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
    """Draw the solved share against one cost, a mark for each cell and clip; a line joins those on the front.

    Args:
        frame: Rows of `numbers`, of one task and cost.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    best = frame[frame["on_front"]].sort_values("cost")
    ax.plot(
        best["cost"], best["solved_fraction"], drawstyle="steps-post", color=frames.GREY, linewidth=0.8, zorder=1,
        label="Pareto front",
    )  # fmt: skip
    for line in frames.lines_of(frame):
        ax.vlines(
            line.rows["cost"], line.rows["solved_low"], line.rows["solved_high"], color=line.color, linewidth=0.7,
            alpha=0.5,
        )  # fmt: skip
        ax.plot(
            line.rows["cost"], line.rows["solved_fraction"], color=line.color, marker=line.marker, linestyle="none",
            label=line.label, clip_on=False,
        )  # fmt: skip
    ax.set_xscale("log")
    low, high = float(frame["cost"].min()), float(frame["cost"].max())
    ax.set_xlim(low / 1.3, high * 1.3)
    ax.xaxis.set_major_locator(FixedLocator(_round_ticks(low / 1.3, high * 1.3)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(frames.plain_number))
    ax.set_xlabel(f"{frame['cost_name'].iloc[0]}, log axis")
    frames.share_axis(ax, "solved share")
    return ax


def _round_ticks(low: float, high: float) -> list[float]:
    """Return at most four round numbers between two numbers.

    >>> _round_ticks(1200, 5200), _round_ticks(20, 90)
    ([2000.0, 5000.0], [20.0, 50.0])
    """
    every = [float(f"{digit}e{power}") for power in range(-6, 12) for digit in (1, 2, 5)]
    inside = [value for value in every if low <= value <= high]
    if len(inside) < 2:
        inside = [float(f"{low * (high / low) ** 0.1:.1g}"), float(f"{high / (high / low) ** 0.1:.1g}")]
    return frames.thinned(sorted(set(inside)), 3)


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    cells: list[Artist] = []
    for cell in frames.cells_of(frame):
        look = style.cell_look(cell)
        cells.append(Line2D([], [], color=look.color, marker=look.marker, linestyle="none", label=look.label))
    return [*cells, frames.reference("Pareto front")]


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Solved share against cost, {frames.counts(frame)} seeds a setting, bars its exact 95 % interval. The line "
        "joins the settings that no other of the frame beats; overlapping intervals do not tell them apart. State "
        "size: numbers carried from step to step."
    )

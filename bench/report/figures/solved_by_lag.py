"""Draws the solved share against the lag, with exact intervals: the data to which horizons are fitted."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from longlag.report.figures.support import frames
from longlag.report.figures.support.ladders import rungs
from longlag.stats.intervals import share_interval
from longlag.store.results import StudyData

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("task", "clip")


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each rung and setting of every ladder of a study.

    Columns: ``task, ways, cell, clip, lag, n, solved_count, solved_fraction, solved_low, solved_high`` (exact 95 %
    interval), ``budget`` (updates).
    """
    return of_rungs(rungs(study))


def of_rungs(ladder: pd.DataFrame) -> pd.DataFrame:
    """Return the same columns for rungs that `longlag.experiments.horizon.run` has returned."""
    ladder = ladder[ladder["n"] > 0]
    intervals = [share_interval(int(row["solved"]), int(row["n"])) for row in ladder.to_dict("records")]
    return pd.DataFrame(
        {
            "task": ladder["task"],
            "ways": "",
            "cell": ladder["cell"],
            "clip": ladder["clip"],
            "lag": ladder["lag"],
            "n": ladder["n"].astype(int),
            "solved_count": ladder["solved"].astype(int),
            "solved_fraction": ladder["solved"] / ladder["n"],
            "solved_low": [interval.low if interval else None for interval in intervals],
            "solved_high": [interval.high if interval else None for interval in intervals],
            "budget": ladder["budget_updates"],
        }
    ).sort_values(["task", "cell", "clip", "lag"], kind="stable", ignore_index=True)


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the solved share with exact 95 % intervals against the lag, a line for each cell and clip.

    Args:
        frame: Rows of `numbers`, of one task.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    for line in frames.lines_of(frame):
        rows = line.rows.sort_values("lag")
        ax.vlines(rows["lag"], rows["solved_low"], rows["solved_high"], color=line.color, linewidth=0.7, alpha=0.5)
        ax.plot(
            rows["lag"], rows["solved_fraction"], color=line.color, linestyle=line.dashes, marker=line.marker,
            label=line.label, clip_on=False,
        )  # fmt: skip
    frames.doubling_axis(ax, "lag (time steps, log axis)", frame["lag"].tolist())
    frames.share_axis(ax, "solved share")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    return frames.line_handles(frame)


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    low, high = int(frame["budget"].min()), int(frame["budget"].max())
    within = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"Solved share against the lag (the smallest window with which the task can be solved) within {within} "
        f"updates, {frames.counts(frame)} seeds a rung; bars: exact 95 % interval."
    )

"""Performance profiles over tasks, and interquartile means (Agarwal et al. 2021, sections 4.2 and 4.3)."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from scipy import stats

from longlag.report.figures.support import frames
from longlag.report.outcomes import outcomes
from longlag.store.results import StudyData
from longlag.values.seeding import stream

__all__ = ["PANELS", "draw", "handles", "how_to_read", "numbers"]
PANELS = ("clip",)
RESAMPLES = 1000
_THRESHOLDS = np.linspace(0, 1, 41)


def numbers(study: StudyData) -> pd.DataFrame:
    """Return a row for each cell, clip and threshold: the share of runs with a score above it, over all tasks.

    A run's score is 1 - error / floor, limited to 0 to 1; diverged and exploded runs have 0. All tasks have the same
    weight; tasks on which not every cell of the clip was trained are left out. Intervals are from a bootstrap that is
    stratified by task.

    Columns: ``task`` (how many, in words), ``ways, cell, clip, tasks, n`` (runs), ``score, share, low, high, iqm,
    iqm_low, iqm_high``. A study of one task, or with several ways of training, has no rows.
    """
    frame = outcomes(study)
    frame = frame[frame["counted"]]
    ways = [name for name in ("optimizer", "hidden_size", "layers", "skip", "direction") if frame[name].nunique() > 1]
    profiles = []
    for clip, of_clip in frame.groupby("clip", sort=False) if not ways else ():
        cells = frames.cells_of(of_clip)
        on = of_clip.groupby("task")["cell"].nunique()
        tasks = [task for task in of_clip["task"].unique() if on[task] == len(cells)]
        if len(tasks) > 1:
            profiles += [_profile(of_clip, str(clip), cell, tasks) for cell in cells]
    return pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame()


def _profile(frame: pd.DataFrame, clip: str, cell: str, tasks: list[str]) -> pd.DataFrame:
    rows = frame[(frame["cell"] == cell) & frame["task"].isin(tasks)]
    score = (1 - rows["charged_error"] / rows["baseline_error"]).clip(0, 1)
    scores = [score[rows["task"] == task].to_numpy(dtype=float)[None] for task in tasks]
    drawn = _resampled(scores, clip, cell)
    low, high = np.quantile(_shares(drawn), [0.025, 0.975], axis=0)
    iqm_low, iqm_high = np.quantile(interquartile_means(drawn), [0.025, 0.975])
    return pd.DataFrame(
        {
            "task": f"{len(tasks)} tasks",
            "ways": "",
            "cell": cell,
            "clip": clip,
            "tasks": len(tasks),
            "n": len(rows),
            "score": _THRESHOLDS,
            "share": _shares(scores)[0],
            "low": low,
            "high": high,
            "iqm": interquartile_means(scores)[0],
            "iqm_low": iqm_low,
            "iqm_high": iqm_high,
        }
    )


def _resampled(scores: list[np.ndarray], clip: str, cell: str) -> list[np.ndarray]:
    """Resample the runs of each task `RESAMPLES` times; return (resamples, runs) for each task."""
    generator = stream("bootstrap", "profiles", clip, cell).generator()
    return [of_task[0][generator.integers(0, of_task.size, (RESAMPLES, of_task.size))] for of_task in scores]


def _shares(scores: list[np.ndarray]) -> np.ndarray:
    """Return the share of runs above each threshold, averaged over tasks: (samples, thresholds).

    Args:
        scores: The scores of each task, (samples, runs).
    """
    shares: np.ndarray = np.mean([(of_task[:, :, None] > _THRESHOLDS).mean(axis=1) for of_task in scores], axis=0)
    return shares


def interquartile_means(scores: list[np.ndarray]) -> np.ndarray:
    """Return the mean of the middle half of all runs (Agarwal et al. 2021, section 4.3), (samples,).

    Args:
        scores: The scores of each task, (samples, runs).

    >>> interquartile_means([np.array([[0.0, 1.0]]), np.array([[0.5, 0.7]])])
    array([0.6])
    """
    means: np.ndarray = stats.trim_mean(np.concatenate(scores, axis=1), 0.25, axis=1)
    return means


def draw(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of runs above each score with 95 % bands, a line for each cell and clip.

    Args:
        frame: Rows of `numbers`.
        ax: Where to draw; by default on a figure of its own.
    """
    ax = frames.axes_of(ax)
    for place, line in enumerate(frames.lines_of(frame)):
        rows = line.rows
        ax.fill_between(rows["score"], rows["low"], rows["high"], color=line.color, alpha=0.12, linewidth=0)
        ax.plot(
            rows["score"], rows["share"], color=line.color, linestyle=line.dashes, marker=line.marker,
            markevery=(place % 10, 10), label=line.label,
        )  # fmt: skip
    ax.set_xlim(-0.02, 1.02)
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_xlabel("score (1 - error / floor)")
    frames.share_axis(ax, "runs above it (share)")
    return ax


def handles(frame: pd.DataFrame) -> list[Artist]:
    """Return the legend of frames of one figure."""
    return frames.line_handles(frame)


def how_to_read(frame: pd.DataFrame) -> str:
    """Say how to read the figure."""
    return (
        f"Performance profiles over {frame['task'].iloc[0]}: share of runs whose score lies above a threshold, "
        f"{frames.counts(frame)} runs a setting, tasks weighing alike; bands: 95 % interval of a bootstrap stratified "
        "by task. Interquartile means are in the numbers beside the figure (Agarwal et al. 2021)."
    )

"""Writes clauses on depth with and without skip connections, and on direction, for a task's sentence."""

import pandas as pd

from longlag.report.figures import style
from longlag.values.wiring import DIRECTIONS, NO_DECODER, SKIPS


def what_wiring_does(frame: pd.DataFrame) -> list[str]:
    """Return clauses that count solved trials, over all cells, clips and learning rates together.

    Args:
        frame: A task's rows of `outcomes`.
    """
    frame = frame[frame["counted"]]
    return [*_by_skip(frame), *_by_direction(frame)]


def _by_skip(frame: pd.DataFrame) -> list[str]:
    """Compare skip connections at the largest depth with several kinds, and with one layer if that was trained."""
    frame = frame[frame["decoder_cell"] == NO_DECODER]  # one layer of an encoder may go with a deep decoder
    deep = frame[frame["layers"] > 1]
    kinds = deep.groupby("layers")["skip"].nunique()
    if kinds.max() < 2 or deep.empty:
        return []
    layers = int(kinds[kinds > 1].index.max())
    rows = deep[deep["layers"] == layers]
    counts = [
        f"{style.skip_look(skip).label} {_count(rows[rows['skip'] == skip])}"
        for skip in SKIPS
        if (rows["skip"] == skip).any()
    ]
    flat = frame[frame["layers"] == 1]
    beside = f" (one layer {_count(flat)})" if len(flat) else ""
    return [f"at {layers} layers {', '.join(counts)} solve{beside}"]


def _by_direction(frame: pd.DataFrame) -> list[str]:
    """Compare directions over the cells that were trained in both."""
    rows = frame[frame.groupby("cell")["direction"].transform("nunique") > 1]
    if rows.empty:
        return []
    return [", ".join(f"{name} {_count(rows[rows['direction'] == name])}" for name in DIRECTIONS) + " solve"]


def _count(rows: pd.DataFrame) -> str:
    return f"{int(rows['solved'].sum())}/{len(rows)}"

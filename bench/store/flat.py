"""Results of lenses as flat frames: a row for each row of their tables."""

import json
from typing import Any

import pandas as pd

from longlag.values.frames import PHASES

_ABOUT = ["key", "phase", "update"]


def lens_numbers(frames: pd.DataFrame, lens: str) -> pd.DataFrame:
    """Return a lens's numbers, one row per frame, sorted by key and then by phase.

    Args:
        frames: `StudyData.lenses`.
        lens: The lens's name.
    """
    rows = _of(frames, lens)
    numbers = pd.DataFrame([json.loads(text) for text in rows["numbers"]], index=rows.index)
    return pd.concat([rows[_ABOUT], numbers], axis="columns")


def lens_tables(frames: pd.DataFrame, lens: str, part: str | None = None) -> pd.DataFrame:
    """Return a lens's tables, one row for each row of each part of each frame.

    Args:
        frames: `StudyData.lenses`.
        lens: The lens's name.
        part: Return this part only; None for all parts.
    """
    rows = _of(frames, lens)
    tables = [
        (about, name, columns)
        for about, text in zip(rows[_ABOUT].itertuples(index=False), rows["parts"], strict=True)
        for name, columns in json.loads(text).items()
        if part in (None, name)
    ]
    named = list(dict.fromkeys(column for *_, columns in tables for column in columns))
    values: dict[str, list[Any]] = {name: [] for name in [*_ABOUT, "part", *named]}
    for about, name, columns in tables:
        length = len(next(iter(columns.values())))
        for column, value in zip((*_ABOUT, "part"), (*about, name), strict=True):
            values[column] += [value] * length
        for column in named:
            values[column] += columns.get(column) or [None] * length
    return pd.DataFrame(values)


def flat_frames(frames: pd.DataFrame, lens: str) -> pd.DataFrame:
    """Return tables and numbers side by side; a frame without a table has one row.

    A number with the name of a table's column gets the suffix ``_of_all``.
    """
    numbers, tables = lens_numbers(frames, lens), lens_tables(frames, lens)
    clash = [name for name in numbers if name in tables and name not in _ABOUT]
    renamed = numbers.rename(columns={name: f"{name}_of_all" for name in clash})
    return renamed.merge(tables, on=_ABOUT, how="left")


def _of(frames: pd.DataFrame, lens: str) -> pd.DataFrame:
    rows = frames[frames["lens"] == lens]
    order = rows["phase"].map({phase: place for place, phase in enumerate(PHASES)})
    return rows.assign(order=order).sort_values(["key", "order"], kind="stable").reset_index(drop=True)

"""Counts, names and lists in sentences."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import pandas as pd

from longlag.report.figures import style
from longlag.report.outcomes import Panel

MANY = 3
"""With more ways of training than this (as in a sweep of rates), a cell's trials are counted over all ways together."""


class Count(NamedTuple):
    """A number of trials out of all results: ``7/8``."""

    hits: int
    n: int

    def __str__(self) -> str:
        return f"{self.hits}/{self.n}"


def name_of(part: Panel, cell: str) -> str:
    """Return a cell's label, with the way in which the panel's trials were trained if there are several ways."""
    return f"{style.cell_label(cell)} ({part.ways_label})" if part.ways else style.cell_label(cell)


def listed(entries: list[tuple[str, Count]]) -> str:
    """List names with their counts; neighbours with the same count share it."""
    texts = []
    for count, group in groupby(entries, key=lambda entry: entry[1]):
        names = [name for name, _ in group]
        texts.append(f"{joined(names)} ({count}{' each' if len(names) > 1 else ''})")
    return joined(texts)


def joined(words: Iterable[str]) -> str:
    """Join words as English does.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def start_of(rows: pd.DataFrame) -> str:
    """Write a cell's default initialisation, such as ``forget bias 1``.

    Args:
        rows: Rows of one cell, with its options in columns ``cell.<option>``.

    Returns:
        The text; empty if the cell's label names another initialisation, or if it has no such option.
    """
    first = rows.iloc[0]
    columns = [str(name) for name in rows.columns if str(name).startswith("cell.") and pd.notna(first[name])]
    options = {name.removeprefix("cell."): first[name] for name in columns}
    init = options.get("init", "default")
    if "init=" in first["cell"] or "_bias=" in first["cell"]:
        return ""
    if init != "default":
        return f"{init} start"
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in options.items() if name.endswith("_bias"))

"""Rows of numbers, copied and added one by one: assigning whole arrays compiles checks of their shape, for seconds."""

from typing import Any

from longlag.scans.engine.compiler import separate


@separate
def copy_row(row: Any, into: Any) -> None:
    """Write a row over another one of the same length."""
    for place in range(into.size):
        into[place] = row[place]


@separate
def add_row(row: Any, into: Any) -> None:
    """Add a row to another one of the same length."""
    for place in range(into.size):
        into[place] += row[place]


@separate
def fill_row(value: Any, into: Any) -> None:
    """Write one number everywhere."""
    for place in range(into.size):
        into[place] = value

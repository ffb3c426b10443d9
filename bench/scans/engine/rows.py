"""Copies and adds rows number by number: compiling assignments of whole arrays, with shape checks, takes seconds."""

from typing import Any

from longlag.scans.engine.compiler import separate


@separate
def copy_row(row: Any, into: Any) -> None:
    """Copy a row into another one of the same length."""
    for place in range(into.size):
        into[place] = row[place]


@separate
def add_row(row: Any, into: Any) -> None:
    """Add a row to another one of the same length."""
    for place in range(into.size):
        into[place] += row[place]


@separate
def fill_row(value: Any, into: Any) -> None:
    """Set every number of a row."""
    for place in range(into.size):
        into[place] = value

"""A table as a page shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        columns: The names of the columns.
        words: The names of columns that hold words, not numbers.
        rows: The texts of each row.
        left_out: How many rows are not in the table.
    """

    columns: list[str]
    words: frozenset[str]
    rows: list[list[str]]
    left_out: int


_SHORT = {"lr": "rate"}


def heading(column: str) -> str:
    """Return the heading of a column.

    >>> heading("lr"), heading("forget_carried")
    ('rate', 'forget carried')
    """
    return _SHORT.get(column, column.replace("_", " "))

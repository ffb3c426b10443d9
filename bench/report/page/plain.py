"""Converts values of data frames to values that JSON can hold."""

from typing import Any

import numpy as np
import pandas as pd


def plain_column(column: pd.Series) -> list[Any]:
    """Return the values of a column."""
    return [plain(value) for value in column.tolist()]


def plain(value: Any) -> Any:
    """Return a value that JSON can hold; a missing or infinite number is None.

    >>> plain(np.float64(3.0)), plain(float("inf")), plain(0.5)
    (3, None, 0.5)
    """
    if value is None or pd.isna(value) or (isinstance(value, float) and not np.isfinite(value)):
        return None
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def rounded(value: float | None) -> float | int | None:
    """Return a number rounded to four significant digits, more than a chart can show."""
    return plain(float(f"{value:.4g}")) if value is not None and np.isfinite(value) else None

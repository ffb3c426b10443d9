"""Sums over a row in float64, always in the same order: block by block, in the order of `longlag.scans.engine.dots`.

The square of a float32 is exact in float64 and cannot overflow. A row of float64 is first divided by its largest entry,
so that its norm, too, is non-finite only if an entry is.
"""

from math import sqrt
from typing import Any

import numpy as np

from longlag.passes.compiler import separate
from longlag.scans.engine.dots import dot

BLOCK = 1024
"""Numbers of a block: two pages of memory in float64, which fit the processor's nearest cache."""


@separate
def widen(row: Any, scale: float, into: Any) -> None:
    """Write a block, divided by a scale, as float64; for float32 the scale is 1, and the division is skipped."""
    if row.itemsize == into.itemsize:
        for place in range(row.size):
            into[place] = row[place] / scale
    else:
        for place in range(row.size):
            into[place] = row[place]


@separate
def largest(row: Any) -> float:
    """Return the largest absolute entry of a row; 1 if that is 0 or not finite."""
    most = 0.0
    for place in range(row.size):
        most = max(most, abs(float(row[place])))
    return most if 0.0 < most < np.inf else 1.0


@separate
def scale_of(row: Any) -> float:
    """Return the scale by which a row is divided before its entries are squared: 1 for float32."""
    return largest(row) if row.itemsize == 8 else 1.0


@separate
def norm(row: Any) -> Any:
    """Return the Euclidean norm of a row."""
    scale, total, wide = scale_of(row), 0.0, np.empty(BLOCK, np.float64)
    for start in range(0, row.size, BLOCK):
        block = row[start : start + BLOCK]
        widen(block, scale, wide[: block.size])
        total += dot(wide[: block.size], wide[: block.size])
    return sqrt(total) * scale

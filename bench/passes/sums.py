"""Sums over a row in float64, always in the same order: block after block, each as `longlag.scans.engine.dots` adds.

The square of a float32 is exact in float64 and cannot overflow there. A row of float64 is divided by its largest
entry first, so that its norm, too, is non-finite only where an entry is.
"""

from math import sqrt
from typing import Any

import numpy as np

from longlag.passes.compiler import separate
from longlag.scans.engine.dots import dot

BLOCK = 1024
"""Numbers of a block, in float64 two pages of memory, which stay in the processor's nearest cache."""


@separate
def widen(row: Any, scale: float, into: Any) -> None:
    """Write a block divided by a scale in float64; a scale of 1 changes nothing and costs nothing in float32."""
    if row.itemsize == into.itemsize:
        for place in range(row.size):
            into[place] = row[place] / scale
    else:
        for place in range(row.size):
            into[place] = row[place]


@separate
def largest(row: Any) -> float:
    """Return the largest absolute entry of a row; 1 where that is 0 or not finite."""
    found = 0.0
    for place in range(row.size):
        found = max(found, abs(float(row[place])))
    return found if 0.0 < found < np.inf else 1.0


@separate
def scale_of(row: Any) -> float:
    """Return what a row is divided by before its entries are squared: 1 for float32."""
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

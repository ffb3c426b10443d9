"""Clipping a trial's row of gradients g, and what the ledger notes of it, in one pass over the row.

    before    |g| = sqrt(sum g_i²)
    keep      g'_i = g_i
    shorten   g'_i = g_i c / |g|   if |g| > c, else g_i
    bound     g'_i = min(max(g_i, -c), c)
    after     |g'|,   cos(g, g') = sum g_i g'_i / (|g| |g'|),   and whether any number changed

The pass sees one trial's row and nothing else. The clipped gradient is left there, where the optimiser reads it.
"""

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from longlag.clips.base import Clip, Together
from longlag.clips.none import NoClip
from longlag.clips.norm import ClipNorm
from longlag.clips.omega import Omega
from longlag.clips.state import ClipState
from longlag.clips.value import ClipValue
from longlag.passes.compiler import compiled, separate
from longlag.passes.noted import AFTER, BEFORE, CHANGED, COSINE
from longlag.passes.sums import BLOCK, norm, scale_of, widen
from longlag.scans.engine.dots import dot

KEEP, SHORTEN, BOUND = range(3)


class ClipPass(NamedTuple):
    """A clipping setting as the pass knows it: what it does, and its threshold c."""

    kind: int
    threshold: float


def pass_of(clip: Clip) -> ClipPass | None:
    """Return a setting as a pass; None for those that look at more than the row and its norm, and for plugins."""
    if isinstance(clip, Together):
        at_work = [part for part in clip.parts if not part.in_backward]
        return ClipPass(KEEP, np.inf) if not at_work else pass_of(at_work[0]) if len(at_work) == 1 else None
    if type(clip) in (NoClip, ClipState, Omega):  # the latter two are done when the backward pass has ended
        return ClipPass(KEEP, np.inf)
    if type(clip) is ClipNorm and clip.type == "2":
        return ClipPass(SHORTEN, clip.max_norm)
    return ClipPass(BOUND, clip.clip_value) if type(clip) is ClipValue else None


@compiled
def clip_row(kind: int, threshold: float, row: Any, noted: Any) -> None:
    """Clip a row in place, and note what was done.

    Args:
        kind: Of the pass.
        threshold: c.
        row: (P,), clipped in place.
        noted: (4,) float64, written: see `longlag.passes.noted`. The cosine is NaN where a row has no direction.
    """
    before = norm(row)
    acts = kind == BOUND or (kind == SHORTEN and before > threshold)
    after, cosine, changed = _clip(row, kind, threshold, before) if acts else (before, before / before, 0.0)
    noted[BEFORE], noted[AFTER], noted[CHANGED] = before, after, changed
    noted[COSINE] = min(max(cosine, -1.0), 1.0) if cosine == cosine else cosine


@separate
def _clip(row: Any, kind: int, threshold: float, before: float) -> tuple[float, float, float]:
    """Clip a row in place; return the norm after, the cosine, and whether anything changed."""
    old, new, differs = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64), np.empty(BLOCK, row.dtype)
    factor, limit = threshold / before, row.dtype.type(threshold)
    scale = then = scale_of(row)
    if row.itemsize == old.itemsize:  # float64 is divided by its largest entry: now, and as it will be
        then = scale * factor if kind == SHORTEN else min(scale, threshold)
    squares, products, changed = 0.0, 0.0, 0.0
    for start in range(0, row.size, BLOCK):
        block = row[start : start + BLOCK]
        was, now, differ = old[: block.size], new[: block.size], differs[: block.size]
        widen(block, scale, was)
        if kind == SHORTEN:
            _shorten(block, factor, differ)
        else:
            _bound(block, limit, differ)
        widen(block, then, now)
        squares += dot(now, now)
        products += dot(was, now)
        changed += dot(differ, differ)
    after = sqrt(squares) * then
    return after, products / (before / scale) / (after / then), 1.0 if changed > 0 else 0.0


@separate
def _shorten(block: Any, factor: float, differs: Any) -> None:
    """Multiply by a factor, in float64: it may be below what float32 holds. Write 1 where a number changed, else 0."""
    one, zero = block.dtype.type(1), block.dtype.type(0)
    for place in range(block.size):
        old = block[place]
        new = block.dtype.type(float(old) * factor)
        block[place] = new
        differs[place] = zero if new == old or old != old else one


@separate
def _bound(block: Any, limit: Any, differs: Any) -> None:
    """Hold every number to [-limit, limit]; NaN stays. Write 1 where a number changed, else 0."""
    one, zero = block.dtype.type(1), block.dtype.type(0)
    for place in range(block.size):
        old = block[place]
        new = limit if old > limit else old
        new = -limit if new < -limit else new
        block[place] = new
        differs[place] = zero if new == old or old != old else one

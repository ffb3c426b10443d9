"""Clips a trial's row of gradients g, and computes what the ledger notes of it, in one pass over the row.

    before    |g| = sqrt(sum g_i²)
    keep      g'_i = g_i
    shorten   g'_i = g_i c / |g|   if |g| > c, else g_i
    bound     g'_i = min(max(g_i, -c), c)
    after     |g'|,   cos(g, g') = sum g_i g'_i / (|g| |g'|),   and whether any number changed

The pass reads one trial's row and nothing else. It writes the clipped gradient over the row, where the optimiser reads
it.
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
    """A clipping setting as a pass: the kind of clipping (keep, shorten or bound), and the threshold c."""

    kind: int
    threshold: float


def pass_of(clip: Clip) -> ClipPass | None:
    """Return a clip's pass; None for plugins, and for clips that look at more than the row and its norm."""
    if isinstance(clip, Together):
        at_work = [part for part in clip.parts if not part.in_backward]
        return ClipPass(KEEP, np.inf) if not at_work else pass_of(at_work[0]) if len(at_work) == 1 else None
    if type(clip) in (NoClip, ClipState, Omega):  # the latter two have acted when the backward pass has ended
        return ClipPass(KEEP, np.inf)
    if type(clip) is ClipNorm and clip.type == "2":
        return ClipPass(SHORTEN, clip.max_norm)
    return ClipPass(BOUND, clip.clip_value) if type(clip) is ClipValue else None


@compiled
def clip_row(kind: int, threshold: float, row: Any, noted: Any) -> None:
    """Clip a row in place, and note its norms and what was changed.

    Args:
        kind: The kind of the pass.
        threshold: c.
        row: (P,), gradients, clipped in place.
        noted: (4,) float64, written, with the columns of `longlag.passes.noted`. The cosine is NaN if the gradient has
            no direction before or after clipping.
    """
    before = norm(row)
    acts = kind == BOUND or (kind == SHORTEN and before > threshold)
    after, cosine, changed = _clip(row, kind, threshold, before) if acts else (before, before / before, 0.0)
    noted[BEFORE], noted[AFTER], noted[CHANGED] = before, after, changed
    noted[COSINE] = min(max(cosine, -1.0), 1.0) if cosine == cosine else cosine


@separate
def _clip(row: Any, kind: int, threshold: float, before: float) -> tuple[float, float, float]:
    """Clip a row in place; return its norm after clipping, the cosine, and 1 if a number changed, else 0."""
    old, new, differs = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64), np.empty(BLOCK, row.dtype)
    factor, limit = threshold / before, row.dtype.type(threshold)
    scale = then = scale_of(row)
    if row.itemsize == old.itemsize:  # float64 is divided by its largest entry, before and after clipping
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
    """Multiply a block by a factor in float64, as the factor may be too small for float32.

    Args:
        block: Gradients, changed in place.
        factor: The factor.
        differs: Written with 1 where a number changed, else 0.
    """
    one, zero = block.dtype.type(1), block.dtype.type(0)
    for place in range(block.size):
        old = block[place]
        new = block.dtype.type(float(old) * factor)
        block[place] = new
        differs[place] = zero if new == old or old != old else one


@separate
def _bound(block: Any, limit: Any, differs: Any) -> None:
    """Clip every number of a block to [-limit, limit]; NaN stays NaN.

    Args:
        block: Gradients, changed in place.
        limit: The limit.
        differs: Written with 1 where a number changed, else 0.
    """
    one, zero = block.dtype.type(1), block.dtype.type(0)
    for place in range(block.size):
        old = block[place]
        new = limit if old > limit else old
        new = -limit if new < -limit else new
        block[place] = new
        differs[place] = zero if new == old or old != old else one

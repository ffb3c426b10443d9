"""Norms by step turned into norms by lag, and their summaries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longlag.lens.support.signals import Norms
from longlag.values.frames import Part, rounded

Array = np.ndarray

KEPT = 256
"""All lags up to this one are kept; beyond it only some, about 2 % apart."""
_APART = 1.02


@dataclass(frozen=True)
class ByLag:
    """Numbers by lag and sequence.

    Attributes:
        lags: (K,), ascending without a gap; negative ones lie after the answer.
        values: (K, B); NaN where a sequence has no such lag.
    """

    lags: Array
    values: Array

    @property
    def common(self) -> "ByLag":
        """The lags that at least half of the sequences have; empty if there are no sequences."""
        held = np.isfinite(self.values).sum(1) * 2 >= max(self.values.shape[1], 1)
        return ByLag(self.lags[held], self.values[held])


def by_lag(last: Array, ends: Array, norms: Array) -> ByLag:
    """Turn norms by step into norms by lag.

    >>> norms = by_lag(np.array([2, 1]), np.array([3, 2]), np.array([[4.0, 5.0], [2.0, 1.0], [1.0, 0.0]]))
    >>> norms.lags.tolist(), norms.values.tolist()
    ([0, 1, 2], [[1.0, 1.0], [2.0, 5.0], [4.0, nan]])

    Args:
        last: (B,), the step from which lags count; sequences with -1 are left out.
        ends: (B,), the time steps of each sequence.
        norms: (T, B), the norms by step.
    """
    scored = last >= 0
    last, ends, norms = last[scored], ends[scored], norms[:, scored]
    if not len(last):
        return ByLag(np.zeros(0, dtype=np.int64), np.zeros((0, 0)))
    lags = np.arange(-int((ends - 1 - last).max()), int(last.max()) + 1)
    steps = last[None, :] - lags[:, None]
    inside = (steps >= 0) & (steps < ends[None, :])
    values = np.take_along_axis(norms, np.clip(steps, 0, len(norms) - 1), 0)
    return ByLag(lags, np.where(inside, values, np.nan))


def joined(pieces: Sequence[tuple[Norms, str]]) -> ByLag:
    """Join the norms of several pieces along the sequences.

    Args:
        pieces: The norms of each piece, with the name of the part to take.
    """
    by_piece = [by_lag(norms.last.numpy(), norms.ends.numpy(), norms.parts[part].numpy()) for norms, part in pieces]
    low, high = (
        min(int(one.lags.min(initial=0)) for one in by_piece),
        max(int(one.lags.max(initial=0)) for one in by_piece),
    )
    whole = np.full((high - low + 1, sum(one.values.shape[1] for one in by_piece)), np.nan)
    column = 0
    for one in by_piece:
        width = one.values.shape[1]
        if width:
            start = int(one.lags[0]) - low
            whole[start : start + len(one.lags), column : column + width] = one.values
        column += width
    return ByLag(np.arange(low, high + 1), whole)


def relative(norms: ByLag, base: Array) -> ByLag:
    """Divide each sequence's norms by its base, (B,); sequences whose base is zero or not finite are left out."""
    kept = np.isfinite(base) & (base > 0)
    return ByLag(norms.lags, norms.values[:, kept] / base[kept])


def largest(norms: ByLag) -> Array:
    """Return each sequence's largest norm, (B,)."""
    peaks: Array = np.nanmax(norms.values, axis=0, initial=0.0)
    return peaks


def at_zero(norms: ByLag) -> Array:
    """Return each sequence's norm at lag 0, (B,)."""
    zero: Array = norms.values[norms.lags == 0].sum(0)
    return zero


def quantiles(norms: ByLag) -> Part:
    """Return the median and the 10 and 90 % quantiles over sequences at each lag, and the number of exact zeros.

    Columns: ``lag, n, low, median, high, zeros``.
    """
    held = norms.common
    kept = thinned(held.lags)
    lags, values = held.lags[kept], held.values[kept]
    low, median, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=1) if len(lags) else np.zeros((3, 0))
    columns = {"low": low, "median": median, "high": high}
    return (
        {"lag": lags.tolist(), "n": np.isfinite(values).sum(1).tolist()}
        | {name: [rounded(value) for value in column.tolist()] for name, column in columns.items()}
        | {"zeros": (values == 0).sum(1).tolist()}
    )


def thinned(lags: Array) -> Array:
    """Return the indices of the lags that are kept: all up to `KEPT`, fewer beyond it, and the last."""
    kept, following = [], float(KEPT)
    for place, lag in enumerate(np.abs(lags).tolist()):
        if lag <= KEPT or lag >= following or place == len(lags) - 1:
            kept.append(place)
            following = max(following, lag) * _APART if lag > KEPT else following
    return np.array(kept, dtype=np.int64)

"""Norm clipping at a quantile of the trial's own gradient norms so far.

g <- g * c / |g|   if |g| > c, with c the p-quantile of |g_1| ... |g_t|, the current one included

Norms are counted in a histogram of fixed size, each bin 1.1 % wide, so that c is the upper edge of the bin in which
the quantile lies. Norms that are not finite are left out.
"""

from dataclasses import dataclass
from math import log10
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, scale_rows, threshold

BINS = 8192
DECADES = 40
"""The bins cover this many powers of ten, half of them below 1; norms outside are counted in the bins at the ends."""


@dataclass(frozen=True)
class ClipQuantile(Clip):
    """Norm clipping at the ``share``-quantile of the trial's past norms."""

    summary: ClassVar[str] = "gradient scaled to the p-quantile of the trial's norms so far where its norm is above it"
    reference: ClassVar[str] = "AutoClip: Seetharaman, Wichern, Pardo & Le Roux 2020, algorithm 1"
    largest: ClassVar[float] = 1.0
    memory: ClassVar[int] = BINS

    share: float = threshold("p, the quantile, at most 1")

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        finite = norms.isfinite()
        places = bin_of(torch.where(finite, norms, 1.0)).unsqueeze(1)
        counts = context.memory[:, :BINS]
        counts.scatter_add_(1, places, finite.to(counts.dtype).unsqueeze(1))

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        thresholds = self._thresholds(context.memory[:, :BINS])
        factors = torch.where(norms > thresholds, thresholds / norms, 1.0)
        scale_rows(gradients, factors)

    def _thresholds(self, counts: Tensor) -> Tensor:
        """Return the upper edge of the first bin up to which at least this share of the norms lies, (R,)."""
        reached = counts.cumsum(1) >= self.share * counts.sum(1, keepdim=True)
        return upper_edge(reached.int().argmax(1))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Return whether a norm is unchanged and not above the quantile's bin, or equal to the bin's upper edge."""
        untouched = (taken_norms - raw_norms).abs() <= TOLERANCE * raw_norms
        places = bin_of(
            torch.where(untouched, raw_norms, taken_norms * 0.995)
        )  # slightly below the edge, so that it falls into the bin below
        at_edge = (taken_norms - upper_edge(places)).abs() <= TOLERANCE * taken_norms
        counts, bins = context.memory[:, :BINS], torch.arange(BINS, device=places.device)
        needed = self.share * counts.sum(1)
        below = (counts * (bins < places.unsqueeze(1))).sum(1)
        up_to = (counts * (bins <= places.unsqueeze(1))).sum(1)
        return (below < needed) & (untouched | (at_edge & (up_to >= needed)))


def bin_of(norms: Tensor) -> Tensor:
    """Return the index of each norm's bin."""
    places = ((norms.log10() / DECADES + 0.5) * BINS).floor()
    return places.clamp(0, BINS - 1).long()


def upper_edge(places: Tensor) -> Tensor:
    """Return the largest norm of each bin, float64."""
    return 10 ** (((places + 1).double() / BINS - 0.5) * DECADES + log10(1 + 1e-9))

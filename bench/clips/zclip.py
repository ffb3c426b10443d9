"""Clipping of outliers: gradient norms far above the running mean of the trial's own.

g <- g * c / |g|   if |g| - m > z s, with c = m + z^2 s / z_t and z_t = (|g| - m) / s: larger outliers end closer to m

m and s are the running mean and deviation of the trial's norms so far, each norm as it was after clipping:
m <- a m + (1 - a) |g|, s^2 <- a s^2 + (1 - a) (|g| - m)^2 with the new m. They start from the first ``warmup`` norms,
which are not clipped. Norms that are not finite are left out.
"""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, option, scale_rows, threshold

COUNT, MEAN, VARIANCE, MEAN_BEFORE, VARIANCE_BEFORE = range(5)
"""Columns of its memory: the count of norms so far, their m and s^2, and the m and s^2 before this update."""


@dataclass(frozen=True)
class ZClip(Clip):
    """Norm clipping of outliers by ``z_threshold`` deviations."""

    summary: ClassVar[str] = "norms more than z deviations above the trial's mean so far are brought near that mean"
    reference: ClassVar[str] = (
        "Kumar, Owen, Roy Chowdhury & G\u00fcra 2025 (arXiv 2504.02507), section 3; z = 2.5 there"
    )
    largest: ClassVar[float] = 1000.0
    memory: ClassVar[int] = 5

    z_threshold: float = threshold("z, the deviations above the mean from which norms are clipped")
    alpha: float = option(0.97, "decay of mean and variance", low=0, high=0.999999)
    warmup: int = option(25, "updates that are not clipped, from which mean and variance start", low=1, high=10_000_000)

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        count, mean, variance = (context.memory[:, place].clone() for place in (COUNT, MEAN, VARIANCE))
        warming = count < self.warmup
        context.memory[:, MEAN_BEFORE] = mean
        context.memory[:, VARIANCE_BEFORE] = torch.where(warming, inf, variance)
        taken = torch.minimum(norms, self._limits(norms, context))
        gap = taken - mean
        rate = torch.where(warming, 1 / (count + 1), 1 - self.alpha)
        new_mean = mean + rate * gap
        of_all = variance + (gap * (taken - new_mean) - variance) * rate  # Welford's, while it is the mean of all
        decayed = self.alpha * variance + (1 - self.alpha) * (taken - new_mean).square()
        new = torch.stack([count + 1, new_mean, torch.where(warming, of_all, decayed)], 1)
        places = slice(COUNT, VARIANCE + 1)
        context.memory[:, places] = torch.where(norms.isfinite().unsqueeze(1), new, context.memory[:, places])

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        limits = self._limits(norms, context)
        scale_rows(gradients, torch.where(norms > limits, limits / norms, 1.0))

    def _limits(self, norms: Tensor, context: Context) -> Tensor:
        """Return the largest norm for each row, (R,); infinity where a norm is no outlier, or during the warm-up."""
        mean, variance = context.memory[:, MEAN_BEFORE], context.memory[:, VARIANCE_BEFORE]
        gap = norms - mean
        outlying = gap > self.z_threshold * variance.sqrt()
        return torch.where(outlying, mean + self.z_threshold**2 * variance / gap, inf)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Return whether the z-scores before and after multiply to z^2, and the norm taken entered the mean."""
        count, mean, _, before, variance = context.memory[:, : self.memory].unbind(1)
        deviation = variance.sqrt()
        score = torch.where(deviation > 0, (raw_norms - before) / deviation, inf)
        wanted = before + deviation * self.z_threshold**2 / score
        outlying = (score > self.z_threshold) & (raw_norms > before)
        promised = torch.where(outlying, torch.where(deviation > 0, wanted, before), raw_norms)
        rate = torch.where(variance == inf, 1 / count.clamp(min=1), 1 - self.alpha)
        fed = before + rate * (taken_norms - before)
        right = (taken_norms - promised).abs() <= TOLERANCE * promised
        return right & ((mean - fed).abs() <= TOLERANCE * torch.maximum(fed, before))

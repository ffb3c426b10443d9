"""Skeleton: one line that says what it does to a gradient.

Write the formula here, like the code below (r is the threshold, |g| the norm over all parameters of a trial):

m <- .9 m + .1 |g|      g <- g * r m / |g|   if |g| > r m
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, threshold


@dataclass(frozen=True)
class Skeleton(Clip):
    """One line for listings."""

    summary: ClassVar[str] = "norms above r times the trial's running mean are scaled down to it"
    reference: ClassVar[str] = "who proposed it, and where"
    memory: ClassVar[int] = 1  # numbers remembered of each trial, zeros at first; leave it out without a memory

    # A threshold is a number above zero that must be given: this setting is spelled skeleton:0.5.
    ratio: float = threshold("r, the largest ratio of a norm to the mean of the trial's norms")

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        """Update the memory, (R, memory) float64, before `apply`; leave this method out without a memory.

        A gradient that is not finite should not change the memory.
        """
        mean = context.memory[:, 0]
        fed = torch.where(mean > 0, 0.9 * mean + 0.1 * norms, norms)
        context.memory[:, 0] = torch.where(norms.isfinite(), fed, mean)

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        """Clip the gradients (R, P) in place; a row is a trial, and must not depend on other rows.

        Norms are (R,) float64; context has the layout of a row, the parameters and the clip's memory.
        """
        limits = self.ratio * context.memory[:, 0]
        gradients.mul_(torch.where(norms > limits, limits / norms, 1.0).unsqueeze(1))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Return for each row whether the optimiser took the gradient that this setting promises, (R,) bool.

        Every run is checked with it. Write it from the formula, not by calling `apply`.
        """
        promised = torch.minimum(raw_norms, self.ratio * context.memory[:, 0])
        return (taken_norms - promised).abs() <= TOLERANCE * promised

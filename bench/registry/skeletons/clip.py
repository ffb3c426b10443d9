"""Skeleton: one line that says what it does to a gradient.

Write the formula here, as the code below reads (c is the threshold, |g| the norm over all parameters of a trial):

g <- g * (1 + c) / (|g| + c)   if |g| > 1
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, threshold


@dataclass(frozen=True)
class Skeleton(Clip):
    """One line for listings."""

    summary: ClassVar[str] = "gradients above norm 1 shrink, the more the smaller c is"
    reference: ClassVar[str] = "who proposed it, and where"

    # A threshold is a number above zero that must be given: this setting is spelled skeleton:0.5.
    softness: float = threshold("c, the smaller the more long gradients shrink")

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        """Change the gradients (R, P) in place; a row is a trial, and no row may look at another.

        Norms are (R,) float64; context has the layout of a row, the parameters, and what the clip remembers.
        """
        gradients.mul_(self._factors(norms).unsqueeze(1))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Say for each row whether what the optimiser took is what this setting promises, (R,) bool.

        Every update of every run is held against it. Write it from the formula, not by calling `apply`.
        """
        promised = raw_norms * self._factors(raw_norms)
        return (taken_norms - promised).abs() <= TOLERANCE * promised

    def _factors(self, norms: Tensor) -> Tensor:
        return torch.where(norms > 1, (1 + self.softness) / (norms + self.softness), 1.0)

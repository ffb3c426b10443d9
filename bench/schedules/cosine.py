"""Cosine annealing."""

from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to ``final`` of it, after a linear rise over ``warmup`` updates."""

    reference: ClassVar[str] = "Loshchilov & Hutter 2017, equation 5, without restarts"

    final: float = option(0.0, "share of the rate at the end", low=0, high=1)
    warmup: int = option(0, "updates of the rise before it", low=0, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        if update <= self.warmup:
            return update / self.warmup
        passed = (update - 1 - self.warmup) / (budget - self.warmup)
        return self.final + (1 - self.final) * (1 + cos(pi * passed)) / 2

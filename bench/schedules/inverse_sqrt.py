"""Decay with the inverse square root of the updates."""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Linear rise to the full rate over ``warmup`` updates, then sqrt(warmup / update); the budget does not matter."""

    reference: ClassVar[str] = "Vaswani et al. 2017, equation 3, scaled to reach 1"

    warmup: int = option(100, "updates of the rise", low=1, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        return update / self.warmup if update < self.warmup else (self.warmup / update) ** 0.5

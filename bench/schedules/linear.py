"""Linear decay."""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from the full rate down to ``final`` of it, after a linear rise over ``warmup`` updates."""

    reference: ClassVar[str] = "as torch's LinearLR"

    final: float = option(0.0, "share of the rate at the end", low=0, high=1)
    warmup: int = option(0, "updates of the rise before it", low=0, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        if update <= self.warmup:
            return update / self.warmup
        passed = (update - 1 - self.warmup) / (budget - self.warmup)
        return 1 - (1 - self.final) * passed

"""Linear warm-up."""

from dataclasses import dataclass

from longlag.schedules.base import Schedule
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Warmup(Schedule):
    """Linear from nothing to the full rate, which is then kept."""

    updates: int = option(100, "length of the rise", low=1, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        return min(update / self.updates, 1.0)

"""Linear warm-up."""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise from zero to the full rate, which is then kept."""

    reference: ClassVar[str] = "as in Goyal et al. 2017, section 2.2"

    updates: int = option(100, "length of the rise", low=1, high=10_000_000)

    def factor(self, update: int, budget: int) -> float:
        return min(update / self.updates, 1.0)

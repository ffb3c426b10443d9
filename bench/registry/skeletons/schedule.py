"""Skeleton: one line that says how the learning rate changes.

Write the formula here, like the code below (n is the update, from 1, N the budget):

factor = (1 - (n - 1) / N)^power
"""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class Skeleton(Schedule):
    """One line for listings."""

    reference: ClassVar[str] = "who proposed it, and where"

    # Options are spelled skeleton:power=1; each has a default and may have limits.
    power: float = option(2.0, "power of the share of the budget that is left", low=0, high=100)

    def factor(self, update: int, budget: int) -> float:
        """Return the factor on the learning rate, at least 0; it depends on these numbers and the options alone."""
        return float((1 - (update - 1) / budget) ** self.power)

"""Decay in steps."""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule, option


@dataclass(frozen=True)
class Step(Schedule):
    """The rate is multiplied by ``gamma`` after every ``every`` updates."""

    reference: ClassVar[str] = "as torch's StepLR"

    every: int = option(1000, "updates between two cuts", low=1, high=10_000_000)
    gamma: float = option(0.1, "what a cut multiplies the rate by", low=0, high=1)

    def factor(self, update: int, budget: int) -> float:
        return self.gamma ** ((update - 1) // self.every)

"""No schedule: the rate stays."""

from dataclasses import dataclass

from longlag.schedules.base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """The rate as given."""

    def factor(self, update: int, budget: int) -> float:
        return 1.0

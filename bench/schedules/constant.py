"""No schedule: the learning rate is constant."""

from dataclasses import dataclass
from typing import ClassVar

from longlag.schedules.base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """The given learning rate at every update."""

    reference: ClassVar[str] = "the control"

    def factor(self, update: int, budget: int) -> float:
        return 1.0

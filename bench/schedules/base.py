"""What every learning-rate schedule promises."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from longlag.tasks.support.options import Configurable


@dataclass(frozen=True)
class Schedule(Configurable, ABC):
    """A factor on the learning rate over a trial's updates."""

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def factor(self, update: int, budget: int) -> float:
        """Return the factor at ``update`` (from 1) of ``budget`` updates."""

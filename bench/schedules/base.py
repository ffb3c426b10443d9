"""The contract of every learning-rate schedule."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Configurable, option

__all__ = ["Schedule", "UsageError", "option"]


@dataclass(frozen=True)
class Schedule(Configurable, ABC):
    """A factor on the learning rate over a trial's updates."""

    kind: ClassVar[str] = "schedule"
    reference: ClassVar[str]

    @abstractmethod
    def factor(self, update: int, budget: int) -> float:
        """Return the factor at ``update`` (from 1) of ``budget`` updates: a finite number of at least 0.

        It depends on these two and on the options alone. Updates that a clip drops count here, too.
        """

"""A study's table of learning rates, for grids that give none."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from longlag.plan.specs import SPELLED, shortest_spec
from longlag.tasks.support.errors import UsageError


class Basis(StrEnum):
    """The evidence for a learning rate; reports draw conclusions only from trials whose rate is `TUNED`."""

    TUNED = "tuned"
    """The best rate of a search; the neighbouring rates tried on both sides are at most a factor of 1.5 away."""
    COARSE = "coarse"
    """The best rate of a search whose neighbouring rates are further apart."""
    EDGE = "edge"
    """The best rate of a search, at the low or high end of the rates tried."""
    NEIGHBOUR = "neighbour"
    """No seed solved at any rate tried: this is the best rate of another clip for that task and cell."""
    NONE = "none"
    """No seed solved at any rate tried under any clip: this is the rate with the lowest errors."""
    GIVEN = ""
    """The rate was given by the user, without evidence."""


@dataclass(frozen=True)
class Rate:
    """The learning rate of a task and cell; with a clip or optimizer, only for trials that have these, too."""

    task: str
    cell: str
    lr: float
    clip: str | None = None
    optimizer: str | None = None
    basis: Basis = Basis.GIVEN

    @property
    def condition(self) -> tuple[str, str, str | None, str | None]:
        """The task, cell, clip and optimizer that the rate holds for."""
        return self.task, self.cell, self.clip, self.optimizer

    def fits(self, task: str, cell: str, clip: str, optimizer: str) -> bool:
        """Return whether the rate holds for a setting.

        Args:
            task: The task's spec.
            cell: The cell's spec.
            clip: The clip's spec.
            optimizer: The optimizer's spec.
        """
        return (
            (self.task, self.cell) == (task, cell) and self.clip in (None, clip) and self.optimizer in (None, optimizer)
        )

    @property
    def rank(self) -> tuple[bool, bool]:
        """The rate's precedence: with clip and optimizer, before clip only, before optimizer only, before neither."""
        return self.clip is not None, self.optimizer is not None


def shortest_rates(rates: Iterable[Rate], origin: str = "") -> tuple[Rate, ...]:
    """Return rates with their specs in the shortest spelling.

    Args:
        rates: The rates.
        origin: The file they were read from, for messages.

    Raises:
        UsageError: A spec is refused, or two rates hold for the same condition.
    """
    by_condition: dict[Any, Rate] = {}
    for position, rate in enumerate(rates, 1):
        where = f"{origin}: rates {position}: " if origin else ""
        given = {kind: spec for kind in SPELLED if (spec := getattr(rate, kind, None)) is not None}
        shortest: dict[str, Any] = {kind: shortest_spec(kind, spec, where) for kind, spec in given.items()}
        short = replace(rate, **shortest)
        if short.condition in by_condition:
            raise UsageError(f"{where}there are two learning rates for {', '.join(filter(None, short.condition))}")
        by_condition[short.condition] = short
    return tuple(by_condition.values())

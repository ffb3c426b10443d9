"""The table of learning rates of a study, for grids that have none of their own."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from longlag.plan.specs import SPELLED, shortest_spec
from longlag.tasks.support.errors import UsageError


class Basis(StrEnum):
    """What a learning rate rests on; reports conclude from what is `TUNED` only."""

    TUNED = "tuned"
    """The best of those tried; the next ones tried on both sides are at most a factor of 1.5 away."""
    COARSE = "coarse"
    """The best of those tried, which are further apart."""
    EDGE = "edge"
    """The best of those tried, and the lowest or highest of them."""
    NEIGHBOUR = "neighbour"
    """No seed solved at any rate tried: the best rate of another clip of that task and cell."""
    NONE = "none"
    """No seed solved at any rate tried under any clip: no rate was found, this one gave the lowest errors."""
    GIVEN = ""
    """Nobody said."""


@dataclass(frozen=True)
class Rate:
    """The learning rate of a task and cell, under one clip or optimizer only where they are said."""

    task: str
    cell: str
    lr: float
    clip: str | None = None
    optimizer: str | None = None
    basis: Basis = Basis.GIVEN

    @property
    def condition(self) -> tuple[str, str, str | None, str | None]:
        """What it holds for."""
        return self.task, self.cell, self.clip, self.optimizer

    def fits(self, task: str, cell: str, clip: str, optimizer: str) -> bool:
        """Whether it holds for these."""
        return (
            (self.task, self.cell) == (task, cell) and self.clip in (None, clip) and self.optimizer in (None, optimizer)
        )

    @property
    def rank(self) -> tuple[bool, bool]:
        """The most specific rate wins: clip and optimizer, then clip, then optimizer, then neither."""
        return self.clip is not None, self.optimizer is not None


def shortest_rates(rates: Iterable[Rate], origin: str = "") -> tuple[Rate, ...]:
    """Return rates with their specs in the shortest spelling.

    Args:
        rates: The rates.
        origin: The file they were read from, for messages.

    Raises:
        UsageError: A spec is refused, or two rates hold for the same.
    """
    found: dict[Any, Rate] = {}
    for position, rate in enumerate(rates, 1):
        where = f"{origin}: rates {position}: " if origin else ""
        given = {kind: spec for kind in SPELLED if (spec := getattr(rate, kind, None)) is not None}
        shortest: dict[str, Any] = {kind: shortest_spec(kind, spec, where) for kind, spec in given.items()}
        short = replace(rate, **shortest)
        if short.condition in found:
            raise UsageError(f"{where}a second learning rate for {', '.join(filter(None, short.condition))}")
        found[short.condition] = short
    return tuple(found.values())

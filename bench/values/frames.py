"""Results of a lens for the network of one trial, at one moment of its training."""

from dataclasses import dataclass, field
from math import ceil, isfinite
from typing import Any

START, QUARTER, END = "start", "quarter", "end"
PHASES = (START, QUARTER, END)
"""When frames are taken: before the first update, at a quarter of the budget, and where training ends."""

REFUSED = "refused"
"""The name, among the numbers of a lens, of the reason why the lens does not apply to a network."""

Number = float | int | str | bool | None
Part = dict[str, list[Any]]
"""A table by columns, which have equal lengths."""


@dataclass(frozen=True)
class Found:
    """The numbers and tables that a lens returns; a number that is not finite or does not exist is None.

    Attributes:
        numbers: Numbers by name.
        parts: Tables by name, such as ``input`` and ``state``.
    """

    numbers: dict[str, Number] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """The results of a lens at one moment of training.

    Attributes:
        lens: The lens's name.
        version: The lens's version.
        phase: The moment, one of `PHASES`.
        update: Updates done by then.
        found: The numbers and tables.
    """

    lens: str
    version: int
    phase: str
    update: int
    found: Found


def quarter(updates: int, eval_every: int) -> int:
    """Return the first evaluation at or after a quarter of a budget.

    >>> quarter(1000, 100), quarter(1200, 100), quarter(6, 4)
    (300, 300, 4)
    """
    return min(ceil(updates / 4 / eval_every) * eval_every, updates)


def rounded(value: float) -> float | None:
    """Return a number with six significant digits, or None where it is not finite.

    >>> rounded(0.12345678), rounded(float("nan"))
    (0.123457, None)
    """
    return float(f"{value:.6g}") if isfinite(value) else None

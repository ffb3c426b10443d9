"""Picks hidden sizes, so that networks of different cells can be compared at equal numbers of parameters or states.

Both numbers grow with the hidden size, so that bisection finds the nearest size.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from longlag import registry
from longlag.networks.build import network_of, width_step
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import LARGEST_HIDDEN_SIZE, Trial

TOLERANCE = 0.03
"""The distance from the target, as a share of it, above which a row states the reason."""

_MEASURES: dict[str, Callable[[Trial], int]] = {
    "hidden": lambda trial: trial.hidden_size,
    "parameters": lambda trial: network_of(trial).num_parameters,
    "state": lambda trial: network_of(trial).state_size,
}
_UNITS = {"hidden": "units", "parameters": "parameters", "state": "numbers of state"}


@dataclass(frozen=True)
class Match:
    """The target that a hidden size was picked for, and how near it came.

    Attributes:
        quantity: ``hidden``, ``parameters`` or ``state``.
        target: The value of the quantity that the user wants.
        reached: The value that the network has.
        note: Why the distance is above `TOLERANCE`; empty where it is not.
    """

    quantity: str
    target: int
    reached: int
    note: str = ""

    @property
    def distance(self) -> float:
        """The difference between reached and target, as a share of the target; negative below it."""
        return self.reached / self.target - 1


def matched(trial: Trial, quantity: str, target: int) -> tuple[int, Match]:
    """Return the hidden size with which a trial's network comes nearest to a target; of two, the smaller one.

    Args:
        trial: The trial; its hidden size does not matter.
        quantity: ``hidden``, ``parameters`` or ``state``.
        target: The value of the quantity that the user wants.

    Raises:
        UsageError: The smallest network has more than the target, or the largest has less.
    """
    return _matched(replace(trial, seed=0, lr=1.0, clip="none"), quantity, target)


@registry.forgetful
@cache
def _matched(trial: Trial, quantity: str, target: int) -> tuple[int, Match]:
    cell, step = registry.cell(trial.cell), width_step(trial)

    def measure(steps: int) -> int:
        with registry.blamed("cell", cell.name()):
            return _MEASURES[quantity](replace(trial, hidden_size=steps * step))

    most = LARGEST_HIDDEN_SIZE // step
    large = _first_at_least(measure, target, most)
    what, units = f"match {quantity}, match_target {target}: cell {trial.cell} on {trial.task}", _UNITS[quantity]
    if large is None:
        raise UsageError(f"{what} has at most {measure(most)} {units}, with a hidden size of {most * step}")
    above = measure(large)
    if large == 1:
        if above > target:
            raise UsageError(f"{what} has at least {above} {units}, with a hidden size of {step}")
        return step, Match(quantity, target, above)
    below = measure(large - 1)
    size, reached = (large, above) if above - target < target - below else (large - 1, below)
    far = abs(reached - target) > TOLERANCE * target
    coarse = f"sizes {(large - 1) * step} and {large * step} have {below} and {above}"
    return size * step, Match(quantity, target, reached, coarse if far else "")


def _first_at_least(measure: Callable[[int], int], target: int, most: int) -> int | None:
    """Return the smallest number of 1 to ``most`` that measures at least the target; None where none does.

    >>> _first_at_least(lambda size: size * size, 10, most=100)
    4
    """
    low, high = 0, 1
    while measure(high) < target:
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(middle) < target else (low, middle)
    return high

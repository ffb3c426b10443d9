"""Checks of values that a user gives: a valid value is returned as it is stored, any other is refused in one line."""

import re
import reprlib
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell

Rule = Callable[[object, str], Any]
"""Returns a value as it is stored; its messages begin with the label, which says where the value was read."""

_LARGEST_FLOAT = sys.float_info.max
LARGEST_RATE = 1000.0
_MOST_SEEDS, _LARGEST_SEED = 10_000, 2**32 - 1
_LONGEST = 10_000_000


def whole(low: int, high: int) -> Rule:
    """Allow whole numbers from low to high."""

    def read(value: object, label: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"{label} must be a whole number from {low} to {high}, not {_shown(value)}")
        return value

    return read


def number(value: object, label: str, low: float = 0.0, above: bool = False) -> float:
    """Return a finite number of at least, or above, ``low``.

    Args:
        value: The value that was given.
        label: Where it was read, for the message.
        low: The lower bound.
        above: Whether the number must lie above the bound.

    Raises:
        UsageError: The value is not such a number.
    """
    right = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= _LARGEST_FLOAT
    if not right or (above and value == low):
        rule = f"a finite number {'above' if above else 'of at least'} {spell(low)}"
        raise UsageError(f"{label} must be {rule}, not {_shown(value)}")
    return float(cast(float, value))


def positive(value: object, label: str) -> float:
    """Return a finite number above 0.

    Raises:
        UsageError: The value is not such a number.
    """
    return number(value, label, above=True)


def rate(value: object, label: str) -> float:
    """Return a learning rate: above 0 and at most `LARGEST_RATE`.

    Raises:
        UsageError: The value is not such a number.
    """
    if (rate := positive(value, label)) > LARGEST_RATE:
        raise UsageError(f"{label} must be at most {LARGEST_RATE:g}, not {rate:g}")
    return rate


def share(value: object, label: str) -> float:
    """Return a number from 0 to below 1.

    Raises:
        UsageError: The value is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{label} must be a number from 0 to below 1, not {_shown(value)}")
    return float(value)


def spec(value: object, label: str) -> str:
    """Return a text that `word` accepts, surrounding spaces included, which the look-up of its name refuses.

    Raises:
        UsageError: The value is not such a text.
    """
    word(value, label)
    return cast(str, value)


def word(value: object, label: str) -> str:
    """Return a non-empty text of one line, without surrounding spaces.

    Raises:
        UsageError: The value is not such a text.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UsageError(f"{label} must be one line of text, not {_shown(value)}")
    return value.strip()


def choice(*words: str) -> Rule:
    """Allow only the given words."""

    def read(value: object, label: str) -> str:
        if not isinstance(value, str) or value not in words:
            offer = near(value, words) if isinstance(value, str) else ""
            listed = f"{', '.join(words[:-1])} or {words[-1]}"
            raise UsageError(f"{label} must be {listed}, not {_shown(value)}{offer}")
        return value

    return read


def chunk(value: object, label: str) -> int:
    """Return the time steps of a chunk; 0 for ``none``, which leaves sequences whole.

    Raises:
        UsageError: The value is neither.
    """
    if value == "none":
        return 0
    steps = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= _LONGEST:
        raise UsageError(f"{label} must be none or a whole number from 1 to {_LONGEST}, not {_shown(value)}")
    return steps


def lags(value: object, label: str) -> tuple[int, ...]:
    """Return distances in time steps, ascending; texts such as ``50,100`` hold several.

    Raises:
        UsageError: The value holds anything else, or the same distance twice.
    """
    items = [lag for item in (value if isinstance(value, list | tuple) else [value]) for lag in _listed(item, label)]
    return tuple(sorted(several(whole(1, _LONGEST))(items, label)))


def _listed(item: object, label: str) -> list[object]:
    if not isinstance(item, str):
        return [item]
    texts = [text.strip() for text in item.split(",")]
    for text in texts:
        if not text.isdecimal() or len(text) > 9:
            raise UsageError(f"{label} must be whole numbers such as 50,100,200, not {text!r}")
    return [int(text) for text in texts]


def seeds(value: object, label: str) -> tuple[int, ...]:
    """Return a list of seeds, or the first N seeds from 0 for a whole number N.

    Raises:
        UsageError: The value is neither, or the list holds a seed twice.
    """
    if not isinstance(value, list | tuple):
        return tuple(range(whole(1, _MOST_SEEDS)(value, label)))
    if len(value) > _MOST_SEEDS:
        raise UsageError(f"{label} must have at most {_MOST_SEEDS} values, not {len(value)}")
    listed: tuple[int, ...] = several(whole(0, _LARGEST_SEED))(value, label)
    return listed


def several(rule: Rule) -> Rule:
    """Allow a list of values that follow a rule, each once; a single value stands for a list of one."""

    def read(value: object, label: str) -> tuple[Any, ...]:
        items = [rule(item, label) for item in (value if isinstance(value, list | tuple) else [value])]
        if not items:
            raise UsageError(f"{label} must have at least one value")
        for item, count in Counter(items).items():
            if count > 1:
                raise UsageError(f"{label} has {item if isinstance(item, str) else spell(item)} twice")
        return tuple(items)

    return read


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**30:  # Python refuses to write the longest ones
        return "a number of more than 30 digits"
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

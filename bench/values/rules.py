"""Rules for values that a user gives: what is right is returned as it is kept, what is not is refused in one line."""

import re
import reprlib
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.options import spell

Rule = Callable[[object, str], Any]
"""Returns a value as it is kept; a message begins with the label, which says where the value was read."""

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
        value: What was given.
        label: Where, for the message.
        low: The lower bound.
        above: Whether it must lie above the bound.

    Raises:
        UsageError: It is something else.
    """
    right = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= _LARGEST_FLOAT
    if not right or (above and value == low):
        rule = f"a finite number {'above' if above else 'of at least'} {spell(low)}"
        raise UsageError(f"{label} must be {rule}, not {_shown(value)}")
    return float(cast(float, value))


def positive(value: object, label: str) -> float:
    """Return a finite number above 0.

    Raises:
        UsageError: It is something else.
    """
    return number(value, label, above=True)


def rate(value: object, label: str) -> float:
    """Return a learning rate: above 0, and no more than any method here can use.

    Raises:
        UsageError: It is something else.
    """
    if (found := positive(value, label)) > LARGEST_RATE:
        raise UsageError(f"{label} must be at most {LARGEST_RATE:g}, not {found:g}")
    return found


def share(value: object, label: str) -> float:
    """Return a number from 0 to below 1.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UsageError(f"{label} must be a number from 0 to below 1, not {_shown(value)}")
    return float(value)


def spec(value: object, label: str) -> str:
    """Return a text as of `word`; spaces around it are kept, so that whoever looks the name up refuses it.

    Raises:
        UsageError: It is something else.
    """
    word(value, label)
    return cast(str, value)


def word(value: object, label: str) -> str:
    """Return a text that is not empty and has one line.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UsageError(f"{label} must be one line of text, not {_shown(value)}")
    return value.strip()


def choice(*words: str) -> Rule:
    """Allow a few words."""

    def read(value: object, label: str) -> str:
        if not isinstance(value, str) or value not in words:
            offer = near(value, words) if isinstance(value, str) else ""
            listed = f"{', '.join(words[:-1])} or {words[-1]}"
            raise UsageError(f"{label} must be {listed}, not {_shown(value)}{offer}")
        return value

    return read


def chunk(value: object, label: str) -> int:
    """Return the time steps of a chunk; 0 where sequences are left whole, which is written ``none``.

    Raises:
        UsageError: It is something else.
    """
    if value == "none":
        return 0
    found = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value) else value
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= _LONGEST:
        raise UsageError(f"{label} must be none or a whole number from 1 to {_LONGEST}, not {_shown(value)}")
    return found


def lags(value: object, label: str) -> tuple[int, ...]:
    """Return distances in time steps, ascending; texts such as ``50,100`` hold several.

    Raises:
        UsageError: They are something else, or one is given twice.
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
    """Return the seeds that are listed, or the first so many.

    Raises:
        UsageError: It is neither a list of seeds nor their number.
    """
    if not isinstance(value, list | tuple):
        return tuple(range(whole(1, _MOST_SEEDS)(value, label)))
    if len(value) > _MOST_SEEDS:
        raise UsageError(f"{label} must have at most {_MOST_SEEDS} values, not {len(value)}")
    found: tuple[int, ...] = several(whole(0, _LARGEST_SEED))(value, label)
    return found


def several(rule: Rule) -> Rule:
    """Allow a list of values that follow a rule, each once; a single value stands for a list of one."""

    def read(value: object, label: str) -> tuple[Any, ...]:
        found = [rule(item, label) for item in (value if isinstance(value, list | tuple) else [value])]
        if not found:
            raise UsageError(f"{label} must have at least one value")
        for item, count in Counter(found).items():
            if count > 1:
                raise UsageError(f"{label} has {item if isinstance(item, str) else spell(item)} twice")
        return tuple(found)

    return read


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**30:  # Python refuses to write the longest ones
        return "a number of more than 30 digits"
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80

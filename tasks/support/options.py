"""Options: the named and checked settings of tasks, cells, clips and optimisers.

Whatever can be spelled ``name:option=value,option=value`` is a frozen dataclass whose fields are made with
`option`; this module checks their values, reads them from text and writes them back. It needs the standard
library only, so that names and spellings cost no heavy import.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self

from longlag.tasks.support.errors import UsageError, near


@dataclass(frozen=True, order=True)
class Range:
    """A closed range of whole numbers, spelled ``0-4``, or ``2`` for a single one.

    >>> Range.parse("0-4"), str(Range(2, 2))
    (Range(low=0, high=4), '2')
    """

    low: int
    high: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``low-high`` or a single number.

        Raises:
            ValueError: The text is neither, or low is above high.
        """
        low, dash, high = text.partition("-")
        found = cls(int(low), int(high) if dash else int(low))
        if found.low > found.high:
            raise ValueError(text)
        return found

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


Value = bool | int | float | str | Range
_RULES = {bool: "true or false", int: "a whole number", float: "a number", Range: "a range such as 0-4", str: "a word"}


def option(
    default: Value,
    summary: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field that a user may set.

    Args:
        default: The value where the user says nothing; its type is the option's type.
        summary: One line for listings.
        low: Smallest value allowed, itself included.
        high: Largest value allowed, itself included.
        choices: The words allowed, for an option that is a word.
    """
    return field(default=default, metadata={"summary": summary, "low": low, "high": high, "choices": choices})


def spell(value: Value) -> str:
    """Write an option's value as a user would.

    >>> spell(1.0), spell(True), spell(Range(0, 4))
    ('1', 'true', '0-4')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def clip_parts(spec: str) -> list[str]:
    """Return the specs that stand side by side in a clip's.

    >>> clip_parts("norm:1e+3 + omega:4")
    ['norm:1e+3', 'omega:4']
    """
    return [part.strip() for part in re.split(r"\+(?!\d)", spec)]


def split_spec(text: str, what: str) -> tuple[str, dict[str, str]]:
    """Split ``name:option=value,...`` into the name and the options' texts.

    >>> split_spec("copy:items=3,blanks=10", "task")
    ('copy', {'items': '3', 'blanks': '10'})

    Raises:
        UsageError: An option lacks a value or is given twice.
    """
    name, colon, rest = text.strip().partition(":")
    given: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{what} {text!r}: {part!r} is not of the form option=value")
        if key in given:
            raise UsageError(f"{what} {text!r} gives {key if key.isprintable() else repr(key)} twice")
        given[key] = value
    return name, given


@dataclass(frozen=True)
class Configurable:
    """A value with checked options; the base of tasks, cells and optimisers."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if type(item.default) is float and type(value) is int:
                object.__setattr__(self, item.name, value := float(value))
            self._check(item.name, value)

    @classmethod
    def name(cls) -> str:
        """The word users write; also the name of the file, or of the class where a file holds several."""
        return cls.__module__.rpartition(".")[2]

    def values(self) -> dict[str, Value]:
        """Every option with its value."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def changed(self) -> dict[str, Value]:
        """The options that differ from their defaults: what a key and a spelling hold."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}

    @property
    def spec(self) -> str:
        """The shortest spelling, options in declared order: ``copy:items=3,blanks=10``."""
        parts = ",".join(f"{name}={spell(value)}" for name, value in self.changed().items())
        return f"{self.name()}:{parts}" if parts else self.name()

    @classmethod
    def from_texts(cls, given: Mapping[str, str]) -> Self:
        """Make the value from option texts.

        Raises:
            UsageError: An option is unknown, of the wrong type or out of its range.
        """
        known = {item.name: item for item in fields(cls)}
        for name in given:
            if name not in known:
                offer = near(name, known) or f"; it has {', '.join(known) or 'none'}"
                raise UsageError(f"{cls.kind} {cls.name()} has no option {name!r}{offer}")
        return cls(**{name: cls._read(name, known[name].default, text) for name, text in given.items()})

    @classmethod
    def _read(cls, name: str, default: Any, text: str) -> Value:
        assert default is not MISSING, f"{cls.__name__}.{name} needs a default"
        kind = type(default)
        try:
            if kind is bool:
                return {"true": True, "false": False}[text.lower()]
            return Range.parse(text) if kind is Range else _from_text(kind, text)
        except (ValueError, KeyError):
            raise UsageError(f"{cls.kind} {cls.name()}: {name} must be {_RULES[kind]}, not {text!r}") from None

    def _check(self, name: str, value: Value) -> None:
        rules = {item.name: item for item in fields(self)}[name]
        if type(value) is not type(rules.default):
            raise UsageError(f"{self.kind} {self.name()}: {name} must be {_RULES[type(rules.default)]}, not {value!r}")
        low, high, choices = (rules.metadata[rule] for rule in ("low", "high", "choices"))
        label = f"{self.kind} {self.name()}: {name}"
        if choices and value not in choices:
            raise UsageError(f"{label} must be one of {', '.join(choices)}, not {value!r}{near(str(value), choices)}")
        ends = (value.low, value.high) if isinstance(value, Range) else (value,)
        for end in ends:
            if not isinstance(end, int | float) or isinstance(end, bool):
                continue
            finite = isinstance(end, int) or math.isfinite(end)  # some whole numbers are too large for a float
            if not finite or (low is not None and end < low) or (high is not None and end > high):
                raise UsageError(f"{label} must be {_span(low, high)}, not {spell(value)}")


def _from_text(kind: type, text: str) -> Value:
    return int(text) if kind is int else float(text) if kind is float else text


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {spell(low)} to {spell(high)}"
    return f"at least {spell(low)}" if low is not None else f"at most {spell(high)}" if high is not None else "finite"

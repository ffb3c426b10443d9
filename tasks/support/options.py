"""Options: the named and checked settings of everything that has a spelling.

Whatever can be spelled ``name:option=value,option=value`` is a frozen dataclass whose fields are made with
`option`; this module checks their values, reads them from text and writes them back. Options without a default are
required, and may be given by position: ``norm:1``. It needs the standard library only, so that looking up names and
spellings needs no heavy import.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from itertools import takewhile
from typing import Any, ClassVar, Self, cast

from longlag.tasks.support.errors import UsageError, near
from longlag.tasks.support.spelling import split_spec


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
        parsed = cls(int(low), int(high) if dash else int(low))
        if parsed.low > parsed.high:
            raise ValueError(text)
        return parsed

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


Value = bool | int | float | str | Range


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_READERS: dict[type, Callable[[str], Value]] = {bool: _truth, int: int, float: float, Range: Range.parse, str: str}
_RULES = {bool: "true or false", int: "a whole number", float: "a number", Range: "a range such as 0-4", str: "a word"}


@dataclass(frozen=True)
class Option:
    """An option: its type, its default and the values allowed.

    Attributes:
        type: The type of its value.
        default: The value if the user gives none; None if the option is required.
        summary: One line for listings.
        low: Smallest value allowed, itself included.
        high: Largest value allowed, itself included.
        choices: The words allowed, for an option that is a word.
        words: The rule for its value in words, if its type alone does not say it.
    """

    type: type[Value]
    default: Value | None
    summary: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    words: str = ""

    @property
    def rule(self) -> str:
        """The rule for its value, without limits."""
        return self.words or _RULES[self.type]

    def read(self, text: str) -> Value:
        """Read a value of this option's type from a text.

        Raises:
            ValueError: The text is not such a value.
        """
        return _READERS[self.type](text)

    def broken(self, value: Value) -> str:
        """Return the rule that a value breaks; empty if it breaks none."""
        if type(value) is not self.type:
            return self.rule
        if self.choices and value not in self.choices:
            return f"one of {', '.join(self.choices)}"
        ends = (value.low, value.high) if isinstance(value, Range) else (value,)
        if all(self._within(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool)):
            return ""
        return ", ".join(filter(None, [self.words, _span(self.low, self.high)]))

    def _within(self, number: float) -> bool:
        finite = isinstance(number, int) or math.isfinite(number)  # some whole numbers are too large for a float
        return finite and (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


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
        default: The value if the user gives none; its type is the option's type.
        summary: One line for listings.
        low: Smallest value allowed, itself included.
        high: Largest value allowed, itself included.
        choices: The words allowed, for an option that is a word.
    """
    return field(default=default, metadata={"option": Option(type(default), default, summary, low, high, choices)})


def spell(value: Value) -> str:
    """Return an option's value as a user would write it.

    >>> spell(1.0), spell(True), spell(Range(0, 4))
    ('1', 'true', '0-4')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


@dataclass(frozen=True)
class Configurable:
    """A value with checked options; the base of everything that has a name and a spelling."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name, one in options_of(type(self)).items():
            value = getattr(self, name)
            if one.type is float and type(value) is int:
                object.__setattr__(self, name, value := float(value))
            if rule := one.broken(value):
                shown = spell(value) if type(value) is one.type and one.type is not str else repr(value)
                raise _refusal(type(self), _texts(self), name, rule, shown)

    @classmethod
    def name(cls) -> str:
        """The word users write: the name of the module, unless a plugin is offered under another name."""
        return cls.__module__.rpartition(".")[2]

    def values(self) -> dict[str, Value]:
        """Every option with its value."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def changed(self) -> dict[str, Value]:
        """The options that differ from their defaults, as keys and spellings hold them."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}

    @property
    def spec(self) -> str:
        """The shortest spelling, options in declared order: ``copy:items=3,blanks=10``, ``norm:1``."""
        return _spelled(type(self), _texts(self))

    @classmethod
    def from_spec(cls, text: str) -> Self:
        """Make an instance from a spec with this class's name.

        Raises:
            UsageError: The text is not a valid spec, or `from_texts` refuses an option.
        """
        return cls.from_texts(split_spec(text, cls.kind, required(cls), _form(cls))[1])

    @classmethod
    def from_texts(cls, given: Mapping[str, str]) -> Self:
        """Make an instance from the texts of its options.

        Raises:
            UsageError: An option is unknown, missing, of the wrong type or out of its range.
        """  # noqa: DOC501  (`_refusal` returns a UsageError)
        known = options_of(cls)
        for name in given:
            if name not in known:
                offer = near(name, known) or f"; it has {', '.join(known) or 'none'}"
                raise UsageError(f"{cls.kind} {cls.name()} has no option {name!r}{offer}")
        if not given.keys() >= set(required(cls)):
            raise UsageError(f"{cls.kind} {_spelled(cls, given)!r} is not of the form {_form(cls)}")
        values = {}
        for name, text in given.items():
            try:
                values[name] = known[name].read(text)
            except ValueError:
                raise _refusal(cls, given, name, known[name].rule, repr(text)) from None
        return cls(**values)

    @classmethod
    def option_of(cls, item: Field[Any]) -> Option:
        """Return the declaration of a field.

        Raises:
            UsageError: The field is not an option.
        """
        if "option" not in item.metadata:
            how = f"write {item.name}: type = option(default, 'what it sets')"
            raise UsageError(f"class {cls.__name__}: {item.name} is not an option; {how}")
        return cast("Option", item.metadata["option"])


def options_of(made: type[Configurable]) -> dict[str, Option]:
    """Return the options of a class by name, in the order of declaration, with required options first.

    Raises:
        UsageError: A field of the class is not an option.
    """
    return {item.name: made.option_of(item) for item in fields(made)}


def required(made: type[Configurable]) -> list[str]:
    """Return the names of the options without a default: a spec may give them by position, in this order."""
    return [name for name, one in options_of(made).items() if one.default is None]


def _form(made: type[Configurable]) -> str:
    """Return the form of a spec that gives values by position, or no values; empty where every value has a name."""
    named = len(options_of(made)) - len(placed := required(made))
    if named and not placed:
        return ""
    return _spelled(made, {name: name for name in placed}) + ",option=value" * bool(named)


def _spelled(made: type[Configurable], texts: Mapping[str, str]) -> str:
    """Write a spec: values of required options by position until one is left out, all others by name."""
    placed = list(takewhile(texts.__contains__, required(made)))
    by_place = ":".join(texts[name] for name in placed)
    by_name = (f"{name}={text}" for name, text in texts.items() if name not in placed)
    return ":".join(filter(None, [made.name(), ",".join(filter(None, [by_place, *by_name]))]))


def _texts(value: Configurable) -> dict[str, str]:
    return {name: spell(one) for name, one in value.changed().items()}


def _refusal(made: type[Configurable], texts: Mapping[str, str], name: str, rule: str, value: str) -> UsageError:
    """Return the error for a wrong value; a spec with required options is quoted whole, with the value in it."""
    hint = near(texts.get(name, ""), options_of(made)[name].choices)
    if required(made):
        return UsageError(f"{made.kind} {_spelled(made, texts)!r}: {name} must be {rule}{hint}")
    return UsageError(f"{made.kind} {made.name()}: {name} must be {rule}, not {value}{hint}")


def _span(low: float | None, high: float | None) -> str:
    least, most = (None if end is None else spell(end).replace("e+", "e") for end in (low, high))
    if low is not None and high is not None:
        return f"from {least} to {most}"
    return f"at least {least}" if low is not None else f"at most {most}" if high is not None else "finite"

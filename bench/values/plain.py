"""Values as plain JSON and back: dataclasses by the names of their fields, numbers to the last digit.

JSON has no NaN and no infinity; they are written as the texts ``nan``, ``inf`` and ``-inf``. Fields at their default
are left out, so that a field that is added later changes no text.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_NOT_FINITE = ("nan", "inf", "-inf")


def to_plain(value: Any) -> Any:
    """Return a value in types that JSON can hold.

    >>> to_plain((1.5, math.inf, {"a": None}))
    [1.5, 'inf', {'a': None}]
    """
    kind = type(value)
    if isinstance(value, float):  # first: most are
        return value if math.isfinite(value) else str(value)
    if value is None or kind in _SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    if is_dataclass(kind):
        held = ((name, default, getattr(value, name)) for name, default in _defaults(kind))
        return {name: to_plain(one) for name, default, one in held if type(one) is not type(default) or one != default}
    if isinstance(value, Mapping):
        return {str(name): to_plain(one) for name, one in value.items()}
    return value.value if isinstance(value, Enum) else value


@cache
def _defaults(kind: Any) -> list[tuple[str, Any]]:
    """Return the fields of a dataclass, each with its default, or with `MISSING`, which equals no value."""
    made = [item.default if item.default_factory is MISSING else item.default_factory() for item in fields(kind)]
    return [(item.name, default) for item, default in zip(fields(kind), made, strict=True)]


def from_plain(kind: Any, value: Any) -> Any:
    """Return the value of a type from its plain form, which `to_plain` wrote.

    Args:
        kind: The type, as an annotation: ``tuple[Measurement, ...]``.
        value: The plain form.

    Raises:
        ValueError: The plain form does not fit the type.

    >>> from_plain(tuple[float, ...], [1.5, "inf"])
    (1.5, inf)
    >>> from_plain(list[float | str | None], [1.5, "inf", None])
    [1.5, 'inf', None]
    """
    return _reader(kind)(value)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that makes values of a type; it is cached, since a shard holds millions of values."""
    origin, of = get_origin(kind), get_args(kind)
    if kind is Any:
        return _json
    if origin in (tuple, list):
        return _sequence(origin, _reader(of[0]))
    if origin in (dict, Mapping):
        return _mapping(_reader(of[1]))
    if origin in (Union, UnionType):
        kinds = tuple(one for one in of if one is not NoneType)
        one = _reader(kinds[0]) if len(kinds) == 1 else _scalar_of(kinds)
        return _maybe(one) if NoneType in of else one
    if is_dataclass(kind):
        return _dataclass(kind)
    return kind if issubclass(kind, Enum) else _SCALARS[kind]


def _sequence(made: Any, one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: made(map(one, _instance(list, value)))


def _mapping(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {_text(name): one(held) for name, held in _instance(dict, value).items()}


def _maybe(one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else one(value)


def _scalar_of(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError(f"a {type(value).__name__} in place of a {' or a '.join(kind.__name__ for kind in kinds)}")
        return _SCALARS[type(value)](value)

    return read


def _dataclass(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers = {item.name: _reader(hints[item.name]) for item in fields(kind)}

    def read(value: Any) -> Any:
        values = _instance(dict, value)
        if unknown := sorted(values.keys() - readers.keys()):
            raise ValueError(f"unknown fields: {', '.join(unknown)}")
        try:
            return kind(**{name: readers[name](one) for name, one in values.items()})
        except TypeError as error:  # a field is missing
            raise ValueError(str(error)) from None

    return read


def _instance(kind: type, value: Any) -> Any:
    if type(value) is not kind:  # JSON knows no other; True is no 1
        raise ValueError(f"a {type(value).__name__} in place of a {kind.__name__}")
    return value


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if value in _NOT_FINITE:
        return float(value)
    return float(_count(value))


def _count(value: Any) -> int:
    if not _SMALLEST <= _instance(int, value) <= _LARGEST:
        raise ValueError("a number of more than 64 bits")
    return int(value)


def _text(value: Any) -> str:
    _instance(str, value).encode()  # half of a surrogate pair is no text
    return str(value)


def _json(value: Any) -> Any:
    """Return a value that is valid JSON as it is."""
    if isinstance(value, dict):
        return {_text(name): _json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    return value if value is None else _SCALARS[type(value)](value)


_SCALARS: Mapping[Any, Callable[[Any], Any]] = {
    float: _number,
    int: _count,
    str: _text,
    bool: lambda value: _instance(bool, value),
}

"""Specs as text: ``name:option=value,option=value``, where some values may be given by position: ``norm:1``."""

import re
from collections.abc import Iterator, Sequence

from longlag.tasks.support.errors import UsageError


def clip_parts(spec: str) -> list[str]:
    """Return the specs that a clip's spec combines.

    >>> clip_parts("norm:1e+3 + omega:4")
    ['norm:1e+3', 'omega:4']
    """
    return [part.strip() for part in re.split(r"\+(?!\d)", spec)]


def split_spec(text: str, what: str, placed: Sequence[str] = (), form: str = "") -> tuple[str, dict[str, str]]:
    """Split ``name:option=value,...`` into the name and the options' texts.

    >>> split_spec("copy:items=3,blanks=10", "task")
    ('copy', {'items': '3', 'blanks': '10'})
    >>> split_spec("norm:1", "clip", ("max_norm",))
    ('norm', {'max_norm': '1'})

    Args:
        text: The spec.
        what: Its kind, for messages.
        placed: The options that may be given by position, in this order, before any that is given by name.
        form: The form of such a spec, for messages.

    Raises:
        UsageError: An option lacks a value or is given twice, or there are more values than options.
    """
    name, colon, rest = text.strip().partition(":")
    given: dict[str, str] = {}
    for part, key, value in _settings(rest, placed) if colon else ():
        if not (key and value):
            wrong = f" is not of the form {form}" if form else f": {part!r} is not of the form option=value"
            raise UsageError(f"{what} {text!r}{wrong}")
        if key in given:
            raise UsageError(f"{what} {text!r} gives {key if key.isprintable() else repr(key)} twice")
        given[key] = value
    return name, given


def _settings(text: str, placed: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the parts of a text, each with its option and its value; either is empty where the text has none.

    Several values by position are separated by colons, as specs are written and stored, or by commas.
    """
    left = list(placed)
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if equals:
            left.clear()  # whatever follows has a name
            yield part, key, value
        else:
            yield from ((part, left.pop(0) if left else "", by_place.strip()) for by_place in part.split(":"))

"""A line of a shard: a JSON object whose first entry is a checksum of all the others.

The line is ``{"sha256":"...",`` and the rest of the object; the checksum is taken of the object without this entry, as
it is written. Any changed bit is noticed: in the rest by the checksum, in the checksum and around it by comparison.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_OPENING, _CLOSING, _DIGITS = b'{"sha256":"', b'",', 64
LONGEST = 2**26
"""The most bytes of a line; a longer line counts as damaged."""


class DamagedLineError(ValueError):
    """A line differs from the one that was written."""


def written(content: Mapping[str, Any]) -> bytes:
    r"""Return the line of some content, with its line end.

    >>> line = written({"seed": 3})
    >>> line[:20], line[-14:]
    (b'{"sha256":"4d687b643', b'a5","seed":3}\n')
    """
    rest = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return b"".join((_OPENING, hashlib.sha256(rest).hexdigest().encode(), _CLOSING, rest[1:], b"\n"))


def read(line: bytes) -> dict[str, Any]:
    """Return the content of a line.

    Args:
        line: The line with its line end.

    Raises:
        DamagedLineError: The line differs from the one that was written.
    """
    start = len(_OPENING) + _DIGITS
    rest = b"{" + line[start + len(_CLOSING) : -1]
    framed = line.startswith(_OPENING) and line[start : start + len(_CLOSING)] == _CLOSING and line.endswith(b"\n")
    if not framed or line[len(_OPENING) : start] != hashlib.sha256(rest).hexdigest().encode():
        raise DamagedLineError("its checksum does not match")
    try:
        content = json.loads(rest)
    except (ValueError, RecursionError):  # a checksum that matches does not prove that the rest is JSON
        raise DamagedLineError("it is not JSON") from None
    if not isinstance(content, dict):
        raise DamagedLineError("it is not a JSON object")
    return content


def may_begin(start: bytes) -> bool:
    """Return whether a file with this beginning may be a shard whose first line is incomplete."""
    return start.startswith(_OPENING) or _OPENING.startswith(start)

"""Checksums of rows: SQLite sees damage to the structure of its file, not to the numbers and texts in it.

A row's checksum is a sum over its columns of a factor times the value's bits, modulo 2**64 (multilinear hashing,
Lemire and Kaser 2014). Factors are odd and made from the column's name, so that one changed bit always changes the sum,
and columns may come in any order. A missing value adds nothing, nor does the value that stands in for a column in
older rows. So a column that a later version adds leaves the checksums of old rows as they are.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any

from longlag.store import schema
from longlag.store.schema import CHECKSUM, Column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MODULUS = 2**64


@dataclass(frozen=True)
class _Term:
    """The term of a column in the checksum of a row.

    Attributes:
        name: The column's name.
        kind: The type of its values.
        stands_in: The value that adds nothing.
        factor: The factor by which the bits of a value are multiplied.
        presence: A number that is added wherever there is a value.
    """

    name: str
    kind: type
    stands_in: str | float | None
    factor: int
    presence: int

    @classmethod
    def of(cls, name: str, column: Column) -> "_Term":
        factor, presence = struct.unpack("<QQ", hashlib.sha256(name.encode()).digest()[:16])
        return cls(name, _KINDS[column.kind], column.stands_in, factor | 1, presence)

    def of_text(self, text: Any) -> int:
        """Return what a text adds; a value of another type adds what no text can add."""
        if text is None or text == self.stands_in:
            return 0
        return (self.factor * (_text_bits(text) if type(text) is str else -1) + self.presence) % _MODULUS


_KINDS = {"REAL": float, "INTEGER": int, "TEXT": str}
_TERMS = {
    table: [_Term.of(name, column) for name, column in schema.TABLES[table].columns.items() if name != CHECKSUM]
    for table in schema.TABLES
}


def checksum(table: str, row: Mapping[str, Any]) -> int:
    """Return the checksum of a row before it is written.

    Args:
        table: The row's table.
        row: The row's values by column; a checksum among them is ignored.
    """
    total = 0
    for term in _TERMS[table]:
        value = row.get(term.name)
        if value is not None and value != term.stands_in:
            if term.kind is float:
                bits = _BITS(_NUMBER(value + 0.0))[0]  # SQLite knows no -0.0
            else:
                bits = int(value) if term.kind is int else _text_bits(value)
            total += term.factor * bits + term.presence
    return signed(total)


_NUMBER, _BITS = struct.Struct("<d").pack, struct.Struct("<Q").unpack


def _text_bits(text: str) -> int:
    return zlib.crc32(text.encode(errors="surrogatepass"))


_NO_VALUE = {float: math.nan, int: -(2**63)}
"""Replaces a value of another type in a column of numbers: no row holds these numbers."""


def wrong_rows(table: str, page: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the positions of the rows whose checksum does not match their values.

    Rows of older versions have no checksum and are passed over, as are pages with columns of a newer version.

    Args:
        table: The table.
        page: Rows by column, as in the file.
    """
    import numpy as np  # here: a process that only writes a store does not need it

    stored = page.get(CHECKSUM, ())
    if page.keys() > schema.TABLES[table].columns.keys() or set(stored) <= {None}:
        return []
    total = np.zeros(len(stored), dtype=np.uint64)
    for term in _TERMS[table]:
        if term.name in page:
            total += _column_sum(term, page[term.name])
    computed = total.view(np.int64).tolist()
    pairs = enumerate(zip(stored, computed, strict=True))
    return [place for place, (one, other) in pairs if one is not None and one != other]


def _column_sum(term: _Term, values: Sequence[Any]) -> "npt.NDArray[np.uint64] | int":
    """Return a column's terms in the sums of its rows."""
    import numpy as np

    kinds = set(map(type, values))
    if kinds == {NoneType}:
        return 0
    if term.kind is str:
        words = {text: term.of_text(text) for text in set(values)}
        return np.fromiter(map(words.__getitem__, values), np.uint64, len(values))
    adds = True if NoneType not in kinds else np.array([value is not None for value in values])
    if not kinds <= {term.kind}:
        values = [value if type(value) is term.kind else _NO_VALUE[term.kind] for value in values]
    numbers = np.array(values, dtype=np.float64 if term.kind is float else np.int64)
    if term.stands_in is not None:
        adds &= numbers != term.stands_in
    bits = (numbers + 0.0 if term.kind is float else numbers).view(np.uint64)
    return np.where(adds, np.uint64(term.factor) * bits + np.uint64(term.presence), np.uint64(0))


def curve_checksum(checksums: Iterable[int]) -> int:
    """Return the checksum of a curve from those of its points, so that a lost point is seen."""
    return signed(sum(checksums))


def signed(number: int) -> int:
    """Return a number modulo 2**64 as SQLite holds it.

    >>> signed(3), signed(2**64 - 1)
    (3, -1)
    """
    rest = number % _MODULUS
    return rest - _MODULUS if rest >= _MODULUS // 2 else rest

"""Reads the rows of an SQLite file without SQLite, page by page, so that damage to one page costs no other.

It knows the part of the file format (https://www.sqlite.org/fileformat2.html) that tables WITHOUT ROWID use: their rows
are the cells of index pages, inner ones included, and long rows go on in chains of overflow pages. A cell that cannot
be read as a row is passed over. Only a row's checksum can say whether the row is as it was written.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

Value = int | float | str | None
_HEADER_BYTES = 100
_INDEX_LEAF, _INDEX_INNER = 0x0A, 0x02
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_REAL, _ZERO, _ONE, _FIRST_TEXT = 7, 8, 9, 12
_UNREADABLE = (IndexError, ValueError, struct.error)


def rows_in(content: bytes) -> Iterator[tuple[Value, ...]]:
    """Yield the values of every row that can be read, in no particular order; columns of the primary key come first.

    Args:
        content: The file's bytes.
    """
    if len(content) < _HEADER_BYTES:
        return
    size = int.from_bytes(content[16:18])
    size = size if size in (512, 1024, 2048, 4096, 8192, 16384, 32768) else 65536 if size == 1 else 4096
    file = _File(content, size, size - content[20])
    for number in range(1, len(content) // size + 1):
        yield from file.rows_of(number)


@dataclass(frozen=True)
class _File:
    """A file of pages.

    Attributes:
        content: Its bytes.
        size: Bytes of a page.
        usable: Bytes of a page that SQLite uses.
    """

    content: bytes
    size: int
    usable: int

    def rows_of(self, number: int) -> Iterator[tuple[Value, ...]]:
        """Yield the rows in a page, if it is an index page."""
        page = self._page(number)
        kind = page[0] if number > 1 else 0  # the first page holds the schema
        if kind not in (_INDEX_LEAF, _INDEX_INNER):
            return
        pointers = 8 if kind == _INDEX_LEAF else 12
        before = 0 if kind == _INDEX_LEAF else 4  # the number of a child
        for place in range(min(int.from_bytes(page[3:5]), (self.size - pointers) // 2)):
            pointer = pointers + 2 * place
            try:
                payload = self._payload(page, int.from_bytes(page[pointer : pointer + 2]) + before)
                yield _values(payload)
            except _UNREADABLE:
                continue

    def _page(self, number: int) -> bytes:
        return self.content[(number - 1) * self.size : number * self.size]

    def _payload(self, page: bytes, start: int) -> bytes:
        """Return the bytes of a cell's row.

        Raises:
            IndexError: The cell does not lie within the page.
            ValueError: Its chain of overflow pages ends too early.
        """
        length, start = _varint(page, start)
        most, least = ((self.usable - 12) * 64 // 255) - 23, ((self.usable - 12) * 32 // 255) - 23
        if length <= most:
            return _part(page, start, length)
        here = least + (length - least) % (self.usable - 4)
        here = here if here <= most else least
        parts, following = [_part(page, start, here)], int.from_bytes(_part(page, start + here, 4))
        missing = length - here
        while missing > 0:
            if not 1 < following <= len(self.content) // self.size:
                raise ValueError("the chain leads out of the file")
            overflow = self._page(following)
            parts.append(overflow[4 : min(self.usable, 4 + missing)])
            missing -= self.usable - 4
            following = int.from_bytes(overflow[:4])
        return b"".join(parts)


def _part(page: bytes, start: int, length: int) -> bytes:
    part = page[start : start + length]
    if len(part) < length:
        raise IndexError("the page ends too early")
    return part


def _varint(content: bytes, start: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it: seven bits of each byte, eight of the ninth.

    >>> _varint(bytes([0x81, 0x00]), 0)
    (128, 2)
    """
    number = 0
    for place in range(start, start + 8):
        number = number << 7 | content[place] & 0x7F
        if content[place] < 0x80:
            return number, place + 1
    return number << 8 | content[start + 8], start + 9


def _values(row: bytes) -> tuple[Value, ...]:
    """Return the values of a row.

    Raises:
        IndexError: The row is shorter than it says.
        ValueError: A text is not UTF-8, or a value is of a kind that no store holds.
    """
    end, place = _varint(row, 0)
    values, start = list[Value](), end
    while place < end:
        kind, place = _varint(row, place)
        value, start = _value(row, start, kind)
        values.append(value)
    return tuple(values)


def _value(row: bytes, start: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, start
    if kind in _INTEGERS:
        length = _INTEGERS[kind]
        return int.from_bytes(_part(row, start, length), signed=True), start + length
    if kind == _REAL:
        (number,) = struct.unpack(">d", _part(row, start, 8))
        return number, start + 8
    if kind in (_ZERO, _ONE):
        return kind - _ZERO, start
    if kind <= _FIRST_TEXT or kind % 2 == 0:
        raise ValueError("no store holds blobs")
    length = (kind - _FIRST_TEXT) // 2
    return _part(row, start, length).decode(), start + length

"""Recovers the rows of a damaged store that can be read and are as they were written; the damaged file is kept.

Rows are read page by page, past the damage. A trial is recovered where its checksum and that of its curve match, so
that no recovered trial is guessed or incomplete; the next run trains the others again.

Rows of versions without checksums are compared with older hashes: a trial's key is a hash of its setting, its
fingerprint a hash of its status, its updates and its curve. Where both match, the trial is recovered, again without a
checksum, and is counted among those whose other numbers could not be checked. Plans and frames of lenses have no such
hash: the next run makes them again.
"""

import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from longlag.store import schema
from longlag.store.checks import checksum
from longlag.store.file import DamagedStoreError, Lock, StoreError, connect, explained, sync_folder
from longlag.store.pages import rows_in
from longlag.store.schema import CHECKSUM
from longlag.store.store import Store
from longlag.values.trial import fingerprint_of

_OF_TRIALS = ("measurements", "lenses")
"""Tables whose rows belong to a trial."""
_HASHED = ("trials", "measurements")
"""Tables whose rows are compared with a trial's key and fingerprint where they have no checksum."""
_NO_VALUE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""The errors that a value raises if it does not belong in its column."""


@dataclass(frozen=True)
class Recovered:
    """The outcome of a recovery.

    Attributes:
        aside: The file that holds the damaged store now; None where it was sound and nothing was done.
        trials: How many trials are stored.
        planned: How many trials the plan holds; None where the plan could not be read as a whole.
        missing: How many of the plan's trials are not stored.
        unchecked: How many of the stored trials have no checksum, since an older version wrote them.
    """

    aside: Path | None
    trials: int
    planned: int | None
    missing: int
    unchecked: int = 0


def recover(path: Path) -> Recovered:
    """Replace a damaged store by a new one that holds its undamaged rows, and keep the damaged file beside it.

    Args:
        path: The store's file.

    Raises:
        StoreError: The file is of a newer version or not a store, another run is writing it, or the disk has no room
            for the new one. The file is left as it is.
    """
    if path.is_symlink():
        raise StoreError(f"{path} is a link: recover the store that it leads to")
    lock = Lock(path)
    try:
        if _is_sound(path):
            return _counted(path, None)
        part = path.with_suffix(".part")
        try:
            _remove(part)  # left by a recovery that was killed
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))  # not through a link
            _write_readable(path, part)
            return _counted(path, _exchange(path, part))
        finally:
            _remove(part)
    except OSError as error:
        raise StoreError(f"{path} cannot be recovered: {error.strerror}; it was left as it is") from error
    finally:
        lock.release()


def _is_sound(path: Path) -> bool:
    """Return whether structure, rows and curves are as they were written."""
    try:
        with Store.open_for_reading(path) as store:
            store.verify()
    except DamagedStoreError:
        return False
    return True


def _write_readable(path: Path, part: Path) -> None:
    """Write a new store, into an empty file, of what can be read of a damaged one."""
    with explained(part), Store.open_for_writing(part, locked=False) as store, store.together():
        doubtful = set[str]()
        for table, row in _sound_rows(path.read_bytes(), _orders(path)):
            if not store.put(table, row):  # two different rows of one key: nothing says which is later
                doubtful.add(str(row[schema.TABLES[table].key[0]]))
        _remove_incomplete(store, doubtful)


def _sound_rows(content: bytes, orders: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, schema.Row]]:
    """Yield each row whose checksum matches, or that may come from an older version, with its table.

    Args:
        content: The file's bytes.
        orders: The columns of each table, in the order of its rows.
    """
    for values in rows_in(content):
        for table, order in orders.items():
            if len(values) <= len(order):  # later columns may be missing
                row = dict(zip(order, values, strict=False))
                if _fits(table, row):
                    yield table, row
                    break


def _fits(table: str, row: schema.Row) -> bool:
    if row.get(CHECKSUM) is None:
        return table in _HASHED and _has_kinds(table, row)
    try:
        return bool(row[CHECKSUM] == checksum(table, row))
    except _NO_VALUE:
        return False


def _has_kinds(table: str, row: schema.Row) -> bool:
    """Return whether each value is of the kind of its column."""
    full = schema.stand_ins(table, row) | row
    columns = schema.TABLES[table].columns
    return all(columns[name].admits(value) for name, value in full.items())


def _orders(path: Path) -> dict[str, list[str]]:
    """Return the columns of each table in the order of the file's rows: by its schema, if that can be read."""
    in_schema = dict[str, list[str]]()
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(connect(path, "ro")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # so that a file that was cut off is opened
        for table in schema.TABLES:
            rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            in_schema[table] = [row["name"] for row in rows]
    return {table: _order(table, in_schema.get(table, [])) for table in schema.TABLES}


def _order(table: str, columns: Sequence[str]) -> list[str]:
    """Return columns with those of the key first; if they cannot be a store's, those of this version."""
    known, key = schema.TABLES[table].columns, schema.TABLES[table].key
    if not set(key) <= set(columns) <= known.keys():
        columns = list(known)
    return [*key, *(name for name in columns if name not in key)]


def _remove_incomplete(store: Store, doubtful: Collection[str]) -> None:
    """Remove trials with incomplete curves, curves and frames without their trial, and a plan that lacks a row.

    Args:
        store: The new store.
        doubtful: Keys of which the damaged store holds several different rows.
    """
    wrong = store.wrong_curves() | _unlike_their_hashes(store) | set(doubtful)
    keys = {table: {key for page in store.pages(table) for key in page["key"]} for table in ("trials", *_OF_TRIALS)}
    lost = wrong | (keys["measurements"] | keys["lenses"]) - keys["trials"]
    for table in keys:
        store.remove(table, lost)
    if not store.plan_is_whole():
        store.forget_plan()


def _unlike_their_hashes(store: Store) -> set[str]:
    """Return the keys of trials without a checksum whose key or fingerprint is not the hash of the stored values."""
    return {key for key in _without_checksum(store) if not _fits_hashes(store, key)}


def _without_checksum(store: Store) -> list[str]:
    pairs = (zip(page["key"], page[CHECKSUM], strict=True) for page in store.pages("trials"))
    return [key for page in pairs for key, one in page if one is None]


def _fits_hashes(store: Store, key: str) -> bool:
    try:
        one = store.result(key)
    except _NO_VALUE:
        return False
    assert one is not None
    return one.trial.key == key and one.fingerprint == fingerprint_of(one.status, one.updates, one.measurements)


def _exchange(path: Path, part: Path) -> Path:
    """Put a new file in a store's place, and return the new path of the old one."""
    numbers = count(1)
    while True:
        aside = path.with_name(f"{path.stem}.damaged-{next(numbers)}{path.suffix}")
        try:
            os.link(path, aside)
            break
        except FileExistsError:
            continue
    if _journal(path).exists():
        _journal(path).rename(_journal(aside))
    part.replace(path)
    sync_folder(path.parent)
    return aside


def _remove(part: Path) -> None:
    for file in (part, _journal(part)):
        file.unlink(missing_ok=True)


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _counted(path: Path, aside: Path | None) -> Recovered:
    with Store.open_for_reading(path) as store:
        stored = store.stored().keys()
        planned = {row["key"] for row in store.plan()}
        unchecked = len(_without_checksum(store))
    return Recovered(aside, len(stored), len(planned) or None, len(planned - stored), unchecked)

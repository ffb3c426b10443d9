"""The file of a store: opening it, checking it, explaining its errors, and the lock for writing."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from longlag.store import schema

_BUSY_SECONDS = 30.0
_FIRST_TABLES = {"about", "plan", "trials", "measurements"}
"""The tables of every store; later tables may be missing in an older one."""
_REFUSED = (errno.EACCES, errno.EAGAIN)


class StoreError(Exception):
    """The store cannot be used: its message is one line that names the file and the reason."""


class DamagedStoreError(StoreError):
    """The file is not as it was written."""

    def __init__(self, path: Path, what: str) -> None:
        study = path.resolve().parent.name
        super().__init__(f"{path} is damaged and was left as it is: {what} (longlag recover {study} saves the rest)")


class NoLocksError(StoreError):
    """The file system has no locks."""


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file in SQLite's mode ``ro``, ``rw`` or ``rwc``; the caller begins and ends transactions."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def empty() -> sqlite3.Connection:
    """Open a store without rows, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    create(connection)
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables."""
    for name, table in schema.TABLES.items():
        connection.execute(table.statement(name))
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def complete(connection: sqlite3.Connection) -> None:
    """Add the tables and columns that a file of an older version lacks."""
    for name, table in schema.TABLES.items():
        held = {row["name"] for row in connection.execute(f"PRAGMA table_info({name})")}
        if not held:
            connection.execute(table.statement(name))
            continue
        for column in [column for column in table.columns if column not in held]:
            connection.execute(f'ALTER TABLE {name} ADD COLUMN "{column}" {table.columns[column].definition}')


def is_fresh(path: Path, connection: sqlite3.Connection, verify: bool = True) -> bool:
    """Refuse a file that is not a sound store of a known version; return whether it has no tables yet.

    Args:
        path: The file, for messages.
        connection: A connection to it.
        verify: Look for damage, which reads the whole file.

    Raises:
        DamagedStoreError: The file is damaged.
        StoreError: The file is newer than this program, or not a store.
    """
    connection.execute("BEGIN")  # in one transaction, since a run may be making the tables
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        raise StoreError(
            f"{path} was written by a newer longlag (store version {version}, this one knows {schema.VERSION})"
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if verify else "ok"
    if verdict != "ok":
        raise DamagedStoreError(path, " ".join(verdict.split()))
    tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.execute("COMMIT")
    if version == 0 and not tables:
        return True
    if version != 0 and tables >= _FIRST_TABLES:
        return False
    if len(tables & _FIRST_TABLES) > 1:
        raise DamagedStoreError(path, "a table or the version is not as it was written")
    raise StoreError(f"{path} is not a longlag store and was left as it is")


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close the connection if the body raises."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that names the file.

    Raises:
        DamagedStoreError: SQLite found damage.
        StoreError: SQLite raised in the body for another reason.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite's message quotes a damaged statement
        raise DamagedStoreError(path, "a text in it cannot be decoded") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & 0xFF in _DAMAGED or str(error).startswith(_NO_TEXT):
            raise DamagedStoreError(path, str(error)) from error
        reason = _REASONS.get(code) or _REASONS.get(code & 0xFF, "cannot be used")  # the low byte is the primary code
        raise StoreError(f"{path} {reason} ({error})") from error


_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_NO_TEXT = "Could not decode to UTF-8"
_REASONS = {
    sqlite3.SQLITE_READONLY_DBMOVED: "was moved or removed while it was written",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; earlier results are kept",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_BUSY: "is held by another program",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
}


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the name of a new file is on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class Lock:
    """The exclusive lock for writing a store; the system releases it when the process ends, however it ends.

    It is a POSIX record lock, which no child process inherits: workers may outlive a killed coordinator for a moment.
    It does not exclude a second lock of the same process, hence `_held`.
    """

    _held: ClassVar[set[Path]] = set()

    def __init__(self, store: Path) -> None:
        self._path = store.resolve().with_suffix(".lock")
        if self._path in self._held:
            raise StoreError(f"{store} is being written by a run of this process")
        try:
            store.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(f"{store} cannot be written: {error.strerror} ({error.filename})") from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 20).decode(errors="replace")
            os.close(self._file)
            if error.errno not in _REFUSED:
                raise NoLocksError(f"{store} cannot be locked: {error.strerror}") from error
            raise StoreError(f"{store} is being written by another run (process {holder or 'unknown'})") from error
        self._held.add(self._path)
        with suppress(OSError):  # a full disk; the number is only for the message above
            os.ftruncate(self._file, 0)
            os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let another run write."""
        self._held.discard(self._path)
        os.close(self._file)

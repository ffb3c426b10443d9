"""Where results are kept: one SQLite file a study, with one writer.

A result is in the file whole or not at all, whatever kills the process: rollback journal (WAL has a corruption
bug in SQLite versions that many Pythons link) and full synchronisation. Reading never blocks a run for long,
since readers take a page at a time. Rows come out by key, so that nothing depends on the order of arrival.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longlag.store import schema
from longlag.store.file import Lock, StoreError, closed_on_error, complete, connect, create, empty, explained, is_fresh
from longlag.store.schema import Facts, Row
from longlag.values.trial import Status, Trial, TrialResult

__all__ = ["COMMIT_SECONDS", "Columns", "Store", "StoreError", "Stored", "store_path"]

COMMIT_SECONDS = 0.5
"""The longest a finished result waits for its commit; what a kill can cost is those that wait."""
_PAGE = 5000

Columns = dict[str, Sequence[Any]]
"""Rows of a table, by column; as in the file, so that JSON is text."""


@dataclass(frozen=True)
class Stored:
    """What a plan needs to know of a stored row."""

    status: Status
    source: str | None
    has_network: bool
    """As `TrialResult.has_network`."""


def store_path(study: str, results: str | Path = "results") -> Path:
    """Return the file of a study."""
    return Path(results) / study / "store.sqlite"


class Store:
    """An open store. Use `open_for_reading` or `open_for_writing`, in a ``with`` statement."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: Lock | None = None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._waiting: list[tuple[TrialResult, Facts]] = []
        self.waiting_since: float | None = None
        """When the oldest result that is not yet committed came (`time.monotonic`); None where none waits."""

    @classmethod
    def open_for_reading(cls, path: Path, verify: bool = True) -> Self:
        """Open an existing store.

        Args:
            path: The file.
            verify: Look for damage; a run that has just written it has looked.

        Raises:
            StoreError: There is none, it is damaged, newer than this program or no store at all.
        """
        with explained(path):
            # Not mode=ro: what a killed run left half written is rolled back by whoever comes next, readers too.
            connection = connect(path, "rw")
            with closed_on_error(connection):
                fresh = is_fresh(path, connection, verify)
                connection.execute("PRAGMA query_only = ON")
            if fresh:  # a run was killed before it made the tables: the same as a store without rows
                connection.close()
                connection = empty()
        return cls(path, connection)

    @classmethod
    def open_for_writing(cls, path: Path) -> Self:
        """Open a store as its one writer; make it, and its folder, where it is missing.

        Raises:
            StoreError: Another run is writing it, it cannot be written, or the reasons of `open_for_reading`.
        """
        lock = Lock(path)
        try:
            with explained(path):
                connection = connect(path, "rwc")
                with closed_on_error(connection):
                    fresh = is_fresh(path, connection)
                    connection.execute("PRAGMA journal_mode = DELETE")
                    connection.execute("PRAGMA synchronous = FULL")
                    store = cls(path, connection, lock)
                    with store._transaction():  # also where nothing is missing: a read-only file says so now
                        create(connection) if fresh else complete(connection)
        except BaseException:
            lock.release()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, StoreError):  # an interrupted run keeps what is finished
                self.flush()
        finally:
            self._connection.close()
            if self._lock:
                self._lock.release()

    def add(self, result: TrialResult, facts: Facts) -> None:
        """Take a finished result; it is in the file after the next `flush`.

        A row of the same key is replaced with its curve; but what failed or timed out never replaces a result.
        """
        self._waiting.append((result, facts))
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def flush_if_due(self) -> None:
        """Commit once the oldest waiting result has waited for `COMMIT_SECONDS`."""
        if self.waiting_since is not None and time.monotonic() - self.waiting_since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit whatever waits, in one transaction.

        Raises:
            StoreError: It could not be written; the file is as before and the results still wait.
        """
        if self._waiting:
            self.take(self._waiting)
            self._waiting.clear()
            self.waiting_since = None

    def take(self, results: Iterable[tuple[TrialResult, Facts]], without: Collection[str] = ()) -> None:
        """Remove rows by key and store results, as `add` does: all of it in one transaction, or nothing."""
        with explained(self.path), self._transaction():
            for table in ("trials", "measurements"):
                self._connection.executemany(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in without])
            for result, facts in results:
                self._replace(result, facts)

    def write_plan(self, title: str, planned: Sequence[tuple[Trial, Facts]]) -> None:
        """Replace the plan by that of the run that begins; where it is the same, its rows stay."""
        digest = _digest(planned)
        with explained(self.path), self._transaction():
            self._note("title", title)
            if self._noted("plan") == digest:
                return
            self._note("plan", digest)
            self._connection.execute("DELETE FROM plan")
            for position, (trial, facts) in enumerate(planned):
                self._insert("plan", schema.planned_row(trial, facts) | {"position": position})

    def title(self) -> str:
        """Return the title of the study last run; empty before its plan was written."""
        return self._noted("title")

    def plan(self) -> list[Row]:
        """Return the plan last run, in its order."""
        return sorted(self._read("plan"), key=lambda row: row["position"])

    def trials(self) -> list[Row]:
        """Return every stored row, by key, whether planned or not."""
        return list(self._read("trials"))

    def measurements(self) -> Iterator[Row]:
        """Yield every curve's points, by key and update."""
        return self._read("measurements")

    def pages(self, table: str) -> Iterator[Columns]:
        """Yield a table of `schema.TABLES` by key, a page at a time; where it is empty, one empty page.

        What the file is too old to hold is filled in: a table, too, which is empty then.
        """
        if not self._rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", table):
            yield dict.fromkeys(schema.TABLES[table].columns, ())
            return
        order = schema.TABLES[table].key
        names = ", ".join(f'"{name}"' for name in order)
        after = f"WHERE ({names}) > ({', '.join('?' * len(order))})"
        page = self._columns(f"SELECT * FROM {table} ORDER BY {names} LIMIT {_PAGE}")
        yield _completed(page, table)
        while len(page["key"]) == _PAGE:
            last = [page[name][-1] for name in order]
            page = self._columns(f"SELECT * FROM {table} {after} ORDER BY {names} LIMIT {_PAGE}", *last)
            yield _completed(page, table)

    def stored(self) -> dict[str, Stored]:
        """Return what a plan needs to know of every stored row, by key."""
        found = {}
        for row in self._rows("SELECT key, status, source, diverged_at FROM trials ORDER BY key"):
            status = Status(row["status"])
            found[row["key"]] = Stored(status, row["source"], status.has_network and row["diverged_at"] is None)
        return found

    def durations(self, keys: Sequence[str]) -> dict[str, tuple[int, float, str | None]]:
        """Return updates done, seconds and processor of those rows, by key, that know them."""
        rows = self._rows(
            f"SELECT key, updates, wall_seconds, environment FROM trials WHERE key IN ({', '.join('?' * len(keys))})",
            *keys,
        )
        known = [row for row in rows if row["updates"] and row["wall_seconds"]]
        return {row["key"]: (row["updates"], row["wall_seconds"], row["environment"].get("cpu")) for row in known}

    def fingerprints(self) -> dict[str, str | None]:
        """Return the fingerprint of every stored row, by key; None where the row is older than fingerprints."""
        return {
            key: mark
            for page in self.pages("trials")
            for key, mark in zip(page["key"], page["fingerprint"], strict=True)
        }

    def result(self, key: str) -> TrialResult | None:
        """Return a stored result with its curve."""
        rows = self._rows("SELECT * FROM trials WHERE key = ?", key)
        curve = self._rows('SELECT * FROM measurements WHERE key = ? ORDER BY "update"', key)
        if not rows:
            return None
        return schema.result_from(_whole("trials", rows[0]), [_whole("measurements", row) for row in curve])

    def _note(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _noted(self, name: str) -> str:
        """Return a text of the table ``about``; empty where there is none."""
        rows = self._rows("SELECT value FROM about WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

    def _replace(self, result: TrialResult, facts: Facts) -> None:
        key = result.trial.key
        before = self._connection.execute("SELECT status FROM trials WHERE key = ?", (key,)).fetchone()
        if before and Status(before["status"]).is_result and not result.status.is_result:
            return
        self._connection.execute("DELETE FROM measurements WHERE key = ?", (key,))
        self._insert("trials", schema.result_row(result, facts))
        for row in schema.measurement_rows(result):
            self._insert("measurements", row)

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        columns = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        self._connection.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({values})", row)

    def _rows(self, query: str, *values: object) -> list[Row]:
        with explained(self.path):
            return [schema.decoded(dict(row)) for row in self._connection.execute(query, values).fetchall()]

    def _columns(self, query: str, *values: object) -> Columns:
        with explained(self.path):
            cursor = self._connection.cursor()
            cursor.row_factory = None  # tuples
            rows = cursor.execute(query, values).fetchall()
        names = [column[0] for column in cursor.description]
        return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))

    def _read(self, table: str) -> Iterator[Row]:
        for page in self.pages(table):
            for values in zip(*page.values(), strict=True):
                yield schema.decoded(dict(zip(page, values, strict=True)))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
            raise


def _digest(planned: Sequence[tuple[Trial, Facts]]) -> str:
    """Hash the rows of a plan, in their order; facts that trials share are written once."""
    digest, texts = hashlib.sha256(), dict[int, bytes]()
    for trial, facts in planned:
        if id(facts) not in texts:
            texts[id(facts)] = json.dumps(facts, sort_keys=True).encode()
        digest.update(trial.key.encode() + texts[id(facts)])
    return digest.hexdigest()


def _completed(page: Columns, table: str) -> Columns:
    count = len(page["key"])
    return {name: [value] * count for name, value in schema.stand_ins(table, page).items()} | page


def _whole(table: str, row: Row) -> Row:
    return schema.stand_ins(table, row) | row

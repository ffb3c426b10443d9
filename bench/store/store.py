"""The store of results: one SQLite file per study, with one writer.

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
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longlag.store import schema
from longlag.store.checks import checksum, curve_checksum
from longlag.store.file import Lock, StoreError, closed_on_error, complete, connect, create, empty, explained, is_fresh
from longlag.store.reading import OF_PLAN, Columns, Reading, Stored
from longlag.store.schema import Facts
from longlag.values.frames import Frame
from longlag.values.trial import Status, Trial, TrialResult

__all__ = ["COMMIT_SECONDS", "Columns", "Store", "StoreError", "Stored", "store_path"]

COMMIT_SECONDS = 0.5
"""The longest that a finished result waits for its commit; a kill can lose only results that wait."""


def store_path(study: str, results: str | Path = "results") -> Path:
    """Return the file of a study."""
    return Path(results) / study / "store.sqlite"


class Store(Reading):
    """An open store. Use `open_for_reading` or `open_for_writing`, in a ``with`` statement."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: Lock | None = None) -> None:
        super().__init__(path, connection)
        self._lock = lock
        self._waiting: list[tuple[TrialResult, Facts]] = []
        self.waiting_since: float | None = None
        """When the oldest result that is not yet committed came (`time.monotonic`); None where none waits."""

    @classmethod
    def open_for_reading(cls, path: Path, verify: bool = True) -> Self:
        """Open an existing store.

        Args:
            path: The file.
            verify: Look for damage; not needed after a run that has just written it.

        Raises:
            StoreError: The file is missing, damaged, newer than this program or not a store.
        """
        with explained(path):
            # Not mode=ro: whoever opens the file next, a reader too, rolls back what a killed run left half written.
            connection = connect(path, "rw")
            with closed_on_error(connection):
                fresh = is_fresh(path, connection, verify)
                connection.execute("PRAGMA query_only = ON")
            if fresh:  # a run was killed before it made the tables: the same as a store without rows
                connection.close()
                connection = empty()
        return cls(path, connection)

    @classmethod
    def open_for_writing(cls, path: Path, locked: bool = True) -> Self:
        """Open a store as its one writer; make it, and its folder, where it is missing.

        Args:
            path: The file.
            locked: Lock it against other writers; a file whose name nobody else knows needs no lock.

        Raises:
            StoreError: Another run is writing it, it cannot be written, or the reasons of `open_for_reading`.
        """
        lock = Lock(path) if locked else None
        try:
            with explained(path):
                connection = connect(path, "rwc")
                with closed_on_error(connection):
                    fresh = is_fresh(path, connection)
                    connection.execute("PRAGMA journal_mode = DELETE")
                    connection.execute("PRAGMA synchronous = FULL")
                    connection.execute("PRAGMA secure_delete = ON")  # so that what was removed is not recovered
                    store = cls(path, connection, lock)
                    with store.together():  # also where nothing is missing, so that a read-only file is refused now
                        create(connection) if fresh else complete(connection)
        except BaseException:
            if lock:
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

        It replaces a row of the same key with its curve, and removes frames of lenses for a network of another
        fingerprint; but a failure or timeout never replaces a result. A failure after a failure counts as a further run
        in which the trial failed.
        """
        self._waiting.append((result, facts))
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def flush_if_due(self) -> None:
        """Commit once the oldest waiting result has waited for `COMMIT_SECONDS`."""
        if self.waiting_since is not None and time.monotonic() - self.waiting_since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit all waiting results, in one transaction.

        Raises:
            StoreError: The file could not be written; it is as before, and the results still wait.
        """
        if self._waiting:
            with explained(self.path), self.together():
                for result, facts in self._waiting:
                    self._replace(result, facts, further_run=True)
            self._waiting.clear()
            self.waiting_since = None

    def take(self, results: Iterable[tuple[TrialResult, Facts]], without: Collection[str] = ()) -> None:
        """Remove rows by key and store results of other runs, all in one transaction.

        Args:
            results: The results, with the facts of their trials.
            without: Keys of the rows to remove.
        """
        with explained(self.path), self.together():
            for table in ("trials", "measurements"):
                self.remove(table, without)
            for result, facts in results:
                self._replace(result, facts, further_run=False)

    def write_plan(self, title: str, planned: Sequence[tuple[Trial, Facts]]) -> None:
        """Replace the plan by that of the run that begins; where it is the same, its rows stay."""
        digest = _digest(planned)
        with explained(self.path), self.together():
            self._note("title", title)
            if self._noted("plan") == digest:
                return
            self._note("plan", digest)
            self._connection.execute("DELETE FROM plan")
            rows = (schema.planned_row(*of) | {"position": position} for position, of in enumerate(planned))
            self._note(OF_PLAN, str(curve_checksum(self._insert("plan", row) for row in rows)))

    def add_frames(self, frames: Mapping[str, Sequence[Frame]]) -> None:
        """Commit frames of lenses for stored networks, by key; a frame of the same lens and phase is replaced."""
        with explained(self.path), self.together():
            for key, frames_of_trial in frames.items():
                self._put_frames(key, frames_of_trial)

    def put(self, table: str, row: schema.Row) -> bool:
        """Insert a row in the form of the file; if its key has a different row, leave that one and return False."""
        key = schema.TABLES[table].key
        match = " AND ".join(f'"{name}" = ?' for name in key)
        values = [row[name] for name in key]
        held = self._connection.execute(f"SELECT * FROM {table} WHERE {match}", values).fetchone()
        if not held:
            self._connection.execute(_insertion(table, tuple(row)), row)
        return not held or dict(held) == dict(held) | row

    def remove(self, table: str, keys: Iterable[str]) -> None:
        """Remove the rows of some trials from a table."""
        self._connection.executemany(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in keys])

    def forget_plan(self) -> None:
        """Remove the plan; the next run writes its own."""
        self._connection.execute("DELETE FROM plan")
        self._connection.executemany("DELETE FROM about WHERE name = ?", [("plan",), (OF_PLAN,)])

    def _put_frames(self, key: str, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._insert("lenses", schema.frame_row(key, frame))

    def _note(self, name: str, value: str) -> None:
        self._insert("about", {"name": name, "value": value})

    def _replace(self, result: TrialResult, facts: Facts, further_run: bool) -> None:
        key, counted = result.trial.key, f"status, fingerprint, {schema.RUNS_FAILED}"
        before = self._connection.execute(f"SELECT {counted} FROM trials WHERE key = ?", (key,)).fetchone()
        failed_before = 0
        if before and not Status(before["status"]).is_result:
            failed_before = before[schema.RUNS_FAILED] or 1
        elif before and not result.status.is_result:
            return
        failed = None if result.status.is_result else max(1, failed_before + further_run)
        self._connection.execute("DELETE FROM measurements WHERE key = ?", (key,))
        if before and before["fingerprint"] != result.fingerprint:  # the frames are of another network
            self._connection.execute("DELETE FROM lenses WHERE key = ?", (key,))
        curve = [self._insert("measurements", row) for row in schema.measurement_rows(result)]
        of_the_store = {schema.RUNS_FAILED: failed, schema.CURVE_CHECKSUM: curve_checksum(curve)}
        self._insert("trials", schema.result_row(result, facts) | of_the_store)
        self._put_frames(key, result.frames)

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Put a row into a table, in place of one with the same key, and return its checksum."""
        checked = checksum(table, row)
        row = {**row, schema.CHECKSUM: checked}
        self._connection.execute(_insertion(table, tuple(row)), row)
        return checked

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit everything that the body writes, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
            raise


@cache
def _insertion(table: str, names: tuple[str, ...]) -> str:
    """Return the statement that puts a row of some columns into a table."""
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({values})"


def _digest(planned: Sequence[tuple[Trial, Facts]]) -> str:
    """Hash the rows of a plan, in their order; facts that trials share are written once."""
    digest, texts = hashlib.sha256(), dict[int, bytes]()
    for trial, facts in planned:
        if id(facts) not in texts:
            texts[id(facts)] = json.dumps(facts, sort_keys=True).encode()
        digest.update(trial.key.encode() + texts[id(facts)])
    return digest.hexdigest()

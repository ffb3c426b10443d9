"""Reads an open store: rows by key, a page at a time, so that no reader blocks a run for long."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longlag.store import schema
from longlag.store.file import explained
from longlag.store.schema import Row
from longlag.values.trial import Status, TrialResult

_PAGE = 5000

Columns = dict[str, Sequence[Any]]
"""Rows of a table, by column; as in the file, so that JSON is text."""


@dataclass(frozen=True)
class Stored:
    """The fields of a stored row that a plan compares."""

    status: Status
    source: str | None
    has_network: bool
    """See `TrialResult.has_network`."""


class Reading:
    """Methods that read an open store."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

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

        Columns and tables that an older file lacks are filled in; such a table is empty.
        """
        if not self._holds(table):
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
        """Return the fields of every stored row that a plan compares, by key."""
        stored = {}
        for row in self._rows("SELECT key, status, source, diverged_at FROM trials ORDER BY key"):
            status = Status(row["status"])
            stored[row["key"]] = Stored(status, row["source"], status.has_network and row["diverged_at"] is None)
        return stored

    def durations(self, keys: Sequence[str]) -> dict[str, tuple[int, float, str | None]]:
        """Return updates done, seconds and processor of the rows that have them, by key."""
        rows = self._rows(
            f"SELECT key, updates, wall_seconds, environment FROM trials WHERE key IN ({', '.join('?' * len(keys))})",
            *keys,
        )
        known = [row for row in rows if row["updates"] and row["wall_seconds"]]
        return {row["key"]: (row["updates"], row["wall_seconds"], row["environment"].get("cpu")) for row in known}

    def updates_done(self, key: str) -> int:
        """Return the updates that a stored trial took."""
        (row,) = self._rows("SELECT updates FROM trials WHERE key = ?", key)
        return int(row["updates"])

    def fingerprints(self) -> dict[str, str | None]:
        """Return the fingerprint of every stored row, by key; None where the row is older than fingerprints."""
        return {
            key: mark
            for page in self.pages("trials")
            for key, mark in zip(page["key"], page["fingerprint"], strict=True)
        }

    def looked_at(self, lenses: Mapping[str, int]) -> set[tuple[str, str, str]]:
        """Return the key, lens and phase of every stored frame of the given lenses in the given versions."""
        if not self._holds("lenses"):
            return set()
        rows = self._rows("SELECT key, lens, phase, version FROM lenses")
        return {(row["key"], row["lens"], row["phase"]) for row in rows if lenses.get(row["lens"]) == row["version"]}

    def result(self, key: str) -> TrialResult | None:
        """Return a stored result with its curve."""
        rows = self._rows("SELECT * FROM trials WHERE key = ?", key)
        curve = self._rows('SELECT * FROM measurements WHERE key = ? ORDER BY "update"', key)
        if not rows:
            return None
        return schema.result_from(_whole("trials", rows[0]), [_whole("measurements", row) for row in curve])

    def _holds(self, table: str) -> bool:
        return bool(self._rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", table))

    def _noted(self, name: str) -> str:
        """Return a text of the table ``about``; empty where there is none."""
        rows = self._rows("SELECT value FROM about WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

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


def _completed(page: Columns, table: str) -> Columns:
    count = len(page["key"])
    return {name: [value] * count for name, value in schema.stand_ins(table, page).items()} | page


def _whole(table: str, row: Row) -> Row:
    return schema.stand_ins(table, row) | row

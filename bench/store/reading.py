"""Reads an open store: rows by key, a page at a time, so that no reader blocks a run for long."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longlag.store import schema
from longlag.store.checks import curve_checksum, signed, wrong_rows
from longlag.store.file import DamagedStoreError, explained
from longlag.store.schema import Row
from longlag.values.trial import Status, TrialResult

_PAGE = 5000
OF_PLAN = "plan checksum"
"""The entry of the table ``about`` that holds the sum of the checksums of the plan's rows, so that a loss is seen."""

Columns = dict[str, Sequence[Any]]
"""Rows of a table by column. Values are as in the file: JSON is text."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The fields of a stored row that a plan compares."""

    status: Status
    source: str | None
    has_network: bool
    """See `TrialResult.has_network`."""
    runs_failed: int = 0
    """The runs in a row in which the trial failed or ran out of time."""


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

        Columns that an older file lacks are filled in; a table that it lacks is empty.

        Raises:
            DamagedStoreError: A row is not as it was written.
        """
        if not self._holds(table):
            yield dict.fromkeys(schema.TABLES[table].columns, ())
            return
        order = schema.TABLES[table].key
        names = ", ".join(f'"{name}"' for name in order)
        after = f"WHERE ({names}) > ({', '.join('?' * len(order))})"
        page = self._checked(table, self._columns(f"SELECT * FROM {table} ORDER BY {names} LIMIT {_PAGE}"))
        yield _completed(page, table)
        while len(page[order[0]]) == _PAGE:
            last = [page[name][-1] for name in order]
            page = self._columns(f"SELECT * FROM {table} {after} ORDER BY {names} LIMIT {_PAGE}", *last)
            yield _completed(self._checked(table, page), table)

    def stored(self) -> dict[str, Stored]:
        """Return the fields of every stored row that a plan compares, by key.

        Raises:
            DamagedStoreError: A stored status is not one of `Status`.
        """
        counted = schema.RUNS_FAILED if schema.RUNS_FAILED in self._held("trials") else f"NULL AS {schema.RUNS_FAILED}"
        stored, sources = dict[str, Stored](), dict[str | None, str | None]()
        query = f"SELECT key, status, source, diverged_at, {counted} FROM trials ORDER BY key"
        for key, ended, source, diverged_at, runs_failed in self._tuples(query):
            try:
                status = Status(ended)
            except ValueError:
                raise DamagedStoreError(self.path, f"trial {key} ended as {ended!r}") from None
            has_network = status.has_network and diverged_at is None
            failed = 0 if status.is_result else runs_failed or 1  # older rows do not say
            stored[key] = Stored(status, sources.setdefault(source, source), has_network, failed)
        return stored

    def durations(self, keys: Sequence[str]) -> dict[str, tuple[int, float, str | None]]:
        """Return updates done, seconds and processor by key, for trials that took updates and time.

        The processor is None where it was not noted.
        """
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
        rows = self._tuples("SELECT key, lens, phase, version FROM lenses")
        return {(key, lens, phase) for key, lens, phase, version in rows if lenses.get(lens) == version}

    def result(self, key: str) -> TrialResult | None:
        """Return a stored result with its curve."""
        rows = list(self.rows_of("trials", key))
        return schema.result_from(rows[0], list(self.rows_of("measurements", key))) if rows else None

    def rows_of(self, table: str, key: str) -> Iterator[Row]:
        """Yield the rows of one trial in a table, in their order.

        Raises:
            DamagedStoreError: A row is not as it was written.
        """
        names = ", ".join(f'"{name}"' for name in schema.TABLES[table].key)
        page = self._columns(f"SELECT * FROM {table} WHERE key = ? ORDER BY {names}", key)
        return _as_rows(_completed(self._checked(table, page), table))

    def _holds(self, table: str) -> bool:
        return bool(self._rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?", table))

    def _held(self, table: str) -> set[str]:
        """Return the columns that the file's table has."""
        return {row["name"] for row in self._rows("SELECT name FROM pragma_table_info(?)", table)}

    def _noted(self, name: str) -> str:
        """Return a text of the table ``about``; empty where there is none."""
        rows = self._rows("SELECT value FROM about WHERE name = ?", name)
        return str(rows[0]["value"]) if rows else ""

    def _rows(self, query: str, *values: object) -> list[Row]:
        with explained(self.path):
            return [schema.decoded(dict(row)) for row in self._connection.execute(query, values).fetchall()]

    def verify(self) -> None:
        """Look for damaged rows, for curves that lack a point, and for a plan that lacks a trial.

        Raises:
            DamagedStoreError: Something is not as it was written.
        """
        for table in schema.TABLES:
            for _ in self.pages(table):
                pass
        if wrong := self.wrong_curves():
            raise DamagedStoreError(self.path, f"the curve of trial {min(wrong)} is not as it was written")
        if not self.plan_is_whole():
            raise DamagedStoreError(self.path, "the plan is not as it was written")

    def wrong_curves(self) -> set[str]:
        """Return the keys of trials whose curve is not as it was written; curves without a checksum are passed over."""
        sums = defaultdict[str, int](int)
        for page in self.pages("measurements"):
            for key, one in zip(page["key"], page[schema.CHECKSUM], strict=True):
                sums[key] += one or 0
        return {
            key
            for page in self.pages("trials")
            for key, of_curve in zip(page["key"], page[schema.CURVE_CHECKSUM], strict=True)
            if of_curve is not None and of_curve != signed(sums[key])
        }

    def plan_is_whole(self) -> bool:
        """Return whether the plan has all rows that were written; True for an older plan, where this is unknown."""
        noted = self._noted(OF_PLAN)
        held = curve_checksum(one or 0 for page in self.pages("plan") for one in page[schema.CHECKSUM])
        return noted in ("", str(held))

    def _checked(self, table: str, page: Columns) -> Columns:
        """Return a page of a table.

        Raises:
            DamagedStoreError: A row in it is not as it was written.
        """
        if wrong := wrong_rows(table, page):
            key = ", ".join(str(page[name][wrong[0]]) for name in schema.TABLES[table].key if name in page)
            raise DamagedStoreError(self.path, f"row {key} of table {table} is not as it was written")
        return page

    def _tuples(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield rows as tuples, JSON as text, without holding them all."""
        with explained(self.path):
            cursor = self._connection.cursor()
            cursor.row_factory = None
            yield from cursor.execute(query)

    def _columns(self, query: str, *values: object) -> Columns:
        with explained(self.path):
            cursor = self._connection.cursor()
            cursor.row_factory = None  # tuples
            rows = cursor.execute(query, values).fetchall()
        names = [column[0] for column in cursor.description]
        return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))

    def _read(self, table: str) -> Iterator[Row]:
        for page in self.pages(table):
            yield from _as_rows(page)


def _completed(page: Columns, table: str) -> Columns:
    count = len(next(iter(page.values())))
    return {name: [value] * count for name, value in schema.stand_ins(table, page).items()} | page


def _as_rows(page: Columns) -> Iterator[Row]:
    """Yield decoded rows, without their checksums."""
    content = {name: values for name, values in page.items() if name != schema.CHECKSUM}
    for values in zip(*content.values(), strict=True):
        yield schema.decoded(dict(zip(content, values, strict=True)))

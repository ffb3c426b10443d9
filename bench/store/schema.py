"""The tables of a store, and the conversion of values to rows and back.

JSON and SQL have no NaN: numbers that are not finite are stored as NULL, and ``status`` gives the reason.
"""

import json
import math
from collections.abc import Container, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

from longlag.values.axes import Axis
from longlag.values.frames import Frame
from longlag.values.trial import AXES, Measurement, Status, Transfer, Trial, TrialResult

VERSION = 1
"""Stored in the file's ``user_version``; raised when these tables change."""

Row = dict[str, Any]
Facts = Mapping[str, Any]
"""Columns of facts that follow from a trial's task and cell, in `FACTS`; a plan has those of `CHOSEN`, too."""

FACTS = ("lag", "min_lag", "baseline_error", "solved_below", "error_name", "task_options", "cell_options")
CHOSEN = ("matched", "match_target", "match_reached", "match_note", "rate_basis")
"""The target that a hidden size was picked for, and the evidence for a learning rate; NULL where they were options."""
CHECKSUM, CURVE_CHECKSUM = "checksum", "curve_checksum"
"""The columns with the checksums of a row and of a trial's curve (`longlag.store.checks`); NULL in older rows."""
RUNS_FAILED = "runs_failed"
"""The runs in a row in which a trial failed or ran out of time; NULL where it has a result, and in older rows."""
_JSON = ("task_options", "cell_options", "example", "environment", "slices", "transfer", "numbers", "parts")
_ELSEWHERE = ("trial", "measurements", "frames")
_SUMMARY = tuple(item.name for item in fields(TrialResult) if item.name not in _ELSEWHERE)
_ALWAYS_NUMBERS = ("loss", "error", "parameter_norm")  # of a measurement; NULL is read back as NaN
_SQL: Mapping[Any, str] = {int: "INTEGER", float: "REAL", str: "TEXT"}
_TYPES = {"INTEGER": int, "REAL": int | float, "TEXT": str}
"""Types of a column's values in the file; SQLite writes a whole number as an integer in a column REAL, too."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        kind: The type in SQLite: TEXT, INTEGER or REAL.
        missing: Whether a row may lack it.
        stands_in: Its value in rows of files written before it was added; a column of the first version has none.
    """

    kind: str
    missing: bool = True
    stands_in: str | float | None = None

    def admits(self, value: object) -> bool:
        """Return whether a value, as the file holds it, may be one of this column."""
        return self.missing if value is None else isinstance(value, _TYPES[self.kind])

    @property
    def definition(self) -> str:
        """Its definition in the statement that creates the table."""
        if self.missing:
            return self.kind
        default = "" if self.stands_in is None else f" DEFAULT {_literal(self.stands_in)}"
        return f"{self.kind} NOT NULL{default}"


@dataclass(frozen=True)
class Table:
    """A table of a store.

    Attributes:
        columns: The columns by name, in order.
        key: The columns that identify a row; rows are read in their order.
    """

    columns: Mapping[str, Column]
    key: tuple[str, ...]

    def statement(self, name: str) -> str:
        """Return the statement that creates it."""
        columns = [f'"{column}" {self.columns[column].definition}' for column in self.columns]
        keys = ", ".join(f'"{column}"' for column in self.key)
        return f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({keys})) WITHOUT ROWID"


def _literal(value: str | float) -> str:
    return f"'{value}'" if isinstance(value, str) else repr(value)


def _axis_column(axis: Axis) -> Column:
    return Column(_SQL[axis.kind], missing=False, stands_in=None if axis.default is MISSING else axis.default)


def _of_annotation(kind: Any) -> Column:
    """Return the column for a type: anything other than numbers and texts is stored as JSON."""
    plain = [part for part in (get_args(kind) or (kind,)) if part is not NoneType]
    return Column(_SQL.get(plain[0], "TEXT"), missing=NoneType in get_args(kind))


def _of_fields(of: type, without: Container[str]) -> dict[str, Column]:
    return {name: _of_annotation(kind) for name, kind in get_type_hints(of).items() if name not in without}


_TEXT, _COUNT, _NUMBER = (Column(kind, missing=False) for kind in ("TEXT", "INTEGER", "REAL"))
_SETTING: Mapping[str, Column] = {
    "key": _TEXT,
    **{axis.column or name: _axis_column(axis) for name, axis in AXES.items()},
    "lag": _COUNT,
    "min_lag": _COUNT,
    "baseline_error": _NUMBER,
    "solved_below": _NUMBER,
    "error_name": _TEXT,
    "task_options": _TEXT,
    "cell_options": _TEXT,
}
_CONTENT: Mapping[str, Table] = {
    "about": Table({"name": _TEXT, "value": _TEXT}, ("name",)),
    "plan": Table(
        {**_SETTING, "position": _COUNT}
        | {"matched": Column("TEXT"), "match_target": Column("INTEGER")}
        | {"match_reached": Column("INTEGER"), "match_note": Column("TEXT")}
        | {"rate_basis": Column("TEXT")},
        ("key",),
    ),
    "trials": Table(
        {**_SETTING, **_of_fields(TrialResult, without=(*_ELSEWHERE, "transfer", "status"))}
        | {"status": _TEXT, "source": Column("TEXT"), "transfer": Column("TEXT")}
        | {RUNS_FAILED: Column("INTEGER"), CURVE_CHECKSUM: Column("INTEGER")},
        ("key",),
    ),
    "measurements": Table(
        {
            "key": _TEXT,
            **{name: replace(column, missing=name not in ("update", "slices"))
               for name, column in _of_fields(Measurement, without=()).items()},
        },
        ("key", "update"),
    ),
    "lenses": Table(
        {"key": _TEXT, "lens": _TEXT, "version": _COUNT, "phase": _TEXT, "update": _COUNT}
        | {"numbers": _TEXT, "parts": _TEXT},
        ("key", "lens", "phase"),
    ),
}  # fmt: skip
TABLES: Mapping[str, Table] = {
    name: replace(table, columns={**table.columns, CHECKSUM: Column("INTEGER")}) for name, table in _CONTENT.items()
}
"""All tables. A table or column that is added here is added to older files when they are next written."""


def plain_trial(trial: Trial) -> Row:
    """Return the key and every field by column: ``budget_updates`` for the budget, since ``updates`` are those done."""
    return {"key": trial.key} | {axis.column or name: getattr(trial, name) for name, axis in AXES.items()}


def planned_row(trial: Trial, facts: Facts) -> Row:
    """Turn a trial, its facts and the reasons for its hidden size and rate into a row of ``plan``."""
    return _setting_row(trial, facts) | {name: facts.get(name) for name in CHOSEN}


def _setting_row(trial: Trial, facts: Facts) -> Row:
    return _encoded(plain_trial(trial) | {name: facts[name] for name in FACTS})


def result_row(result: TrialResult, facts: Facts) -> Row:
    """Turn a result into its row of ``trials``; the curve has rows of its own."""
    summary = {name: getattr(result, name) for name in _SUMMARY} | {"status": result.status.value}
    summary["transfer"] = [asdict(point) for point in result.transfer] or None
    return _setting_row(result.trial, facts) | _encoded(summary | {"source": result.environment.get("source")})


def measurement_rows(result: TrialResult) -> list[Row]:
    """Turn a result's curve into rows."""
    names = [item.name for item in fields(Measurement)]
    return [
        _encoded({"key": result.trial.key} | {name: getattr(point, name) for name in names})
        for point in result.measurements
    ]


def frame_row(key: str, frame: Frame) -> Row:
    """Turn a frame of a lens into its row of ``lenses``."""
    about = {"lens": frame.lens, "version": frame.version, "phase": frame.phase, "update": frame.update}
    return _encoded({"key": key} | about | {"numbers": frame.found.numbers, "parts": frame.found.parts})


def stand_ins(table: str, held: Container[str]) -> dict[str, str | float | None]:
    """Return the values for columns that an older file lacks, by name."""
    return {name: column.stands_in for name, column in TABLES[table].columns.items() if name not in held}


def decoded(row: Mapping[str, Any]) -> Row:
    """Return a row with its JSON columns decoded."""
    return {name: json.loads(value) if name in _JSON and value is not None else value for name, value in row.items()}


def result_from(row: Row, curve: list[Row]) -> TrialResult:
    """Return the result that decoded rows describe."""
    trial = Trial(**{name: row[axis.column or name] for name, axis in AXES.items()})
    points = tuple(_measurement_from(point) for point in curve)
    summary = {name: row[name] for name in _SUMMARY} | {"status": Status(row["status"])}
    summary["transfer"] = tuple(Transfer(**point) for point in row["transfer"] or ())
    return TrialResult(trial=trial, measurements=points, **summary)


def _measurement_from(row: Row) -> Measurement:
    missing = {name: math.nan for name in _ALWAYS_NUMBERS if row[name] is None}
    slices = {
        name: {value: math.nan if error is None else error for value, error in errors.items()}
        for name, errors in row["slices"].items()
    }
    kept = {name: value for name, value in row.items() if name not in ("key", "slices")}
    return Measurement(**(kept | missing), slices=slices)


def _encoded(row: Row) -> Row:
    finite = {name: _finite(value) for name, value in row.items()}
    return {name: json.dumps(value) if name in _JSON and value is not None else value for name, value in finite.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float):  # first: most are
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return {name: _finite(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value

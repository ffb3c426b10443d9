"""Loads what a study stored, as data frames, and writes frames to files; never imports torch.

Everything comes sorted by key, so that no byte depends on the order in which trials ended. Durations and rates are
in ``wall_seconds`` and ``updates_per_second`` only.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from bench.grid import checked_name
from bench.schema import Row
from bench.store import Store, store_path
from tasks.options import UsageError, near, spell

_TEXT, _COUNT, _MAYBE, _NUMBER = "str", "int64", "Int64", "float64"  # Int64: whole numbers that may be missing

_SETTING = {
    "key": _TEXT,
    "study": _TEXT,
    "task": _TEXT,
    "lag": _COUNT,
    "min_lag": _COUNT,
    "cell": _TEXT,
    "hidden_size": _COUNT,
    "layers": _COUNT,
    "clip": _TEXT,
    "optimizer": _TEXT,
    "lr": _NUMBER,
    "seed": _COUNT,
}
_OUTCOME = {
    "status": _TEXT,
    "error": _NUMBER,
    "baseline_error": _NUMBER,
    "score": _NUMBER,
    "updates": _COUNT,
    "updates_to_solve": _MAYBE,
    "sequences_to_solve": _MAYBE,
    "diverged_at": _MAYBE,
    "diverged_in": _TEXT,
    "exploded_at": _MAYBE,
    "path": _TEXT,
    "grad_norm_median": _NUMBER,
    "grad_norm_max": _NUMBER,
    "grad_norm_max_at": _MAYBE,
    "grad_norm_after_max": _NUMBER,
    "clipped_fraction": _NUMBER,
    "num_parameters": _MAYBE,
    "state_size": _MAYBE,
}
_REST = {
    "batch_size": _COUNT,
    "budget_updates": _COUNT,
    "eval_every": _COUNT,
    "schedule": _TEXT,
    "weight_decay": _NUMBER,
    "dtype": _TEXT,
    "device": _TEXT,
}
_NOTES = {"confirmed_error": _NUMBER, "reason": _TEXT}
_VERSIONS = {"task_version": _COUNT, "cell_version": _COUNT}
_TIMINGS = {"wall_seconds": _NUMBER, "updates_per_second": _NUMBER}
_FACTS = {"solved_below": _NUMBER, "error_name": _TEXT}

_ROW = _SETTING | _OUTCOME | _REST | _NOTES | _VERSIONS | {"source": _TEXT}
_PLAN = _SETTING | {"baseline_error": _NUMBER} | _REST | _VERSIONS | _FACTS
_TRIALS = _ROW | _FACTS | {"environment": _TEXT} | _TIMINGS
_CURVES = {
    "key": _TEXT,
    "update": _COUNT,
    "loss": _NUMBER,
    "error": _NUMBER,
    "train_loss": _NUMBER,
    "grad_norm_median": _NUMBER,
    "grad_norm_max": _NUMBER,
    "clipped_fraction": _NUMBER,
    "parameter_norm": _NUMBER,
}
_SLICES = {"key": _TEXT, "update": _COUNT, "slice": _TEXT, "value": _TEXT, "error": _NUMBER}
_EXAMPLES = {"key": _TEXT, "name": _TEXT, "value": _NUMBER}


@dataclass(frozen=True)
class StudyData:
    """Everything a report needs to know of a study, as the last run planned it.

    In all frames ``budget_updates`` is the field ``updates`` of `Trial`; ``updates`` are those done.

    Attributes:
        name: The study's name.
        title: One line on what it is about.
        plan: One row a planned trial, stored or not, in the study's order: ``key, study``, every field of `Trial`,
            and what follows from it (``lag, min_lag, baseline_error, solved_below, error_name``,
            ``task.<option>``, ``cell.<option>``).
        trials: One row a stored trial of the plan, sorted by key: the columns of ``plan`` and of `TrialResult`,
            ``score, sequences_to_solve, source``, ``environment`` as JSON, ``updates_per_second``.
        curves: One row an evaluation: ``key`` and the fields of `Measurement` but ``slices``.
        slices: The error by slice at each evaluation: ``key, update, slice, value, error``.
        examples: What tasks' examples gave: ``key, name, value``.
        outside: Stored trials that the plan does not hold; never mixed in.
        sources: Hashes of the source code that made the stored trials; more than one means mixed source.
    """

    name: str
    title: str
    plan: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    slices: pd.DataFrame
    examples: pd.DataFrame
    outside: int
    sources: tuple[str, ...]


def load(study: str, results: str | Path = "results", timings: bool = False) -> pd.DataFrame:
    """Load one row a stored trial of the plan last run, sorted by key.

    Args:
        study: The study's name.
        results: The folder of all studies.
        timings: Add ``wall_seconds`` and ``updates_per_second``, the only columns that differ between runs.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    with _opened(study, results) as store:
        rows = _trial_rows(store, study)
    return _frame(rows, _ROW | (_TIMINGS if timings else {}), options=True)


def load_curves(study: str, results: str | Path = "results") -> pd.DataFrame:
    """Load one row an evaluation of the plan last run, sorted by key and update.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    return load_study(study, results).curves


def load_study(study: str, results: str | Path = "results") -> StudyData:
    """Load everything a report needs.

    Raises:
        UsageError: Nothing is stored under that name.
        StoreError: The store cannot be used.
    """
    with _opened(study, results) as store:
        plan = [row | {"study": study} for row in store.plan()]
        rows = _trial_rows(store, study)
        keys = {row["key"] for row in rows}
        points = [point for point in store.measurements() if point["key"] in keys]
        return StudyData(
            name=study,
            title=store.title() or study,
            plan=_frame(plan, _PLAN, options=True),
            trials=_frame(rows, _TRIALS, options=True),
            curves=_frame(points, _CURVES),
            slices=_frame(_slice_rows(points), _SLICES),
            examples=_frame(_example_rows(rows), _EXAMPLES),
            outside=len(store.stored().keys() - {row["key"] for row in plan}),
            sources=tuple(sorted({row["source"] for row in rows if row["source"]})),
        )


def write_csv(frame: pd.DataFrame, file: str | Path | TextIO) -> None:
    """Write a frame as CSV, the same bytes for the same values: floats in full, missing values empty."""
    if isinstance(file, str | Path):
        with Path(file).open("w", encoding="utf-8", newline="") as opened:
            write_csv(frame, opened)
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(frame.columns)
    columns = [[_cell_text(value) for value in frame[name]] for name in frame.columns]
    writer.writerows(zip(*columns, strict=True))


def write_parquet(frame: pd.DataFrame, file: str | Path) -> None:
    """Write a frame as Parquet.

    Raises:
        UsageError: The library for it is not installed.
    """
    try:
        frame.to_parquet(file, index=False)
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'longlag[parquet]'") from None


def _opened(study: str, results: str | Path) -> Store:
    path = store_path(checked_name(study), results)
    if not path.exists():
        known = sorted(found.parent.name for found in Path(results).glob("*/store.sqlite"))
        offer = near(study, known) or (f"; there are {', '.join(known)}" if known else "")
        raise UsageError(f"no study called {study!r} has results in {results}{offer}")
    return Store.open_for_reading(path)


def _trial_rows(store: Store, study: str) -> list[Row]:
    """Return the stored rows of the plan; what follows from the settings is the plan's word, as in its other rows."""
    planned = {row["key"]: row for row in store.plan()}
    return [_completed(row | planned[row["key"]], study) for row in store.trials() if row["key"] in planned]


def _completed(row: Row, study: str) -> Row:
    error, to_solve, seconds = row["error"], row["updates_to_solve"], row["wall_seconds"]
    return row | {
        "study": study,
        "score": None if error is None else 1 - error / row["baseline_error"],
        "sequences_to_solve": None if to_solve is None else to_solve * row["batch_size"],
        "updates_per_second": row["updates"] / seconds if seconds else None,
        "environment": json.dumps(row["environment"], sort_keys=True),
    }


def _slice_rows(points: Iterable[Row]) -> list[Row]:
    return [
        {"key": point["key"], "update": point["update"], "slice": name, "value": value, "error": error}
        for point in points
        for name, errors in point["slices"].items()
        for value, error in errors.items()
    ]


def _example_rows(rows: Iterable[Row]) -> list[Row]:
    return [{"key": row["key"], "name": name, "value": value} for row in rows for name, value in row["example"].items()]


def _frame(rows: Sequence[Row], columns: Mapping[str, str], options: bool = False) -> pd.DataFrame:
    found = {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in columns.items()}
    return pd.DataFrame(found | (_option_columns(rows) if options else {}))


def _option_columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Make a column for each option of the rows' tasks and cells; one that another task has is missing."""
    columns = {}
    for kind in ("task", "cell"):
        given = [row[f"{kind}_options"] for row in rows]
        for name in sorted({name for options in given for name in options}):
            columns[f"{kind}.{name}"] = _option_series([options.get(name) for options in given])
    return columns


def _option_series(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        dtype = {bool: "boolean", int: _MAYBE, float: _NUMBER}.get(kinds.pop(), _TEXT)
        return pd.Series(values, dtype=dtype)
    return pd.Series([None if value is None else spell(value) for value in values], dtype=_TEXT)


def _cell_text(value: Any) -> str:
    if pd.isna(value):
        return ""
    if pd.api.types.is_bool(value):  # NumPy's as well
        return spell(bool(value))
    return repr(float(value)) if isinstance(value, float) else str(value)

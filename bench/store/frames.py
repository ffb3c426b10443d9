"""Reads a store's tables as data frames, a page at a time and column by column, without an object for each row."""

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from longlag.process.provenance import UNCHECKED, UNHASHED, processor_of
from longlag.store.schema import CHECKSUM, CHOSEN, TABLES, Column, Facts, planned_row
from longlag.store.store import Columns, Store
from longlag.tasks.support.options import spell
from longlag.values.trial import AXES, Trial

_TEXT, _COUNT, _MAYBE, _NUMBER = "str", "int64", "Int64", "float64"  # Int64: whole numbers that may be missing


def _dtype(column: Column) -> str:
    if column.kind == "INTEGER":
        return _MAYBE if column.missing else _COUNT
    return _NUMBER if column.kind == "REAL" else _TEXT


def _stored(table: str, names: Iterable[str]) -> dict[str, str]:
    """Return the dtypes of some columns of a table."""
    return {name: _dtype(TABLES[table].columns[name]) for name in names}


_DERIVED = {
    "study": _TEXT,
    "processor": _TEXT,
    "score": _NUMBER,
    "sequences_to_solve": _MAYBE,
    "updates_per_second": _NUMBER,
    "unchecked": "bool",
    "unhashed": _TEXT,
}
_FIRST = ("study", "task", "lag", "min_lag", "cell", "hidden_size", "layers", "clip", "optimizer", "lr", "seed")
_OUTCOME = (
    *("status", "error", "baseline_error", "score", "updates", "updates_to_solve", "sequences_to_solve"),
    *("diverged_at", "diverged_in", "exploded_at", "path", "grad_norm_median", "grad_norm_max", "grad_norm_max_at"),
    *("grad_norm_after_max", "clipped_fraction", "clip_cosine", "num_parameters", "num_frozen", "state_size"),
)
_AXES = {axis.column or axis.name: axis for axis in AXES.values()}
_REST = tuple(name for name, axis in _AXES.items() if axis.asked and name not in _FIRST)
_ORIGIN = tuple(name for name, axis in _AXES.items() if not axis.asked)
_FACTS = ("solved_below", "error_name")
_KINDS = _DERIVED | _stored("plan", TABLES["plan"].columns) | _stored("trials", TABLES["trials"].columns)


def _columns(*names: str) -> dict[str, str]:
    return {name: _KINDS[name] for name in names}


TIMINGS = _columns("wall_seconds", "updates_per_second")
ROW = _columns(
    *("key", *_FIRST, *_OUTCOME, *_REST, *CHOSEN, "confirmed_error", "reason"),
    *(*_ORIGIN, "unchecked", "unhashed", "source", "fingerprint"),
)
"""The columns of an exported row, in order."""
PLAN = _columns("key", *_FIRST, "baseline_error", *_REST, *CHOSEN, *_ORIGIN, *_FACTS)
TRIALS = ROW | _columns(*_FACTS, "environment", "processor") | TIMINGS
_CURVES = _stored(
    "measurements",
    (
        *("key", "update", "loss", "error", "train_loss", "grad_norm_median", "grad_norm_max", "clipped_fraction"),
        *("clip_cosine", "parameter_norm", "orthogonality_error"),
    ),
)
_SLICES = {"key": _TEXT, "update": _COUNT, "slice": _TEXT, "value": _TEXT, "error": _NUMBER}
_EXAMPLES = {"key": _TEXT, "name": _TEXT, "value": _NUMBER}
_TRANSFER = {
    "key": _TEXT,
    "lag": _COUNT,
    "min_lag": _COUNT,
    "baseline_error": _NUMBER,
    "solved_below": _NUMBER,
    "error": _NUMBER,
    "trained_from": _COUNT,
}
LENSES = _stored("lenses", [name for name in TABLES["lenses"].columns if name != CHECKSUM])
_PLANNED = {name: kind for name, kind in PLAN.items() if name != "study"}
_PLANNED |= _columns("task_options", "cell_options") | {"position": _COUNT}


def read_plan(store: Store, study: str) -> pd.DataFrame:
    """Return the plan in its order, options as JSON."""
    pages = [_frame(page, _PLANNED) for page in store.pages("plan")]
    return _called(pd.concat(pages).sort_values("position", ignore_index=True), study)


def plan_frame(study: str, planned: Sequence[tuple[Trial, Facts]]) -> pd.DataFrame:
    """Return a plan that is not in the store, in the form of `read_plan`."""
    rows = [planned_row(trial, facts) | {"position": place} for place, (trial, facts) in enumerate(planned)]
    return _called(_frame({name: [row[name] for row in rows] for name in _PLANNED}, _PLANNED), study)


def _called(plan: pd.DataFrame, study: str) -> pd.DataFrame:
    plan["study"] = pd.Series([study] * len(plan), dtype=_TEXT)
    return plan


def read_trials(store: Store, plan: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the stored rows of the plan, options as JSON, and the number of other stored rows.

    Facts that follow from the settings are taken from the plan, not from the stored row.
    """
    kinds = {"key": _TEXT} | _kinds(TRIALS, without=[*plan.columns, *_DERIVED]) | {"example": _TEXT, "transfer": _TEXT}
    stored = pd.concat([_frame(page, kinds) for page in store.pages("trials")], ignore_index=True)
    places = pd.Index(plan["key"]).get_indexer(stored["key"])
    inside = places >= 0
    planned = plan.iloc[places[inside]].drop(columns="key").reset_index(drop=True)
    frame = pd.concat([stored[inside].reset_index(drop=True), planned], axis="columns")
    seconds = frame["wall_seconds"]
    frame["score"] = 1 - frame["error"] / frame["baseline_error"]
    frame["sequences_to_solve"] = frame["updates_to_solve"] * frame["batch_size"]
    frame["updates_per_second"] = (frame["updates"] / seconds).where(seconds != 0)
    frame["unchecked"] = _each(frame["environment"], lambda text: json.loads(text).get(UNCHECKED, False), "bool")
    frame["unhashed"] = _each(frame["environment"], lambda text: "; ".join(json.loads(text).get(UNHASHED, ())))
    frame["environment"] = _each(frame["environment"], lambda text: json.dumps(json.loads(text), sort_keys=True))
    frame["processor"] = _each(frame["environment"], lambda text: processor_of(json.loads(text)))
    return frame, int((~inside).sum())


def read_curves(store: Store, keys: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the curves of some trials, and the errors by slice."""
    kinds = _kinds(_CURVES, without=["key"])
    place = {key: position for position, key in enumerate(keys)}
    places, curves, slices = [], [], []
    for page in store.pages("measurements"):
        places.append(np.array([place.get(key, -1) for key in page["key"]], dtype=np.int64))
        curves.append(_frame(page, kinds)[places[-1] >= 0])
        slices.append(_slices(page, place))
    known = np.concatenate(places)
    together = pd.concat(curves, ignore_index=True)
    together.insert(0, "key", keys.take(known[known >= 0]).to_series(index=together.index))
    return together, pd.concat(slices, ignore_index=True)


def _slices(page: Columns, keys: Container[str]) -> pd.DataFrame:
    rows = [
        (key, update, name, value, error)
        for key, update, text in zip(page["key"], page["update"], page["slices"], strict=True)
        if text != "{}" and key in keys
        for name, errors in json.loads(text).items()
        for value, error in errors.items()
    ]
    return _frame(_transposed(rows, _SLICES), _SLICES)


def read_examples(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of the trials' examples, in the trials' order."""
    rows = [
        (key, name, value)
        for key, text in zip(trials["key"], trials["example"], strict=True)
        if text != "{}"
        for name, value in json.loads(text).items()
    ]
    return _frame(_transposed(rows, _EXAMPLES), _EXAMPLES)


def read_transfer(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials' errors at their test lags, in the trials' order, then by lag."""
    rows = [
        (key, *(point[name] for name in _TRANSFER if name != "key"))
        for key, text in zip(trials["key"], trials["transfer"], strict=True)
        if pd.notna(text)
        for point in json.loads(text)
    ]
    return _frame(_transposed(rows, _TRANSFER), _TRANSFER)


def read_lenses(store: Store, keys: pd.Index) -> pd.DataFrame:
    """Return some trials' frames of lenses, one row each, sorted by key, lens, phase; numbers and tables are JSON."""
    every = pd.concat([_frame(page, LENSES) for page in store.pages("lenses")], ignore_index=True)
    return every[every["key"].isin(keys)].reset_index(drop=True)


def _transposed(rows: Sequence[tuple[Any, ...]], names: Iterable[str]) -> Columns:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _kinds(columns: Mapping[str, str], without: Iterable[str]) -> dict[str, str]:
    left_out = set(without)
    return {name: kind for name, kind in columns.items() if name not in left_out}


def _frame(columns: Columns, kinds: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(columns[name], dtype=kind) for name, kind in kinds.items()})


def _each(texts: pd.Series, change: Callable[[str], object], kind: str = _TEXT) -> pd.Series:
    """Convert texts to values of a dtype; since few texts differ, each distinct text is converted once."""
    places, distinct = pd.factorize(texts)
    return pd.Series([change(text) for text in distinct], dtype=kind).take(places).reset_index(drop=True)


def finished(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Put columns in order, and add one for each option of a task or cell; it is missing where a row lacks the option.

    Args:
        frame: Rows with options as JSON.
        columns: The columns to keep, in their order.
    """
    options = {}
    for kind, texts in (("task", frame["task_options"]), ("cell", frame["cell_options"])):
        places, distinct = pd.factorize(texts)
        given = [json.loads(text) for text in distinct]
        for name in sorted({name for row_options in given for name in row_options}):
            series = _option_series([row_options.get(name) for row_options in given])
            options[f"{kind}.{name}"] = series.take(places).reset_index(drop=True)
    return pd.DataFrame({name: frame[name] for name in columns} | options)


def _option_series(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        dtype = {bool: "boolean", int: _MAYBE, float: _NUMBER}.get(kinds.pop(), _TEXT)
        return pd.Series(values, dtype=dtype)
    return pd.Series([None if value is None else spell(value) for value in values], dtype=_TEXT)

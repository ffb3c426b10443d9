"""The tables of a store, and the way from values to rows and back.

JSON and SQL have no NaN: numbers that are not finite are stored as NULL, their reason is in ``status``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from longlag.values.trial import Measurement, Status, Transfer, Trial, TrialResult
from longlag.values.wiring import NO_DECODER

VERSION = 1
"""Stored in the file's ``user_version``; raised when these tables change."""

Row = dict[str, Any]
Facts = Mapping[str, Any]
"""What follows from a trial's task and cell: the names in `FACTS`; of a plan also what a hidden size was picked for."""

_SETTING = """
    key TEXT PRIMARY KEY, task TEXT NOT NULL, cell TEXT NOT NULL, clip TEXT NOT NULL, lr REAL NOT NULL,
    seed INTEGER NOT NULL, task_version INTEGER NOT NULL, cell_version INTEGER NOT NULL, optimizer TEXT NOT NULL,
    schedule TEXT NOT NULL, weight_decay REAL NOT NULL, hidden_size INTEGER NOT NULL, layers INTEGER NOT NULL,
    batch_size INTEGER NOT NULL, budget_updates INTEGER NOT NULL, eval_every INTEGER NOT NULL, dtype TEXT NOT NULL,
    device TEXT NOT NULL, lag INTEGER NOT NULL, min_lag INTEGER NOT NULL, baseline_error REAL NOT NULL,
    solved_below REAL NOT NULL, error_name TEXT NOT NULL, task_options TEXT NOT NULL, cell_options TEXT NOT NULL,
    plugins TEXT NOT NULL DEFAULT '', skip TEXT NOT NULL DEFAULT 'none', direction TEXT NOT NULL DEFAULT 'forward',
    normalisation TEXT NOT NULL DEFAULT 'none', dropout REAL NOT NULL DEFAULT 0, test_lags TEXT NOT NULL DEFAULT '',
    truncate INTEGER NOT NULL DEFAULT 0, decoder_cell TEXT NOT NULL DEFAULT 'none',
    decoder_layers INTEGER NOT NULL DEFAULT 0, decoder_cell_version INTEGER NOT NULL DEFAULT 0"""

_PLUGINS: dict[str, tuple[str, str | float | None]] = {"plugins": ("TEXT NOT NULL DEFAULT ''", "")}
_WIRING: dict[str, tuple[str, str | float | None]] = {
    "skip": ("TEXT NOT NULL DEFAULT 'none'", "none"),
    "direction": ("TEXT NOT NULL DEFAULT 'forward'", "forward"),
    "normalisation": ("TEXT NOT NULL DEFAULT 'none'", "none"),
    "dropout": ("REAL NOT NULL DEFAULT 0", 0.0),
}
_TEST_LAGS: dict[str, tuple[str, str | float | None]] = {"test_lags": ("TEXT NOT NULL DEFAULT ''", "")}
_TRUNCATE: dict[str, tuple[str, str | float | None]] = {"truncate": ("INTEGER NOT NULL DEFAULT 0", 0)}
_DECODER: dict[str, tuple[str, str | float | None]] = {
    "decoder_cell": ("TEXT NOT NULL DEFAULT 'none'", NO_DECODER),
    "decoder_layers": ("INTEGER NOT NULL DEFAULT 0", 0),
    "decoder_cell_version": ("INTEGER NOT NULL DEFAULT 0", 0),
}
_MATCH: dict[str, tuple[str, str | float | None]] = {
    "matched": ("TEXT", None),
    "match_target": ("INTEGER", None),
    "match_reached": ("INTEGER", None),
    "match_note": ("TEXT", None),
}
_COSINE: dict[str, tuple[str, str | float | None]] = {"clip_cosine": ("REAL", None)}
ADDED: Mapping[str, Mapping[str, tuple[str, str | float | None]]] = {
    "plan": _PLUGINS | _WIRING | _DECODER | _TRUNCATE | _MATCH | _TEST_LAGS,
    "trials": _PLUGINS
    | _WIRING
    | _DECODER
    | _TRUNCATE
    | _COSINE
    | _TEST_LAGS
    | {"fingerprint": ("TEXT", None), "transfer": ("TEXT", None)},
    "measurements": _COSINE | {"orthogonality_error": ("REAL", None)},
}
"""Columns, by table, that files of this version may lack: how they are made, what stands in for them."""

TABLES = (
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    f"""CREATE TABLE plan ({_SETTING}, position INTEGER NOT NULL,
    matched TEXT, match_target INTEGER, match_reached INTEGER, match_note TEXT) WITHOUT ROWID""",
    f"""CREATE TABLE trials ({_SETTING},
    status TEXT NOT NULL, error REAL, confirmed_error REAL, updates INTEGER NOT NULL, updates_to_solve INTEGER,
    diverged_at INTEGER, diverged_in TEXT, exploded_at INTEGER, path TEXT, grad_norm_median REAL, grad_norm_max REAL,
    grad_norm_max_at INTEGER, grad_norm_after_max REAL, clipped_fraction REAL, clip_cosine REAL, num_parameters INTEGER,
    state_size INTEGER, example TEXT NOT NULL, reason TEXT, wall_seconds REAL, environment TEXT NOT NULL,
    source TEXT, fingerprint TEXT, transfer TEXT) WITHOUT ROWID""",
    """CREATE TABLE measurements (key TEXT NOT NULL, "update" INTEGER NOT NULL, loss REAL, error REAL, train_loss REAL,
    grad_norm_median REAL, grad_norm_max REAL, clipped_fraction REAL, parameter_norm REAL, slices TEXT NOT NULL,
    clip_cosine REAL, orthogonality_error REAL, PRIMARY KEY (key, "update")) WITHOUT ROWID""",
)

FACTS = ("lag", "min_lag", "baseline_error", "solved_below", "error_name", "task_options", "cell_options")
_JSON = ("task_options", "cell_options", "example", "environment", "slices", "transfer")
_SUMMARY = tuple(item.name for item in fields(TrialResult) if item.name not in ("trial", "measurements"))
_ALWAYS_NUMBERS = ("loss", "error", "parameter_norm")  # of a measurement; NULL is read back as NaN


def plain_trial(trial: Trial) -> Row:
    """Return the key and every field; the budget is ``budget_updates``, since ``updates`` are those done."""
    row = {item.name: getattr(trial, item.name) for item in fields(Trial)}
    return {"key": trial.key, "budget_updates": row.pop("updates")} | row


def planned_row(trial: Trial, facts: Facts) -> Row:
    """Turn a trial, what follows from it and why it has its hidden size into a row of ``plan``."""
    return _setting_row(trial, facts) | {name: facts.get(name) for name in _MATCH}


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


def decoded(row: Mapping[str, Any]) -> Row:
    """Return a row with its JSON read, and with what the file is too old to hold."""
    table = "trials" if "updates" in row else "plan" if "task" in row else "measurements" if "update" in row else None
    added = {name: value for name, (_, value) in ADDED.get(table or "", {}).items() if name not in row}
    return added | {
        name: json.loads(value) if name in _JSON and value is not None else value for name, value in row.items()
    }


def result_from(row: Row, curve: list[Row]) -> TrialResult:
    """Make the result again from decoded rows."""
    names = {item.name for item in fields(Trial)} - {"updates"}
    trial = Trial(updates=row["budget_updates"], **{name: row[name] for name in names})
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
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value

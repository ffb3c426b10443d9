"""Stores of before: opened, completed where they are written, and never the poorer for it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sample_results import FACTS, result, trial, write

from longlag.store import schema
from longlag.store.schema import Column, Table
from longlag.store.store import Store, store_path

FIRST_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE plan (
    key TEXT PRIMARY KEY, task TEXT NOT NULL, cell TEXT NOT NULL, clip TEXT NOT NULL, lr REAL NOT NULL,
    seed INTEGER NOT NULL, task_version INTEGER NOT NULL, cell_version INTEGER NOT NULL, optimizer TEXT NOT NULL,
    schedule TEXT NOT NULL, weight_decay REAL NOT NULL, hidden_size INTEGER NOT NULL, layers INTEGER NOT NULL,
    batch_size INTEGER NOT NULL, budget_updates INTEGER NOT NULL, eval_every INTEGER NOT NULL, dtype TEXT NOT NULL,
    device TEXT NOT NULL, lag INTEGER NOT NULL, min_lag INTEGER NOT NULL, baseline_error REAL NOT NULL,
    solved_below REAL NOT NULL, error_name TEXT NOT NULL, task_options TEXT NOT NULL, cell_options TEXT NOT NULL,
    plugins TEXT NOT NULL DEFAULT '', skip TEXT NOT NULL DEFAULT 'none', direction TEXT NOT NULL DEFAULT 'forward',
    normalisation TEXT NOT NULL DEFAULT 'none', dropout REAL NOT NULL DEFAULT 0, test_lags TEXT NOT NULL DEFAULT '',
    truncate INTEGER NOT NULL DEFAULT 0, decoder_cell TEXT NOT NULL DEFAULT 'none',
    decoder_layers INTEGER NOT NULL DEFAULT 0, decoder_cell_version INTEGER NOT NULL DEFAULT 0,
    initial_state TEXT NOT NULL DEFAULT 'zeros', stop TEXT NOT NULL DEFAULT 'solved',
    weight_noise REAL NOT NULL DEFAULT 0,
    position INTEGER NOT NULL, matched TEXT, match_target INTEGER, match_reached INTEGER,
    match_note TEXT) WITHOUT ROWID;
CREATE TABLE trials (
    key TEXT PRIMARY KEY, task TEXT NOT NULL, cell TEXT NOT NULL, clip TEXT NOT NULL, lr REAL NOT NULL,
    seed INTEGER NOT NULL, task_version INTEGER NOT NULL, cell_version INTEGER NOT NULL, optimizer TEXT NOT NULL,
    schedule TEXT NOT NULL, weight_decay REAL NOT NULL, hidden_size INTEGER NOT NULL, layers INTEGER NOT NULL,
    batch_size INTEGER NOT NULL, budget_updates INTEGER NOT NULL, eval_every INTEGER NOT NULL, dtype TEXT NOT NULL,
    device TEXT NOT NULL, lag INTEGER NOT NULL, min_lag INTEGER NOT NULL, baseline_error REAL NOT NULL,
    solved_below REAL NOT NULL, error_name TEXT NOT NULL, task_options TEXT NOT NULL, cell_options TEXT NOT NULL,
    plugins TEXT NOT NULL DEFAULT '', skip TEXT NOT NULL DEFAULT 'none', direction TEXT NOT NULL DEFAULT 'forward',
    normalisation TEXT NOT NULL DEFAULT 'none', dropout REAL NOT NULL DEFAULT 0, test_lags TEXT NOT NULL DEFAULT '',
    truncate INTEGER NOT NULL DEFAULT 0, decoder_cell TEXT NOT NULL DEFAULT 'none',
    decoder_layers INTEGER NOT NULL DEFAULT 0, decoder_cell_version INTEGER NOT NULL DEFAULT 0,
    initial_state TEXT NOT NULL DEFAULT 'zeros', stop TEXT NOT NULL DEFAULT 'solved',
    weight_noise REAL NOT NULL DEFAULT 0,
    status TEXT NOT NULL, error REAL, confirmed_error REAL, updates INTEGER NOT NULL, updates_to_solve INTEGER,
    diverged_at INTEGER, diverged_in TEXT, exploded_at INTEGER, path TEXT, grad_norm_median REAL, grad_norm_max REAL,
    grad_norm_max_at INTEGER, grad_norm_after_max REAL, clipped_fraction REAL, clip_cosine REAL,
    num_parameters INTEGER, state_size INTEGER, example TEXT NOT NULL, reason TEXT, wall_seconds REAL,
    environment TEXT NOT NULL,
    source TEXT, fingerprint TEXT, transfer TEXT) WITHOUT ROWID;
CREATE TABLE measurements (key TEXT NOT NULL, "update" INTEGER NOT NULL, loss REAL, error REAL, train_loss REAL,
    grad_norm_median REAL, grad_norm_max REAL, clipped_fraction REAL, parameter_norm REAL, slices TEXT NOT NULL,
    clip_cosine REAL, orthogonality_error REAL, PRIMARY KEY (key, "update")) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
"""The tables as the first stores had them once, with every column that was added one by one."""

LENSES = Table(
    {"key": Column("TEXT", missing=False), "lens": Column("TEXT", missing=False), "reach": Column("REAL")}
    | {"checksum": Column("INTEGER")},
    ("key", "lens"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_path("mine", tmp_path / "results")


def older(path: Path, *statements: str) -> None:
    """Make a store with the first tables, the rows of one written now, and what the statements do to it."""
    write(path.parent.parent / "now" / "store.sqlite", [result(1), result(2)])
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(FIRST_TABLES)
        connection.execute("ATTACH ? AS now", (str(path.parent.parent / "now" / "store.sqlite"),))
        for table in ("trials", "measurements"):
            names = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table})"))
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM now.{table}")
        for statement in statements:
            connection.execute(statement)


def names(path: Path, table: str) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def test_tables_of_before_get_the_columns_of_now_when_they_are_written(path: Path) -> None:
    older(path)
    assert "rate_basis" not in names(path, "plan")
    for name, table in schema.TABLES.items():
        assert names(path, name) <= set(table.columns)
    with Store.open_for_writing(path) as store:
        store.add(result(3), FACTS)
    for name, table in schema.TABLES.items():
        assert names(path, name) == set(table.columns)


@pytest.mark.parametrize("column", ["clip_cosine", "truncate", "plugins", "decoder_cell", "fingerprint", "stop"])
def test_a_column_that_an_older_file_lacks_is_filled_in_and_then_made(path: Path, column: str) -> None:
    older(path, f"ALTER TABLE trials DROP COLUMN {column}")
    before = path.read_bytes()
    with Store.open_for_reading(path) as store:
        found = store.result(trial(1).key)
        assert found.trial == trial(1)
        (page,) = store.pages("trials")
        assert list(page[column]) == [schema.TABLES["trials"].columns[column].stands_in] * 2
    assert path.read_bytes() == before
    with Store.open_for_writing(path) as store:
        store.add(result(3), FACTS)
    assert column in names(path, "trials")
    with Store.open_for_reading(path) as store:
        assert sorted(store.stored()) == sorted(trial(seed).key for seed in (1, 2, 3))
        assert store.result(trial(3).key) == result(3)


def test_a_table_that_an_older_file_lacks_is_empty_and_then_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(path)
    monkeypatch.setattr(schema, "TABLES", {**schema.TABLES, "lenses": LENSES})
    before = path.read_bytes()
    with Store.open_for_reading(path) as store:
        assert list(store.pages("lenses")) == [{"key": (), "lens": (), "reach": (), "checksum": ()}]
    assert path.read_bytes() == before
    with Store.open_for_writing(path) as store:
        store._insert("lenses", {"key": "a", "lens": "reach", "reach": 0.5})
    with Store.open_for_reading(path) as store:
        (page,) = store.pages("lenses")
        assert {**page, "checksum": ()} == {"key": ("a",), "lens": ("reach",), "reach": (0.5,), "checksum": ()}
        assert store.result(trial(1).key) == result(1)


def test_the_rows_of_a_plan_are_written_again_only_where_it_differs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = [(trial(seed), FACTS) for seed in (1, 2)]
    with Store.open_for_writing(path) as store:
        store.write_plan("Mine", planned)
    row = schema.planned_row
    written = []
    monkeypatch.setattr(schema, "planned_row", lambda *of: written.append(of) or row(*of))
    for plan, count in (
        (planned, 0),
        (planned[::-1], 2),
        (planned[::-1], 2),
        ([(trial(2), FACTS), (trial(1), {**FACTS, "min_lag": 3})], 4),
        ([(replace(trial(1), seed=9), FACTS)], 5),
    ):
        with Store.open_for_writing(path) as store:
            store.write_plan("A new title", plan)
            assert [schema.plain_trial(one)["key"] for one, _ in plan] == [row["key"] for row in store.plan()]
            assert store.title() == "A new title"
        assert len(written) == count

"""The store: whole rows or none, what comes back is what was put in, and a full disk keeps what there was."""

import math
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from sample_results import FACTS, diverged, measurement, result, stored, trial, write

from longlag.store import file, schema
from longlag.store.schema import plain_trial, result_row
from longlag.store.store import COMMIT_SECONDS, Store, StoreError, store_path
from longlag.values.trial import Status, Trial, TrialResult

UNCHOSEN = dict.fromkeys(("matched", "match_target", "match_reached", "match_note", "rate_basis"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_path("mine", tmp_path / "results")


def fill_the_disk(store: Store) -> None:
    store._connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size where that is larger


def test_a_result_comes_back_as_it_was(path: Path) -> None:
    original = result(3, Status.SOLVED, confirmed_error=0.001, updates_to_solve=100)
    write(path, [result(2), original])
    with Store.open_for_reading(path) as store:
        assert store.result(original.trial.key) == original


def test_a_result_that_is_not_stored_is_none(path: Path) -> None:
    write(path, [result(2)])
    with Store.open_for_reading(path) as store:
        assert store.result("0" * 16) is None


def test_every_field_has_a_column(path: Path) -> None:
    write(path, [result()])
    with closing(sqlite3.connect(path)) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(trials)")}
    expected = {item.name for kind in (Trial, TrialResult) for item in fields(kind)}
    expected -= {"trial", "measurements", "frames"}
    of_the_store = {"source", "runs_failed", "curve_checksum", "checksum"}
    assert columns == expected | {"key", "budget_updates", *of_the_store, *schema.FACTS}


def test_numbers_that_are_not_finite_are_stored_as_null(path: Path) -> None:
    write(path, [diverged(1)])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT error, grad_norm_max, diverged_at FROM trials").fetchone() == (None, None, 17)
        last = 'SELECT loss, error, parameter_norm, slices FROM measurements WHERE "update" = 100'
        assert connection.execute(last).fetchone() == (None, None, None, '{"position": {"0": null}}')


def test_a_curve_that_left_the_finite_is_read_back_as_nan(path: Path) -> None:
    write(path, [diverged(1)])
    with Store.open_for_reading(path) as store:
        found = store.result(trial(1).key)
    assert found is not None
    assert math.isnan(found.measurements[1].loss)
    assert math.isnan(found.measurements[1].slices["position"]["0"])
    assert found.error is None


def test_a_row_that_is_made_again_replaces_row_and_curve(path: Path) -> None:
    write(path, [result(1, Status.FAILED, reason="it raised")])
    again = result(1, Status.SOLVED, measurements=(measurement(0), measurement(50)))
    write(path, [again])
    with Store.open_for_reading(path) as store:
        assert store.result(again.trial.key) == again
        assert len(store.trials()) == 1
        assert [point["update"] for point in store.measurements()] == [0, 50]


def test_a_failure_does_not_replace_a_result(path: Path) -> None:
    write(path, [result(1)])
    write(path, [result(1, Status.TIMEOUT, measurements=())])
    with Store.open_for_reading(path) as store:
        assert store.result(trial(1).key) == result(1)


def test_a_failure_that_another_run_reports_again_counts_as_one(path: Path) -> None:
    failed = result(status=Status.FAILED, reason="it broke", fingerprint=None)
    with Store.open_for_writing(path) as store:
        for _ in range(3):
            store.take([(failed, FACTS)])
        assert store.stored()[trial().key].runs_failed == 1


def test_rows_come_by_key_over_many_pages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.store.reading._PAGE", 2)
    results = [result(seed) for seed in range(7)]
    write(path, results)
    keys = sorted(item.trial.key for item in results)
    with Store.open_for_reading(path) as store:
        assert [row["key"] for row in store.trials()] == keys
        points = [(row["key"], row["update"]) for row in store.measurements()]
    assert points == [(key, update) for key in keys for update in (0, 100, 200)]


def test_an_empty_table_is_one_page_without_rows(path: Path) -> None:
    write(path, [])
    with Store.open_for_reading(path) as store:
        pages = list(store.pages("measurements"))
    assert len(pages) == 1
    assert {len(values) for values in pages[0].values()} == {0}


def test_pages_hold_what_is_in_the_file_by_column(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.store.reading._PAGE", 2)
    write(path, [result(1)])
    with Store.open_for_reading(path) as store:
        first, second = store.pages("measurements")
    assert (list(first["update"]), list(second["update"])) == ([0, 100], [200])
    assert first["slices"][0] == '{"position": {"0": 0.125, "1": 0.5}}'


def test_the_plan_keeps_its_order_and_is_replaced_by_the_next(path: Path) -> None:
    with Store.open_for_writing(path) as store:
        store.write_plan("Before", [(trial(9), FACTS)])
        store.write_plan("Now", [(trial(seed), FACTS) for seed in (5, 1, 3)])
        assert store.title() == "Now"
        assert [row["seed"] for row in store.plan()] == [5, 1, 3]
        assert store.plan()[0] == plain_trial(trial(5)) | FACTS | UNCHOSEN | {"position": 0}


def test_results_wait_for_a_flush_and_say_since_when(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr("longlag.store.store.time.monotonic", lambda: now)
    with Store.open_for_writing(path) as store:
        assert store.waiting_since is None
        store.add(result(1), FACTS)
        now += COMMIT_SECONDS / 2
        store.add(result(2), FACTS)
        store.flush_if_due()
        assert store.waiting_since == 10.0
        assert stored(path) == {}
        now += COMMIT_SECONDS / 2
        store.flush_if_due()
        assert store.waiting_since is None
        assert len(stored(path)) == 2


def test_an_interrupted_run_keeps_what_waits(path: Path) -> None:
    store = Store.open_for_writing(path)
    store.add(result(1), FACTS)
    store.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stored(path)[trial(1).key].status is Status.UNSOLVED


def test_a_plan_knows_status_and_source_of_stored_rows(path: Path) -> None:
    write(path, [result(1, Status.FAILED)])
    assert {key: (row.status, row.source) for key, row in stored(path).items()} == {trial(1).key: ("failed", "aaaa")}


def test_nothing_is_stored_where_there_is_no_file(path: Path) -> None:
    assert stored(path) == {}
    assert not path.parent.exists()


def test_reading_a_missing_store_is_refused_and_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.sqlite cannot be opened"):
        Store.open_for_reading(path)
    assert not path.parent.exists()


def test_an_empty_file_counts_as_a_store_without_rows(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    assert stored(path) == {}
    write(path, [result(1)])
    assert len(stored(path)) == 1


def test_the_file_is_synchronised_and_has_a_rollback_journal(path: Path) -> None:
    with Store.open_for_writing(path) as store:
        assert store._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert store._connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_readers_cannot_write(path: Path) -> None:
    write(path, [result(1)])
    with Store.open_for_reading(path) as store, pytest.raises(StoreError, match="read-only"):
        store.write_plan("Mine", [])


def test_a_reader_between_two_pages_does_not_hold_up_the_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.store.reading._PAGE", 1)
    monkeypatch.setattr(file, "_BUSY_SECONDS", 0.0)
    write(path, [result(seed) for seed in range(3)])
    with Store.open_for_reading(path) as reader:
        points = reader.measurements()
        next(points)
        write(path, [result(9)])


def test_a_store_from_before_a_column_is_read_without_it_and_completed_by_the_next_writer(path: Path) -> None:
    write(path, [result(1)])
    with closing(sqlite3.connect(path)) as connection:
        for table in ("trials", "measurements"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN clip_cosine")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        connection.execute("ALTER TABLE measurements DROP COLUMN orthogonality_error")
    with Store.open_for_reading(path) as store:
        old = store.result(result(1).trial.key)
    assert old.clip_cosine is None
    assert {(point.clip_cosine, point.orthogonality_error) for point in old.measurements} == {(None, None)}
    write(path, [result(2)])
    with Store.open_for_reading(path) as store:
        assert store.result(result(1).trial.key) == old
        assert store.result(result(2).trial.key) == result(2)


def test_a_full_disk_says_what_is_kept_and_keeps_it(path: Path) -> None:
    write(path, [result(1)])
    store = Store.open_for_writing(path)
    fill_the_disk(store)
    for seed in range(2, 200):
        store.add(result(seed), FACTS)
    with pytest.raises(StoreError, match="the disk is full; earlier results are kept"):
        store.__exit__(None, None, None)
    assert list(stored(path)) == [trial(1).key]
    write(path, [result(2)])
    assert len(stored(path)) == 2


def test_what_did_not_fit_waits_for_the_next_try(path: Path) -> None:
    with Store.open_for_writing(path) as store:
        fill_the_disk(store)
        for seed in range(200):
            store.add(result(seed), FACTS)
        with pytest.raises(StoreError, match="full"):
            store.flush()
        store._connection.execute("PRAGMA max_page_count = 100000")
    assert len(stored(path)) == 200


def test_a_row_is_complete_without_its_curve() -> None:
    assert result_row(result(1), FACTS)["source"] == "aaaa"
    assert result_row(result(1, environment={}), FACTS)["source"] is None

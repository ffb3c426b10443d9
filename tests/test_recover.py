"""Damaged stores: seen by whoever reads them, named, kept beside, and read as far as they are as they were written."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sample_results import FACTS, result, trial
from shard_samples import (
    at_once,  # noqa: F401 - a fixture
    call,
    exports,
    refused,
    run,
)

from longlag.store import checks, recovery, schema
from longlag.store.recovery import recover
from longlag.store.store import Store, StoreError, store_path
from longlag.values.frames import Found, Frame
from longlag.values.trial import fingerprint_of

TRIALS = 12
FRAME = Frame("reach", 1, "end", 200, Found({"lag": 3}, {}))
MADE = [replace(result(seed), frames=(FRAME,)) for seed in range(TRIALS)]
RESULTS = {
    one.trial.key: replace(one, fingerprint=fingerprint_of(one.status, one.updates, one.measurements)) for one in MADE
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a small store with a plan, curves and frames of a lens."""
    path = store_path("mine", tmp_path_factory.mktemp("sound"))
    with Store.open_for_writing(path) as store:
        store.write_plan("A study", [(one.trial, FACTS) for one in RESULTS.values()])
        for one in RESULTS.values():
            store.add(one, FACTS)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = store_path("mine", tmp_path)
    path.parent.mkdir()
    return path


def is_as_it_was(path: Path) -> bool:
    """Say whether a store reads as the sound one; a damaged one must say so, in one line that names it."""
    try:
        with Store.open_for_reading(path) as store:
            store.verify()
            held = {key: store.result(key) for key in store.stored()}
            frames = [store.rows_of("lenses", key) for key in held]
            assert all(next(rows)["numbers"] == {"lag": 3} for rows in frames)
            assert (store.title(), len(store.plan())) == ("A study", TRIALS)
    except StoreError as error:
        return refusal(str(error), path)
    assert held == {key: replace(one, frames=()) for key, one in RESULTS.items()}
    return True


def refusal(message: str, path: Path) -> bool:
    assert "\n" not in message
    assert str(path) in message
    return False


def recovered(path: Path, damaged: bytes) -> int:
    """Recover a store, see that nothing in it is made up and nothing is overwritten, and return how much is there."""
    path.write_bytes(damaged)
    assert not is_as_it_was(path)
    assert path.read_bytes() == damaged
    found = recover(path)
    assert found.aside == path.with_name("store.damaged-1.sqlite")
    assert found.aside.read_bytes() == damaged
    with Store.open_for_reading(path) as store:
        store.verify()
        held = {key: store.result(key) for key in store.stored()}
        assert len(store.plan()) in (0, TRIALS)
        assert all(row["key"] in held for row in store._read("lenses"))
    assert held == {key: replace(RESULTS[key], frames=()) for key in held}
    assert (found.trials, found.missing) == (len(held), TRIALS - len(held) if found.planned else 0)
    found.aside.unlink()
    return len(held)


def test_wherever_a_store_is_cut_off_what_is_left_of_it_is_recovered(path: Path, content: bytes) -> None:
    counts = [recovered(path, content[:cut]) for cut in range(512, len(content), 512)]
    assert counts[0] == 0
    assert counts[-1] >= TRIALS // 2
    assert {file.name for file in path.parent.iterdir()} == {"store.sqlite", "store.lock"}


def flipped(content: bytes, seed: int) -> bytes:
    """Return a file with one bit changed, of any byte but those of the version: newer stores are refused."""
    drawn = random.Random(seed)
    damaged = bytearray(content)
    damaged[drawn.choice([*range(60), *range(64, len(damaged))])] ^= 1 << drawn.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("seeds", [range(60), pytest.param(range(60, 700), marks=pytest.mark.slow)], ids=str)
def test_a_flipped_bit_is_seen_or_changes_nothing_and_costs_its_trial_at_most_or_its_page(
    path: Path, content: bytes, seeds: range
) -> None:
    kept = []
    for seed in seeds:
        damaged = flipped(content, seed)
        path.write_bytes(damaged)
        if not is_as_it_was(path):
            kept.append(recovered(path, damaged))
    assert len(kept) > len(seeds) / 5, "many bytes of a file are of rows"
    assert sum(count < TRIALS - 1 for count in kept) < len(kept) / 20, "few bytes are of what holds a page together"


@pytest.mark.parametrize("table", schema.TABLES)
def test_every_value_of_every_row_is_held_against_its_checksum(path: Path, content: bytes, table: str) -> None:
    path.write_bytes(content)
    with Store.open_for_reading(path) as store:
        (page,) = store.pages(table)
    assert checks.wrong_rows(table, page) == []
    last = len(page[schema.CHECKSUM]) - 1
    for name, values in page.items():
        for other in ("other", 7, 0.125, b"blob", b"", None):
            same = type(other) is type(values[-1]) and other == values[-1]
            sqlite_sees_it = other is None and not schema.TABLES[table].columns[name].missing
            if not (same or sqlite_sees_it or (name == schema.CHECKSUM and other is None)):
                assert checks.wrong_rows(table, {**page, name: [*values[:-1], other]}) == [last], (name, other)


def test_a_row_says_the_same_whichever_way_its_checksum_is_computed(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for table in schema.TABLES:
            for row in connection.execute(f"SELECT * FROM {table}"):
                assert checks.checksum(table, dict(row)) == row["checksum"]


def test_a_column_of_a_later_version_leaves_old_rows_as_they_are(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE trials ADD COLUMN jitter REAL NOT NULL DEFAULT 0.0")
    assert is_as_it_was(path)


@pytest.mark.parametrize(
    "loss",
    [
        'DELETE FROM measurements WHERE "update" = 100 AND key = (SELECT min(key) FROM trials)',
        "DELETE FROM plan WHERE position = 3",
        "UPDATE trials SET status = 'won' WHERE key = (SELECT min(key) FROM trials)",
    ],
)
def test_what_sqlite_takes_for_sound_is_not_if_a_row_is_lost_or_changed(path: Path, content: bytes, loss: str) -> None:
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(loss)
    assert recovered(path, path.read_bytes()) == (TRIALS if "plan" in loss else TRIALS - 1)


def with_a_changed_plan(path: Path) -> bytes:
    """Damage what no trial rests on."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE plan SET seed = 99 WHERE position = 0")
    return path.read_bytes()


def test_of_two_rows_of_one_trial_neither_is_taken(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(content)
    order, plain, added = recovery._order("trials", ()), recovery.rows_in, []

    def twice(file: bytes):
        for values in plain(file):
            yield values
            row = dict(zip(order, values, strict=False))
            if len(values) == len(order) and row["key"] == trial(3).key and recovery._fits("trials", row):
                *rest, _ = (row | {"error": 0.125}).values()
                added.append((*rest, checks.checksum("trials", row | {"error": 0.125})))
                yield added[-1]

    monkeypatch.setattr(recovery, "rows_in", twice)
    assert recovered(path, with_a_changed_plan(path)) == TRIALS - 1
    assert len(added) == 1
    with Store.open_for_reading(path) as store:
        assert trial(3).key not in store.stored()


# Stores of versions without checksums


def without_checksums(path: Path, content: bytes, *statements: str) -> bytes:
    """Return a store's bytes as a version without checksums had written it, after some statements."""
    path.write_bytes(content)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE trials DROP COLUMN curve_checksum")
        for table in schema.TABLES:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        connection.execute("DELETE FROM about WHERE name = 'plan checksum'")
        for statement in statements:
            connection.execute(statement)
    return path.read_bytes()


def miscounted(content: bytes) -> bytes:
    """Return a file that says of itself that seven of its pages are free: SQLite calls it damaged, and no row is."""
    return content[:36] + bytes([0, 0, 0, 7]) + content[40:]


def recovered_unchecked(path: Path, damaged: bytes) -> int:
    """Recover a store without checksums, see that it is said, and return how many trials are there."""
    path.write_bytes(damaged)
    found = recover(path)
    assert found.aside is not None
    found.aside.unlink()
    assert (found.unchecked, found.planned) == (found.trials, None)
    with Store.open_for_reading(path) as store:
        held = {key: store.result(key) for key in store.stored()}
    assert held == {key: replace(RESULTS[key], frames=()) for key in held}
    assert len(held) == found.trials
    return len(held)


def test_of_a_store_without_checksums_is_recovered_what_fits_its_hashes(path: Path, content: bytes) -> None:
    older = without_checksums(path, content)
    counts = [recovered_unchecked(path, older[:cut]) for cut in range(4096, len(older), 4096)]
    assert counts[0] == 0
    assert counts[-1] >= TRIALS // 2
    path.write_bytes(older)
    with Store.open_for_writing(path):  # which adds the columns, at the end
        pass
    assert recovered_unchecked(path, path.read_bytes()[:-4096]) >= TRIALS // 2


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE trials SET {to} WHERE key = (SELECT min(key) FROM trials)"
        for to in ("seed = 99", "status = 'solved'", "status = 'won'", "updates = 7", "fingerprint = NULL")
    ]
    + [
        f"UPDATE measurements SET {to} WHERE key = (SELECT min(key) FROM trials)"
        for to in ("loss = 1.25", "error = NULL", "slices = 'none'")
    ]
    + ['DELETE FROM measurements WHERE "update" = 100 AND key = (SELECT min(key) FROM trials)'],
)
def test_without_checksums_a_trial_unlike_its_hashes_is_not_recovered(path: Path, content: bytes, change: str) -> None:
    assert recovered_unchecked(path, miscounted(without_checksums(path, content))) == TRIALS
    assert recovered_unchecked(path, miscounted(without_checksums(path, content, change))) == TRIALS - 1


def test_of_two_rows_without_a_checksum_neither_is_taken(path: Path, content: bytes, monkeypatch) -> None:
    plain, error = recovery.rows_in, RESULTS[trial(3).key].error

    def twice(file: bytes):
        for values in plain(file):
            yield values
            if error in values:
                yield tuple(0.125 if value == error else value for value in values)

    monkeypatch.setattr(recovery, "rows_in", twice)
    assert recovered_unchecked(path, miscounted(without_checksums(path, content))) == TRIALS - 1


def test_what_is_recovered_without_checksums_stays_told_apart(tmp_path: Path, path: Path, content: bytes) -> None:
    path.write_bytes(without_checksums(path, content)[:-4096])
    done = call("recover", "mine", "--results", tmp_path)
    assert done.exit_code == 3
    count = int(done.stdout.split(" trials are recovered")[0].split()[-1])
    assert f"unchecked {count} of them, from a version without checksums" in done.stdout
    with Store.open_for_reading(path) as store:
        (page,) = store.pages("trials")
    assert set(page[schema.CHECKSUM]) == {None}


def test_what_was_removed_from_a_store_does_not_come_back(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with Store.open_for_writing(path) as store:
        store.take([], without=[trial(seed).key for seed in range(1, TRIALS)])
    assert recovered(path, with_a_changed_plan(path)) == 1


def test_a_file_of_other_columns_is_read_in_their_order(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        for column in ("clip_cosine", "stop"):
            connection.execute(f"ALTER TABLE trials DROP COLUMN {column}")
    with Store.open_for_writing(path) as store:  # which adds them, at the end
        store.take([(one, FACTS) for one in RESULTS.values()])
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 255
    assert recovered(path, bytes(damaged)) == TRIALS - 1


def test_a_sound_store_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert recover(path).aside is None
    assert path.read_bytes() == content


def test_what_was_set_aside_before_stays(path: Path, content: bytes) -> None:
    for number in (1, 2):
        path.write_bytes(content[: number * 8192])
        assert recover(path).aside == path.with_name(f"store.damaged-{number}.sqlite")
    assert path.with_name("store.damaged-1.sqlite").read_bytes() == content[:8192]


def test_no_room_for_another_store_leaves_the_damaged_one(
    path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(content[:-100])

    def full(store: Store, table: str, row: schema.Row) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(StoreError, match="full"):
        recover(path)
    assert path.read_bytes() == content[:-100]
    assert {file.name for file in path.parent.iterdir()} == {"store.sqlite", "store.lock"}


@pytest.mark.usefixtures("at_once")
def test_a_damaged_store_is_recovered_and_completed_by_commands(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path)
    store = store_path("small", tmp_path)
    store.write_bytes(store.read_bytes()[:-4096])
    for command in (("show",), ("export",), ("plan", "--task", "copy", "--cell", "rnn", "--name")):
        refused(call(*command, "small", "--results", tmp_path), 4, str(store), "damaged", "longlag recover small")
    done = call("recover", "small", "--results", tmp_path)
    assert done.exit_code == 3
    assert "the damaged store is kept as" in done.stdout
    run(tmp_path)
    assert exports(tmp_path) == exports(tmp_path / "whole")
    again = call("recover", "small", "--results", tmp_path)
    assert (again.exit_code, again.stdout) == (0, f"{store} is sound, 12 trials are stored; nothing was changed\n")


def test_what_is_no_store_of_ours_is_not_recovered(path: Path, content: bytes, tmp_path: Path) -> None:
    refused(call("recover", "none", "--results", tmp_path), 2, "there is no store")
    refused(call("recover", "../mine", "--results", tmp_path), 2, "cannot name a study")
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    refused(call("recover", "mine", "--results", tmp_path), 4, "was written by a newer longlag")
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (of TEXT)")
    refused(call("recover", "mine", "--results", tmp_path), 4, "is not a longlag store")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(call("recover", "mine", "--results", tmp_path), 4, "is a link")
    assert {file.name for file in path.parent.iterdir()} == {"store.sqlite", "store.lock"}

"""Stores that cannot be used: named in one line, and left as they are."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sample_results import result, write

from longlag.store import schema
from longlag.store.store import Store, StoreError, store_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_path("mine", tmp_path / "results")


@pytest.mark.parametrize("opening", [Store.open_for_reading, Store.open_for_writing])
def test_a_newer_store_is_refused_and_left_as_it_is(path: Path, opening) -> None:
    write(path, [result(1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"mine/store\.sqlite was written by a newer longlag") as refusal:
        opening(path)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


def _no_database(content: bytes) -> bytes:
    return b"no database at all\n" * 400


def _cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _overwritten(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\xff" * 4096 + content[middle + 4096 :]


@pytest.mark.parametrize("opening", [Store.open_for_reading, Store.open_for_writing])
@pytest.mark.parametrize("damage", [_no_database, _cut_off, _overwritten])
def test_a_damaged_store_is_named_and_left_as_it_is(path: Path, opening, damage) -> None:
    write(path, [result(seed) for seed in range(30)])
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"mine/store\.sqlite is damaged and was left as it is") as refusal:
        opening(path)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opening", [Store.open_for_reading, Store.open_for_writing])
def test_another_programs_database_is_refused_and_left_as_it_is(path: Path, opening) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trials (mine)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not a longlag store"):
        opening(path)
    assert path.read_bytes() == before


def test_a_refused_store_is_free_for_the_next_run(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all\n" * 400)
    with pytest.raises(StoreError, match="damaged"):
        Store.open_for_writing(path)
    path.unlink()
    write(path, [result(1)])


def test_results_that_are_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine")
    with pytest.raises(StoreError, match=r"results/mine/store\.sqlite cannot be written: Not a directory"):
        Store.open_for_writing(store_path("mine", tmp_path / "results"))
    assert (tmp_path / "results").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder in which not even root may write")
def test_results_that_are_read_only_are_refused() -> None:
    with pytest.raises(StoreError, match=r"/sys/longlag/mine/store\.sqlite cannot be written"):
        Store.open_for_writing(store_path("mine", "/sys/longlag"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write read-only files")
def test_a_read_only_store_is_refused(path: Path) -> None:
    write(path, [result(1)])
    path.chmod(0o444)
    with pytest.raises(StoreError, match="is read-only"):
        Store.open_for_writing(path)

"""How commands end: an exit code of 1 is a verdict, and whatever else goes wrong is one line."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_study import USUAL, call, put, refused, study_of

from longlag.cli import main
from longlag.report.text import terminal
from longlag.store.store import Store, store_path

READERS = [["show"], ["figures"], ["tables"], ["export"], ["export", "--curves"], ["check"], ["compare", "ci"]]
READERS += [["baseline", "accept", "--reason", "x"]]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with the study `made`, of two seeds."""
    put(study_of(2), tmp_path, USUAL)
    return tmp_path


def broken(*_: object) -> str:
    raise RuntimeError("one line\nand another")


def test_a_fault_ends_with_70_and_names_the_file_of_its_traceback(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "render_text", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(results))
    done = call("show", "made", "--results", str(results))
    (kept,) = results.glob("longlag-*.txt")
    refused(done, 70, f"longlag: RuntimeError: one line; an error in longlag; the traceback is in {kept}")
    assert "in broken" in kept.read_text()


def test_a_fault_is_told_where_no_file_can_keep_it(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "render_text", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(results / "missing"))
    refused(call("show", "made", "--results", str(results)), 70, "the traceback cannot be written: No such file")


def test_a_terminal_that_lacks_a_character_gets_another_in_its_place(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "render_text", lambda study: "clip ≤ 1 · √2")
    done = CliRunner(charset="latin-1").invoke(main, ["show", "made", "--results", str(results)])
    assert (done.exit_code, done.stdout) == (0, "clip ? 1 · ?2\n")


@pytest.mark.parametrize("args", [["export", "made"], ["show", "made", "--json"]])
def test_what_programs_read_is_utf_8_whatever_the_terminal_is(args: list[str], tmp_path: Path) -> None:
    study = study_of(2)
    put(study, tmp_path, USUAL)
    with closing(sqlite3.connect(store_path("made", tmp_path))) as store, store:
        store.execute("UPDATE trials SET reason = 'Δ ≤ 1', checksum = NULL")
        store.execute("UPDATE about SET value = 'Δ ≤ 1' WHERE name = 'title'")
    done = CliRunner(charset="latin-1").invoke(main, [*args, "--results", str(tmp_path)])
    assert "Δ ≤ 1" in done.stdout_bytes.decode()


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_a_store_without_a_plan_gets_one_line(reader: list[str], begun: bool, tmp_path: Path) -> None:
    path = store_path("ci", tmp_path)
    path.parent.mkdir()
    path.touch()
    if begun:  # the disk was full when the plan was to be written
        with Store.open_for_writing(path):
            pass
    refused(call(*reader, "ci", "--results", str(tmp_path)), 2, f"{path} holds no plan: the run was stopped before")


def test_rerun_ends_with_1_where_the_numbers_differ(results: Path) -> None:
    key = study_of(2).trials()[0].key
    done = call("rerun", key, "--results", str(results))
    assert done.exit_code == 1
    assert "the numbers differ" in done.stdout

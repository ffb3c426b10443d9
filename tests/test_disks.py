"""Disks that fill up, folders that go away, clocks that jump: one line, and what was finished is kept."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shard_samples
from shard_samples import Engine, at_once, call, exports, refused, run  # noqa: F401 - a fixture

from longlag.run import run as running
from longlag.store import store as storing
from longlag.store.store import Store, store_path

RUN = ["run", *shard_samples.GRID, "--name", "small", "--workers", "1"]
ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
import killing
from shard_samples import GRID, call, exports, refused

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=68k", "tmpfs", folder], check=True)
killing.prepare()
run = ["run", *GRID, "--name", "small", "--results", folder]
for more in ([], ["--shard", "1/1"]):
    done = call(*run, *more)
    assert done.exit_code == 4, done.output
    assert "earlier results are kept" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
subprocess.run(["mount", "-o", "remount,size=10m", folder], check=True)
held = call("export", "small", "--results", folder)
assert len(held.stdout.splitlines()) > 1, "what was finished is there"
assert call(*run).exit_code == 0
assert exports(folder)[0].startswith(held.stdout_bytes.splitlines()[0])
assert set(held.stdout.splitlines()) <= set(exports(folder)[0].decode().splitlines())
assert len(exports(folder)[0].splitlines()) == 13
"""
"""With a file system of its own: what is finished before it is full is there, and the same command goes on."""


@pytest.fixture
def committed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "COMMIT_SECONDS", 0.0)


def may_mount() -> bool:
    tried = (
        subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False) if shutil.which("unshare") else 0
    )
    return bool(tried) and tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount")
def test_a_disk_that_fills_up_is_one_line_and_keeps_what_was_finished(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def after(count: int, harm):
    """Return an engine that does harm once some trials have ended."""

    class Harming(Engine):
        def run(self, cohorts):
            for place, result in enumerate(super().run(cohorts)):
                if place == count:
                    harm()
                yield result

    return Harming


@pytest.mark.usefixtures("at_once", "committed_at_once")
def test_a_store_that_cannot_grow_any_more_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole")
    opened = []
    writing = Store.open_for_writing.__func__
    monkeypatch.setattr(
        Store, "open_for_writing", classmethod(lambda kind, path: opened.append(writing(kind, path)) or opened[-1])
    )
    fill = after(5, lambda: opened[0]._connection.execute("PRAGMA max_page_count = 1"))
    with monkeypatch.context() as patch:
        patch.setattr(running, "LocalEngine", fill)
        done = call(*RUN, "--results", tmp_path)
    assert done.exit_code == 4
    assert done.stderr.splitlines()[-1].endswith(
        "cannot grow: the disk is full; earlier results are kept (database or disk is full)"
    )
    with Store.open_for_reading(store_path("small", tmp_path)) as store:
        assert 5 <= len(store.stored()) < 12
    run(tmp_path)
    assert exports(tmp_path) == exports(tmp_path / "whole")


@pytest.mark.usefixtures("at_once", "committed_at_once")
@pytest.mark.parametrize("more", [[], ["--shard", "1/1"]], ids=["store", "shard"])
def test_a_folder_that_is_removed_while_it_is_written_is_missed(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running, "LocalEngine", after(5, lambda: shutil.rmtree(tmp_path / "small")))
        done = call(*RUN, *more, "--results", tmp_path)
    assert done.exit_code == 4, done.output
    assert done.stderr.splitlines()[-1].startswith("longlag: ")
    assert "was moved or removed while it was written" in done.stderr
    run(tmp_path, *more)


@pytest.mark.usefixtures("at_once")
def test_a_second_coordinator_is_refused_by_the_command(tmp_path: Path) -> None:
    with Store.open_for_writing(store_path("small", tmp_path)):
        refused(call(*RUN, "--results", tmp_path), 4, "is being written by a run of this process")


@pytest.mark.usefixtures("at_once", "committed_at_once")
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole")
    drawn = random.Random(0)
    monkeypatch.setattr(time, "time", lambda: drawn.uniform(-1e9, 4e9))
    run(tmp_path)
    assert exports(tmp_path) == exports(tmp_path / "whole")

"""One writer at a time, and kills at any moment lose nothing committed."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from sample_results import result, stored, trial, write

from longlag.store import file
from longlag.store.store import Store, StoreError, store_path
from longlag.values.trial import Status


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_path("mine", tmp_path / "results")


@contextmanager
def writing_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("sample_results.py")), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_in_the_same_process_is_refused(path: Path) -> None:
    with Store.open_for_writing(path), pytest.raises(StoreError, match="is being written by a run of this process"):
        Store.open_for_writing(path)
    write(path, [result(1)])


def test_a_second_run_is_refused_until_the_first_one_is_killed(path: Path) -> None:
    with writing_process(path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreError, match=rf"is being written by another run \(process {process.pid}\)"):
            Store.open_for_writing(path)
        assert stored(path)  # readers are let in
        process.send_signal(signal.SIGKILL)
        process.wait()
        write(path, [result(10**7)])


def test_who_reads_a_store_that_is_being_made_sees_one_moment_of_it(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    writer = sqlite3.connect(path, timeout=0, isolation_level=None)

    def make_tables(statement: str) -> None:
        if "quick_check" in statement:
            with suppress(sqlite3.OperationalError):  # the reader is not to be disturbed
                file.create(writer)

    with closing(writer), closing(file.connect(path, "rw")) as reader:
        reader.set_trace_callback(make_tables)
        assert file.is_fresh(path, reader)


def test_a_forked_worker_that_outlives_its_run_does_not_keep_the_lock(path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from longlag.store.store import Store\n"
        "store = Store.open_for_writing(Path(sys.argv[1]))\n"
        "child = os.fork()\n"
        "child or time.sleep(60)\n"
        "print(child, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.wait()
        try:
            write(path, [result(1)])
        finally:
            os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("round_", range(4))
def test_a_kill_at_any_moment_loses_nothing_committed(path: Path, round_: int) -> None:
    lines = random.Random(round_).randrange(1, 60)
    with writing_process(path) as process:
        assert process.stdout is not None
        committed = [process.stdout.readline().strip() for _ in range(lines)]
        process.kill()
        process.wait()
    with Store.open_for_writing(path) as store:
        assert set(committed) <= store.stored().keys()
        whole = {row["key"]: 0 for row in store.trials()}
        for point in store.measurements():
            whole[point["key"]] += 1
    assert set(whole.values()) == {3}


def test_a_journal_left_by_a_kill_is_rolled_back_by_a_reader(path: Path) -> None:
    write(path, [result(1)])
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN IMMEDIATE')\n"
        "c.execute('UPDATE trials SET status = ?', ('x' * 10**6,))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert path.with_name("store.sqlite-journal").stat().st_size > 0
    assert stored(path)[trial(1).key].status is Status.UNSOLVED

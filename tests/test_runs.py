"""A study is planned, trained, killed and resumed; what is stored does not depend on how it came about."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from longlag.cli import main
from longlag.cli.planning import time_line
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.process import provenance
from longlag.run.costs import Pace, expected_seconds, pace_of
from longlag.run.plan import COHORT_SIZES, MEMORY, Plan, Retrain, make_plan
from longlag.run.run import RunOptions, run
from longlag.store import file
from longlag.store.results import load, load_curves
from longlag.store.store import Store, StoreError, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, TrialResult

LONGEST_WAIT = 240.0  # seconds; a busy machine compiles kernels for a minute
COMMAND = [sys.executable, "-m", "longlag"]
GRID = [
    *("--task", "copy:items=2,symbols=4,blanks=3", "--cell", "rnn", "--cell", "mgu", "--clip", "none"),
    *("--clip", "norm:1", "--seeds", "2", "--updates", "60", "--eval-every", "20"),
    *("--hidden-size", "9", "--batch-size", "5"),
]


class Silent:
    def started(self, plan: Plan) -> None:
        self.plan = plan

    def finished(self, result: TrialResult) -> None:
        pass


def small(**options: object) -> Study:
    defaults = {"task": ("copy:items=1,symbols=2,blanks=2",), "cell": ("rnn",), "updates": 10, "eval_every": 5}
    return adhoc("small", **(defaults | {"hidden_size": 4, "batch_size": 3, "seeds": 2} | options))


def go(study: Study, results: Path, workers: int = 1, fresh: bool = False) -> Plan:
    observer = Silent()
    run(study, results, RunOptions(workers, 60, retrain=Retrain(fresh)), observer)
    return observer.plan


def test_a_second_run_trains_nothing(tmp_path: Path) -> None:
    assert len(go(small(), tmp_path).missing) == 2
    assert len(go(small(), tmp_path).missing) == 0


def test_a_larger_study_trains_only_what_is_new(tmp_path: Path) -> None:
    go(small(), tmp_path)
    assert {trial.seed for trial in go(small(seeds=4), tmp_path).missing} == {2, 3}
    assert make_plan(small(seeds=1), tmp_path).outside == 3


def test_failed_rows_are_tried_again_and_results_are_not(tmp_path: Path) -> None:
    study = small(seeds=3)
    trials = study.trials()
    with Store.open_for_writing(store_path("small", tmp_path)) as store:
        for trial, status in zip(trials, (Status.FAILED, Status.DIVERGED, Status.TIMEOUT), strict=True):
            store.add(TrialResult(trial, status, reason="before"), facts(trial))
    assert make_plan(study, tmp_path).missing == (trials[0], trials[2])


def test_what_fails_in_three_runs_is_skipped_and_told_until_it_is_retried(tmp_path: Path) -> None:
    study = small(seeds=2)
    failing, well = study.trials()
    planned = [(trial, facts(trial)) for trial in study.trials()]
    for runs in range(1, 4):
        with Store.open_for_writing(store_path("small", tmp_path)) as store:
            store.write_plan("A study", planned)
            assert failing in make_plan(study, tmp_path).missing
            status = Status.FAILED if runs % 2 else Status.TIMEOUT
            store.add(TrialResult(failing, status, reason="it broke"), facts(failing))
            store.add(TrialResult(well, Status.UNSOLVED, 0.5), facts(well))
    plan = make_plan(study, tmp_path)
    assert (plan.missing, plan.skipped, plan.stored) == ((), (failing,), 1)
    options = ["--task", "copy:items=1,symbols=2,blanks=2", "--cell", "rnn", "--updates", "10", "--eval-every", "5"]
    options += ["--hidden-size", "4", "--batch-size", "3", "--seeds", "2", "--name", "small"]
    shown = call("plan", *options, "--results", str(tmp_path)).decode()
    told = f"1 trial failed or ran out of time in 3 runs, such as {failing.key}: --retry trains them again"
    assert told == plan.skipped_line
    assert f"skipped   {told}\n" in shown
    again = make_plan(study, tmp_path, Retrain(retry=True))
    assert (again.missing, again.skipped) == ((failing,), ())


def test_a_result_ends_the_count_of_failed_runs(tmp_path: Path) -> None:
    study = small(seeds=1)
    (trial,) = study.trials()
    for status in (Status.FAILED, Status.FAILED, Status.UNSOLVED):
        with Store.open_for_writing(store_path("small", tmp_path)) as store:
            store.add(TrialResult(trial, status), facts(trial))
            store.flush()
            held = store.stored()[trial.key]
    assert (held.status, held.runs_failed) == (Status.UNSOLVED, 0)


def test_stored_trials_say_how_fast_the_machine_is_and_decide_nothing_else(tmp_path: Path) -> None:
    study = small(seeds=20, cell=("rnn", "gru"))
    *timed, delayed, elsewhere = study.trials()[:5]
    here = {"cpu": provenance.environment()["cpu"]}
    with Store.open_for_writing(store_path("small", tmp_path)) as store:
        for trial, times, made in [(trial, 2, here) for trial in timed] + [
            (delayed, 50, here),
            (elsewhere, 9, {"cpu": "z"}),
        ]:
            seconds = times * expected_seconds(trial)
            ended = TrialResult(trial, Status.UNSOLVED, updates=10, wall_seconds=seconds, environment=made)
            store.add(ended, facts(trial))
    plan = make_plan(study, tmp_path)
    assert plan.pace == Pace(pytest.approx(2), 4)
    assert plan.seconds_here(2) == pytest.approx(2 * plan.seconds(2))
    assert plan.cohorts(2) == replace(plan, pace=None).cohorts(2)
    told = "workers (estimated: 2.0 times a server's, as 4 of its stored trials took here)"
    assert told in time_line(plan, 2)
    assert "for a server with AVX-512; elsewhere up to three times" in time_line(replace(plan, pace=None), 2)


def test_a_trial_that_stopped_early_is_held_against_the_updates_it_did() -> None:
    (trial,) = small(seeds=1, updates=1000, eval_every=10).trials()
    cost = expected_seconds(replace(trial, updates=50))
    assert pace_of([(trial, 50, 3 * cost)]) == Pace(pytest.approx(3), 1)
    assert pace_of([]) is None


def test_fresh_trains_again_what_other_source_made(tmp_path: Path) -> None:
    study = small()
    made_here, made_elsewhere = study.trials()
    with Store.open_for_writing(store_path("small", tmp_path)) as store:
        for trial, source in ((made_here, provenance.source_hash()), (made_elsewhere, "other")):
            store.add(TrialResult(trial, Status.UNSOLVED, environment={"source": source}), facts(trial))
    plan = make_plan(study, tmp_path, Retrain(fresh=True))
    assert (plan.missing, plan.other_source) == ((made_elsewhere,), 1)
    assert make_plan(study, tmp_path).missing == ()


def test_a_cohort_holds_trials_alike_but_for_seed_rate_and_clip(tmp_path: Path) -> None:
    study = small(cell=("rnn", "gru"), clip=("none", "norm:1"), lr=(0.1, 0.2), seeds=5)
    cohorts = make_plan(study, tmp_path).cohorts()
    assert all(len({trial.cohort for trial in cohort}) == 1 for cohort in cohorts)
    assert all(len(cohort) <= COHORT_SIZES[0] for cohort in cohorts)
    assert sorted(trial.key for cohort in cohorts for trial in cohort) == sorted(trial.key for trial in study.trials())


def test_cohorts_are_cut_so_that_every_worker_has_one_and_no_further(tmp_path: Path) -> None:
    sizes = {}
    for seeds in (8, 64):
        plan = make_plan(small(seeds=seeds, updates=1000, eval_every=100), tmp_path)
        sizes[seeds] = {workers: [len(cohort) for cohort in plan.cohorts(workers)] for workers in (1, 2, 8)}
    assert sizes[8] == {1: [8], 2: [4] * 2, 8: [1] * 8}
    assert sizes[64][1] == [8] * 8
    assert len(sizes[64][2]) <= 16, "cohorts are as large as they may be where many are left"
    assert sum(sizes[64][8]) == 64


def test_memory_cuts_cohorts_and_changes_no_digit(tmp_path: Path) -> None:
    study = small(clip=("none", "norm:0.01"))
    plan = make_plan(study, tmp_path)
    assert [len(plan.cohorts(1, memory)) for memory in (MEMORY, 1)] == [1, 4]
    curves = []
    for memory in (MEMORY, 1):
        results = tmp_path / str(memory)
        run(study, results, RunOptions(1, 60, memory), Silent())
        curves.append(load("small", results)[["key", "fingerprint", "error", "grad_norm_max"]])
    assert curves[0].equals(curves[1])
    assert curves[0]["fingerprint"].nunique() == 4


def test_a_missing_cuda_device_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match=r"device cuda .*: this machine has no CUDA device"):
        go(small(device="cuda"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_of_a_running_study_is_refused(tmp_path: Path) -> None:
    with (
        Store.open_for_writing(store_path("small", tmp_path)),
        pytest.raises(StoreError, match="is being written by"),
    ):
        go(small(), tmp_path)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # What a shell starts in the background ignores interrupts, and so would all that it starts itself.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def call(*arguments: str) -> bytes:
    """Run a command in this process and return what it prints."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


@pytest.mark.usefixtures("nothing_drawn")
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_and_resumed_gives_the_bytes_of_an_undisturbed_run(kills: int, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    call("run", *GRID, "--results", str(whole), "--workers", "1")
    for _ in range(kills):
        before = stored_count(broken)
        with started("run", *GRID, "--results", str(broken), "--workers", "2") as process:
            wait_until(lambda: stored_count(broken) > before or process.poll() is not None)  # noqa: B023 - called at once
    assert 0 < stored_count(broken) <= 8
    call("run", *GRID, "--results", str(broken), "--workers", "2")
    for kind in ((), ("--curves",)):
        one, other = (call("export", "adhoc", *kind, "--results", str(results)) for results in (broken, whole))
        assert one == other
        assert len(one.splitlines()) > 8
    for table in ("summary.csv", "summary.md", "summary.tex"):
        assert (broken / "adhoc/tables" / table).read_bytes() == (whole / "adhoc/tables" / table).read_bytes()


ALONE = pytest.param((signal.SIGINT,), marks=pytest.mark.slow)  # as the first of two


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT), ALONE], ids=str)
def test_interrupting_keeps_what_is_finished_and_says_so(signals: tuple[signal.Signals, ...], tmp_path: Path) -> None:
    command = ["run", "--task", "adding:length=900", "--cell", "rnn", "--seeds", "1", "--updates", "100000"]
    quick_one = ["--task", "copy:items=1,blanks=1"]
    with started(*command, *quick_one, "--lr", "1e-2", "--workers", "2", "--results", str(tmp_path)) as process:
        wait_until(lambda: stored_count(tmp_path) > 0)
        for one in signals:
            process.send_signal(one)
            time.sleep(0.05)  # the second meets a run that is ending
        _, messages = process.communicate(timeout=LONGEST_WAIT)
    assert process.returncode == 130
    assert "trials were finished and are kept: the same command resumes" in messages
    assert messages.endswith("\nlonglag: interrupted\n")
    assert "Traceback" not in messages
    assert stored_count(tmp_path) > 0


HOLDING = """
import ctypes, multiprocessing, os, pathlib
from torch import nn

class Holding(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRU(input_size, hidden_size)

    def forward(self, inputs, state):
        if multiprocessing.parent_process():  # in a worker
            pathlib.Path(__file__).with_name(f"at-work-{os.getpid()}").touch()
            ctypes.PyDLL(None).sleep(1000)
        return self.cell(inputs, state)
"""
"""A cell that keeps the interpreter's lock."""


@pytest.mark.parametrize("cell", ["gru", "holding"])
def test_no_worker_outlives_a_killed_coordinator(cell: str, tmp_path: Path) -> None:
    (tmp_path / "holding.py").write_text(HOLDING)
    command = ["run", "--task", "adding:length=50", "--cell", cell, "--updates", "100000", "--seeds", "2"]
    plugin = ["--plugin", str(tmp_path / "holding.py"), "--unchecked"] if cell == "holding" else []
    with started(*command, *plugin, "--workers", "2", "--results", str(tmp_path)) as process:
        wait_until(lambda: len(descendants(process.pid)) >= 4)  # a server, a tracker of resources, two workers
        wait_until(lambda: cell == "gru" or len(list(tmp_path.glob("at-work-*"))) == 2)
        workers = descendants(process.pid)
    wait_until(lambda: not any(alive(pid) for pid in workers))


def test_rows_are_loaded_as_they_were_trained(tmp_path: Path) -> None:
    go(small(clip=("none", "norm:1")), tmp_path)
    frame = load("small", tmp_path)
    assert list(frame["key"]) == sorted(frame["key"])
    assert set(frame["clip"]) == {"none", "norm:1"}
    assert (frame["score"] == 1 - frame["error"] / frame["baseline_error"]).all()
    assert list(load_curves("small", tmp_path).query(f"key == '{frame['key'][0]}'")["update"]) == [0, 5, 10]


def stored_count(results: Path) -> int:
    path = store_path("adhoc", results)
    if not path.exists():
        return 0
    with Store.open_for_reading(path) as store:
        return len(store.stored())


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True).stdout
    parents = dict(tuple(map(int, line.split())) for line in listed.splitlines())
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout


def wait_until(condition) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)  # polls; what is waited for is asserted above


@pytest.mark.usefixtures("nothing_drawn")
def test_a_run_opens_its_store_once_and_looks_for_damage_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    connect = file.connect

    def watched(path: Path, mode: str) -> sqlite3.Connection:
        statements.append(f"open {mode}")
        connection = connect(path, mode)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr("longlag.store.store.connect", watched)
    command = ["run", *GRID, "--updates", "2", "--eval-every", "1", "--workers", "1", "--results", str(tmp_path)]
    for _ in range(2):
        statements.clear()
        assert CliRunner().invoke(main, command).exit_code == 0
        assert [said for said in statements if said.startswith("open")] == ["open rwc", "open rw"]  # the report's
        assert sum("quick_check" in said for said in statements) == 1

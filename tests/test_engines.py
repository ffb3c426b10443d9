"""An engine outlives its workers: each fault costs retries, then a row, and nobody else anything; on Ray as here."""

import threading
from pathlib import Path

import faulty
import pytest

from longlag.run.engines.base import Engine
from longlag.run.engines.cluster import Cluster, RayEngine, attached
from longlag.run.engines.local import LocalEngine
from longlag.values.trial import Status, Trial


@pytest.fixture(scope="module")
def attached_here():
    """Ray on this machine alone; its processes import from the tests' folder, as those of this process do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        with attached(Cluster(workers=2)):
            yield


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def engine(request):
    """Return each class of engine, ready to be made."""
    if request.param == "local":
        return LocalEngine
    request.getfixturevalue("attached_here")
    return RayEngine


def trials(count: int) -> list[Trial]:
    return [Trial("copy:items=1,blanks=2", "rnn", "none", 0.01, seed, updates=4, eval_every=2) for seed in range(count)]


def ran(engine: type, cohorts: list[list[Trial]], train: faulty.Report, timeout: float = 60) -> dict[Trial, object]:
    found = [one for one in engine(2, timeout, train).run(cohorts) if one is not None]
    assert len({one.trial for one in found}) == len(found)  # nothing is reported twice
    return {one.trial: one for one in found}


def test_every_trial_of_every_cohort_is_reported_once(engine) -> None:
    cohorts = [trials(6)[:2], trials(6)[2:5], trials(6)[5:]]
    found = ran(engine, cohorts, faulty.well)
    assert set(found) == set(trials(6))
    assert {one.status for one in found.values()} == {Status.UNSOLVED}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faulty.raises, "ValueError: a cell that cannot be trained"),
        (faulty.exits, "exit code 7"),
        (faulty.is_killed, "exit code -9 (SIGKILL, as when memory runs out)"),
        (faulty.breaks, "exit code -11 (SIGSEGV)"),
        (faulty.forks_and_ends, "exit code 7"),
        (faulty.takes_too_much, "MemoryError"),
    ],
)
def test_a_fault_costs_one_trial_and_gives_its_reason(engine, fault: faulty.Report, reason: str) -> None:
    found = ran(engine, [trials(3), [Trial("copy:items=1,blanks=2", "lstm", "none", 0.01, 9)]], fault)
    by_seed = {trial.seed: one for trial, one in found.items()}
    assert by_seed[faulty.BAD_SEED].status is Status.FAILED
    assert reason in by_seed[faulty.BAD_SEED].reason
    assert all(one.status is Status.UNSOLVED for seed, one in by_seed.items() if seed != faulty.BAD_SEED)
    assert set(by_seed) == {0, 1, 2, 9}


@pytest.mark.parametrize("fault", [faulty.forks, faulty.prints])
def test_what_does_no_harm_costs_nothing(engine, fault: faulty.Report) -> None:
    found = ran(engine, [trials(3), trials(5)[3:]], fault)
    assert {trial.seed: one.status for trial, one in found.items()} == dict.fromkeys(range(5), Status.UNSOLVED)


@pytest.mark.parametrize("fault", [faulty.stops, faulty.loops, faulty.holds_the_lock])
def test_a_worker_that_hangs_runs_out_of_time(engine, fault: faulty.Report) -> None:
    found = ran(engine, [trials(2)], fault, timeout=0.5)  # a new process starts in part of that, hence not less
    by_seed = {trial.seed: one for trial, one in found.items()}
    assert by_seed[faulty.BAD_SEED].status is Status.TIMEOUT
    assert "took longer than 0.5 s" in by_seed[faulty.BAD_SEED].reason
    assert by_seed[0].status is Status.UNSOLVED


def test_closing_the_run_early_ends_the_workers() -> None:
    engine = LocalEngine(2, 60, faulty.loops)
    arriving = engine.run([trials(2), trials(2)[1:]])
    while next(arriving) is None:
        pass
    processes = [worker._process for worker in engine._alive]
    arriving.close()
    for process in processes:
        process.join(timeout=10)
    assert processes
    assert not any(process.is_alive() for process in processes)


class Placed:
    """A worker that has to wait for a place among a few, as on a cluster that is full; notes the time it is given."""

    def __init__(self, everyone, places, given):
        self.everyone, self.places, self.given, self.placed = everyone, places, given, False

    def train(self, trials, timeout_seconds):
        self.everyone.wait()  # until each has a cohort
        if not self.placed:
            self.places.acquire()
            self.placed = True
        self.given.append(timeout_seconds)
        yield from map(faulty.result, trials)

    def kill(self):
        if self.placed:
            self.placed = False
            self.places.release()


class OnePlace(Engine):
    def __init__(self, workers, timeout_seconds):
        super().__init__(workers, timeout_seconds)
        self.everyone, self.places, self.given = threading.Barrier(workers), threading.Semaphore(1), []

    def hire(self):
        return Placed(self.everyone, self.places, self.given)


def test_a_worker_that_has_nothing_to_do_gives_up_its_place():
    engine, waited, found = OnePlace(3, 60), 0, []
    for one in engine.run([[trial] for trial in trials(3)]):
        found += [one] if one is not None else []
        waited += one is None
        if waited == 30:
            engine.places.release(3)  # so that the test ends
    assert {one.trial for one in found} == set(trials(3))
    assert waited < 30, "it was waited for in vain"


def test_a_cohort_has_the_time_of_its_trials_together():
    engine = OnePlace(1, 2.0)
    assert len([one for one in engine.run([trials(1), trials(4)[1:]]) if one is not None]) == 4
    assert engine.given == [2, 6]

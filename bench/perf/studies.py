"""Part `studies`: times a mixed study on worker processes against the ordinary loop on as many processes."""

import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from longlag import registry
from longlag.networks.build import network_of
from longlag.perf import ordinary
from longlag.perf.measure import Timing
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.run.plan import Plan
from longlag.run.run import RunOptions, run
from longlag.training.evaluation import EVALUATION_SEQUENCES
from longlag.values.trial import Trial, TrialResult

CELLS = ("rnn", "rnn:nonlinearity=relu", "gru", "lstm")


class _Silent:
    def started(self, plan: Plan) -> None:
        pass

    def finished(self, result: TrialResult) -> None:
        pass


def mixed(seeds: int, updates: int) -> Study:
    """Return a study of four cells on adding, in equal shares; the learning rate is too small for any to solve it.

    Args:
        seeds: Seeds of each cell.
        updates: Budget of each trial, in updates.
    """
    budget = {"updates": updates, "eval_every": updates, "hidden_size": 64}  # a single evaluation
    grid = Grid(("adding",), CELLS, ("norm:1",), lr=(1e-9,), seeds=tuple(range(seeds)), **budget)
    return Study("mixed", "Speed", (grid,))


def ours(study: Study, workers: int) -> float:
    """Return the seconds of a run into a new folder, from the plan to the last commit."""
    folder = Path(tempfile.mkdtemp())
    try:
        started = time.perf_counter()
        run(study, folder, RunOptions(workers, timeout_seconds=3600), _Silent())
        return time.perf_counter() - started
    finally:
        shutil.rmtree(folder)


def theirs(study: Study, processes: int) -> float:
    """Return the seconds of the ordinary loop over the same trials on several processes, including their start."""
    trials = study.trials()
    context = multiprocessing.get_context("spawn")
    hands: list[Sequence[Trial]] = [trials[place::processes] for place in range(processes)]
    workers = [context.Process(target=ordinary.train, args=(hand, EVALUATION_SEQUENCES)) for hand in hands]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def measure(seeds: int, updates: int, workers: int, repeats: int) -> Iterator[Timing]:
    """Yield the mixed study against the ordinary loop, and against the same study on one worker.

    Args:
        seeds: Seeds of each setting.
        updates: Budget of each trial, in updates.
        workers: Processes.
        repeats: Rounds.
    """
    study = mixed(seeds, updates)
    setting = f"{len(study.trials())} trials of {updates} updates, T=100, hidden 64, {workers} processes"
    for trial in mixed(1, 1).trials():  # compiles before anything is timed; the processes load the code from disk
        network_of(trial).warm(registry.task(trial.task).tokens, trial.device, trial.dtype)
    pairs = [(ours(study, workers), theirs(study, workers)) for _ in range(repeats)]
    yield _timing("mixed study", setting, f"ordinary loop, {workers} processes", pairs)
    pairs = [(ours(study, workers), ours(study, 1)) for _ in range(repeats)]
    yield _timing("mixed study", setting, "one worker", pairs)


def _timing(what: str, setting: str, reference: str, pairs: list[tuple[float, float]]) -> Timing:
    pairs = sorted(pairs)
    median = pairs[len(pairs) // 2]
    return Timing("studies", what, setting, *median, reference, tuple(b / a for a, b in pairs))

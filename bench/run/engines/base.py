"""Engines train cohorts in workers, each with one thread, and survive their failures; they differ in where workers run.

A thread supervises each worker, so that a worker that hangs halfway through a message blocks no other; a worker has at
most one cohort at a time. If a worker raises, dies, stops or runs past its time, its cohort is tried once
more, then each remaining member once alone; trials that fail then end as `failed` or `timeout`. Finished trials are
yielded at once: the caller stores them.
"""

import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from longlag.process.guards import one_line
from longlag.run.engines.cohort import Train, of_plugins, train_cohort
from longlag.run.engines.worker import WorkerError
from longlag.values.trial import Status, Trial, TrialResult

_ATTEMPTS_TOGETHER = 2
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class _Job:
    """Trials to train together, and how often that has been tried before."""

    trials: tuple[Trial, ...]
    attempts: int = 0


class Hired(Protocol):
    """A worker, as an engine sees it."""

    def train(self, trials: Sequence[Trial], timeout_seconds: float) -> Iterator[TrialResult]:
        """Train a cohort and yield its results as they come.

        Raises:
            WorkerError: The worker raised, died or ran past the time; results yielded before remain valid.
        """

    def kill(self) -> None:
        """End the worker, whatever it is doing; any thread may call this."""


class Engine(ABC):
    """Several workers; use `run` as a generator and close it to stop early.

    Attributes:
        workers: The number of workers.
        timeout_seconds: The time limit of a trial; a cohort of n trials has n times that.
        train: The function that trains a cohort in a worker; a new process must be able to import it.
    """

    def __init__(self, workers: int, timeout_seconds: float, train: Train = train_cohort) -> None:
        self.workers = workers
        self.timeout_seconds = timeout_seconds
        self.train = train
        self._results: queue.SimpleQueue[TrialResult] = queue.SimpleQueue()
        self._jobs: deque[_Job] = deque()
        self._running = 0
        self._changed = threading.Condition()
        self._closing = False
        self._alive: set[Hired] = set()

    @abstractmethod
    def hire(self) -> Hired:
        """Start a worker."""

    def run(self, cohorts: Sequence[Sequence[Trial]]) -> Generator[TrialResult | None]:
        """Train cohorts in their order and yield results as they come; None after a moment without any.

        Raises:
            RuntimeError: All supervising threads have ended, and some trials have no result: a fault of this engine.
        """
        self._jobs.extend(_Job(tuple(cohort)) for cohort in cohorts)
        missing = sum(len(cohort) for cohort in cohorts)
        threads = [
            threading.Thread(target=self._supervise, daemon=True) for _ in range(min(self.workers, len(cohorts)))
        ]
        for thread in threads:
            thread.start()
        try:
            while missing:
                try:
                    yield self._results.get(timeout=_TICK_SECONDS)
                    missing -= 1
                except queue.Empty:
                    if not any(thread.is_alive() for thread in threads) and self._results.empty():
                        raise RuntimeError(f"{missing} trials were neither trained nor given up") from None
                    yield None
        finally:
            self._close()
            for thread in threads:
                thread.join()

    def _close(self) -> None:
        with self._changed:
            self._closing = True
            for worker in self._alive:
                worker.kill()
            self._changed.notify_all()

    def _supervise(self) -> None:
        """Hand one worker job after job, and replace it if it is lost."""
        worker: Hired | None = None
        while (job := self._next(wait=worker is None)) or worker:
            if job is None:  # an idle worker would hold the place of one that has yet to start
                assert worker is not None
                self._dismiss(worker)
                worker = None
                continue
            missing, retries = dict.fromkeys(job.trials), list[_Job]()
            try:
                worker = worker or self._hire()
                for result in worker.train(job.trials, self.timeout_seconds * len(job.trials)):
                    del missing[result.trial]
                    self._results.put(result)
            except WorkerError as lost:
                if worker and not lost.can_go_on:
                    self._dismiss(worker)
                    worker = None
                retries = self._retries(replace(job, trials=tuple(missing)), lost)
            finally:  # whatever goes wrong here, a thread that waits for this job must not wait for ever
                self._finished(retries)

    def _next(self, wait: bool) -> _Job | None:
        """Return the next job; where there is none, wait for running ones that may come back, or return at once."""
        with self._changed:
            while not self._closing:
                if self._jobs:
                    self._running += 1
                    return self._jobs.popleft()
                if not (wait and self._running):
                    return None
                self._changed.wait()
            return None

    def _finished(self, retries: Sequence[_Job]) -> None:
        with self._changed:
            self._jobs.extend(retries)
            self._running -= 1
            self._changed.notify_all()

    def _retries(self, job: _Job, lost: WorkerError) -> list[_Job]:
        attempts = job.attempts + 1
        if attempts < _ATTEMPTS_TOGETHER:
            return [_Job(job.trials, attempts)] if job.trials else []
        if attempts == _ATTEMPTS_TOGETHER:
            return [_Job((trial,), attempts) for trial in job.trials]
        status = Status.TIMEOUT if lost.timed_out else Status.FAILED
        for trial in job.trials:
            environment = lost.environment | of_plugins([trial])
            self._results.put(TrialResult(trial, status, reason=str(lost), environment=environment))
        return []

    def _hire(self) -> Hired:
        """Return a new worker.

        Raises:
            WorkerError: The run is ending, or no worker could be started.
        """
        with self._changed:
            if self._closing:
                raise WorkerError("the run is ending")
            try:
                worker = self.hire()
            except Exception as error:  # no process can be started, or the cluster is gone
                raise WorkerError(f"no worker could be started: {one_line(error)}") from error
            self._alive.add(worker)
            return worker

    def _dismiss(self, worker: Hired) -> None:
        with self._changed:
            self._alive.discard(worker)
        worker.kill()

"""Trains cohorts in processes of this machine, each with one thread, and survives their failures.

A thread supervises each worker, so that a worker that hangs halfway through a message blocks no other. If a worker
raises, dies, stops or runs past its time, its cohort is tried once more, then each remaining member once alone; trials
that fail then end as `failed` or `timeout`.
"""

import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from longlag.run.engines.worker import Train, Worker, WorkerError, of_plugins, train_cohort
from longlag.values.trial import Status, Trial, TrialResult

_ATTEMPTS_TOGETHER = 2
_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class _Job:
    """Trials to train together, and how often that has been tried before."""

    trials: tuple[Trial, ...]
    attempts: int = 0


class LocalEngine:
    """Several worker processes; use `run` as a generator and close it to stop early.

    Attributes:
        workers: The number of processes.
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
        self._alive: set[Worker] = set()

    def run(self, cohorts: Sequence[Sequence[Trial]]) -> Generator[TrialResult | None]:
        """Train cohorts in their order and yield results as they come; None after a moment without any."""
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
        """Give one worker job after job, and replace it when it is lost."""
        worker: Worker | None = None
        while (job := self._next()) is not None:
            missing = dict.fromkeys(job.trials)
            try:
                worker = worker or self._hire()
                for result in worker.train(job.trials, self.timeout_seconds * len(job.trials)):
                    del missing[result.trial]
                    self._results.put(result)
                self._finished()
            except WorkerError as lost:
                if worker and not lost.can_go_on:
                    self._dismiss(worker)
                    worker = None
                self._finished(self._retries(replace(job, trials=tuple(missing)), lost))
        if worker:
            self._dismiss(worker)

    def _next(self) -> _Job | None:
        """Return the next job; wait while running ones may come back; None when all is done."""
        with self._changed:
            while not self._closing:
                if self._jobs:
                    self._running += 1
                    return self._jobs.popleft()
                if not self._running:
                    return None
                self._changed.wait()
            return None

    def _finished(self, retries: Sequence[_Job] = ()) -> None:
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

    def _hire(self) -> Worker:
        with self._changed:
            if self._closing:
                raise WorkerError("the run is ending")
            worker = Worker(self.train)
            self._alive.add(worker)
            return worker

    def _dismiss(self, worker: Worker) -> None:
        with self._changed:
            self._alive.discard(worker)
        worker.kill()

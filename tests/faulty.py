"""Ways for a worker to go wrong: each takes the place of `longlag.training.cohort.train` in a worker process."""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from longlag.values.trial import Status, Trial, TrialResult

BAD_SEED = 1
Report = Callable[[TrialResult], None]


def result(trial: Trial) -> TrialResult:
    return TrialResult(trial, Status.UNSOLVED, error=0.5, updates=trial.updates)


def well(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    for trial in trials:
        report(result(trial))


def _bad(trials: Sequence[Trial], report: Report, fault: Callable[[], object]) -> None:
    for trial in trials:
        if trial.seed == BAD_SEED:
            fault()
        report(result(trial))


def _raise() -> None:
    raise ValueError("a cell that cannot be trained")


def raises(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, _raise)


def exits(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, lambda: os._exit(7))


def is_killed(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, lambda: os.kill(os.getpid(), signal.SIGKILL))


def stops(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def loops(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    def loop() -> None:
        while True:
            pass

    _bad(trials, report, loop)

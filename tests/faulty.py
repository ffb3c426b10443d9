"""Ways for a worker to go wrong: each takes the place of `longlag.training.cohort.train` in a worker process."""

import ctypes
import os
import resource
import signal
import sys
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


def holds_the_lock(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, lambda: ctypes.PyDLL(None).sleep(1000))


def breaks(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    _bad(trials, report, lambda: ctypes.string_at(0))


def takes_too_much(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    def allocate() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (2**31, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        bytearray(2**32)

    _bad(trials, report, allocate)


def forks_and_ends(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    """Leave a child that holds the pipe, and end."""

    def fork() -> None:
        if os.fork() == 0:
            while True:
                signal.pause()
        os._exit(7)

    _bad(trials, report, fork)


def prints(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    def say() -> None:
        for _ in range(100):
            sys.stdout.write("0123456789abcde\n" * 2**16)  # 1 MiB

    _bad(trials, report, say)


def forks(trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
    """Go on twice: the child reports a trial that the parent has reported, and ends before the parent goes on."""

    def fork() -> None:
        if os.fork() == 0:
            report(result(trials[0]))
            os._exit(0)
        os.wait()

    _bad(trials, report, fork)

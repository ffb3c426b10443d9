"""Shows a run's progress: one live display on a terminal, plain lines elsewhere; always on stderr."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Display

from longlag.plan.lags import moved_lines
from longlag.run.costs import expected_seconds
from longlag.run.plan import Plan
from longlag.values.trial import Status, TrialResult

_LINE_SECONDS = 10.0
_JUDGED_FROM = 0.1
_COLOURS = {
    Status.SOLVED: "green",
    Status.UNSOLVED: "yellow",
    Status.EXPLODED: "magenta",
    Status.DIVERGED: "magenta",
    Status.FAILED: "red",
    Status.TIMEOUT: "red",
}


class Progress:
    """An observer of a run.

    The time left is estimated from the time and expected cost of finished trials; until they are a tenth of the
    expected cost, from the expected cost alone.

    Args:
        workers: The number of worker processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._console = Console(stderr=True)
        self._statuses: Counter[Status] = Counter()
        self._total = 0
        self._cost_done = self._cost = self._whole_seconds = 0.0
        self._started = self._last_line = time.monotonic()
        self._display: Display | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display:
            self._display.stop()
        if isinstance(error, KeyboardInterrupt):
            done = sum(self._statuses.values())
            self._say(f"stopped; {done} of {self._total} trials were finished and are kept: the same command resumes")

    def started(self, plan: Plan) -> None:
        """Show the numbers of stored trials and of trials to train."""
        self._total = len(plan.missing)
        self._cost = sum(expected_seconds(trial) for trial in plan.missing)
        self._whole_seconds = plan.seconds_here(self._workers)
        counts = f"{len(plan.trials)} trials, {plan.stored} stored, {self._total} to train"
        self._say(f"study {plan.study.name}: {counts}")
        if plan.skipped:
            self._say(f"skipped: {plan.skipped_line}")
        for line in moved_lines(plan.missing):
            self._say(line)
        if self._total and self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._display = Display(*columns, console=self._console)
            self._display.add_task("training", total=self._total, note="")
            self._display.start()

    def finished(self, result: TrialResult) -> None:
        """Count a trial that has ended."""
        self._statuses[result.status] += 1
        self._cost_done += expected_seconds(result.trial)
        done = sum(self._statuses.values())
        if self._display:
            self._display.update(self._display.task_ids[0], completed=done, note=self._note(done, coloured=True))
        elif done == self._total or time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            self._say(f"{done}/{self._total} {self._note(done, coloured=False)}")

    def _note(self, done: int, coloured: bool) -> str:
        seconds = time.monotonic() - self._started
        left = max(self._whole_seconds - seconds, 0.0)
        if self._cost_done > _JUDGED_FROM * self._cost:
            left = seconds * (self._cost - self._cost_done) / self._cost_done
        counts = ", ".join(
            f"[{_COLOURS[status]}]{count} {status}[/]" if coloured else f"{count} {status}"
            for status in Status
            if (count := self._statuses[status])
        )
        return f"{done / seconds:.1f}/s, {minutes(left)} left: {counts}"

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """Return a duration as text.

    >>> minutes(42), minutes(150), minutes(7300)
    ('42 s', '2 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

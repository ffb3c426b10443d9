"""Length transfer: the other distances at which a trained network is tested.

Distances are lags in time steps, whatever the task's dial counts: the dial gets the setting with the nearest lag.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from longlag import registry
from longlag.plan.dial import neighbours, without_dial
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Range
from longlag.values.trial import Trial

if TYPE_CHECKING:
    from longlag.tasks.base import Task

MOST_TIMES = 10
"""A network is tested at up to this many times the lag that it was trained at."""


def lags_in(text: str) -> tuple[int, ...]:
    """Return the lags of a text such as `Trial.test_lags`.

    >>> lags_in("50,100"), lags_in("")
    ((50, 100), ())
    """
    return tuple(int(lag) for lag in text.split(",") if lag)


def trained_lags(task: "Task") -> tuple[int, int]:
    """Return the shortest and the longest lag that a task is trained at.

    >>> from longlag.tasks.parity import Parity
    >>> trained_lags(Parity(steps=Range(3, 40)))
    (2, 39)
    """
    dial = getattr(task, task.dial, None)
    return (task.turned(dial.low).lag if isinstance(dial, Range) else task.lag), task.lag


def at_lags(task: "Task", lags: tuple[int, ...], label: str = "--test-lags") -> "list[Task]":
    """Return the task at each lag, or at the nearest lag that its dial allows, each distance once.

    >>> from longlag.tasks.copy import Copy
    >>> [task.spec for task in at_lags(Copy(items=3, blanks=10), (13, 60))]
    ['copy:items=3,blanks=10', 'copy:items=3,blanks=57']

    Raises:
        UsageError: The task has no dial or other sizes at another distance, or a lag is out of reach.
    """
    if lags and not task.dial:
        raise UsageError(f"{label}: {without_dial(task)}")
    turned_to: dict[str, Task] = {}
    for lag in lags:
        if lag > MOST_TIMES * task.lag:
            rule = f"at most {MOST_TIMES} times the lag that {task.spec} is trained at, {task.lag}"
            raise UsageError(f"{label} must be {rule}, not {lag}")
        turned = _at_lag(task, lag, label)
        if (turned.input_size, turned.output_size) != (task.input_size, task.output_size):
            what = f"task {task.name()} has other inputs or outputs at another {task.dial}"
            raise UsageError(f"{label}: {what}, so a trained network cannot be tested there")
        turned_to.setdefault(turned.spec, turned)
    return list(turned_to.values())


def moved(task: "Task", lags: tuple[int, ...]) -> dict[int, int]:
    """Return the lags that the task's dial does not allow, each with the lag that is tested in its place.

    >>> from longlag.tasks.agreement import Agreement
    >>> moved(Agreement(nouns=Range(0, 4)), (29, 30, 31))
    {29: 30, 31: 30}
    """
    tested = {lag: turned.lag for lag in lags for turned in at_lags(task, (lag,))}
    return {lag: reached for lag, reached in tested.items() if reached != lag}


def moved_lines(trials: Iterable[Trial]) -> list[str]:
    """Return a line for each task whose dial does not allow all test lags; it names those that are tested instead."""
    lines = []
    for task, lags in dict.fromkeys((trial.task, trial.test_lags) for trial in trials):
        if replaced := moved(registry.task(task), lags_in(lags)):
            listed = ", ".join(f"{tested} instead of {lag}" for lag, tested in replaced.items())
            lines.append(f"{task} is tested at the nearest lags that its dial allows: {listed}")
    return lines


def _at_lag(task: "Task", lag: int, label: str) -> "Task":
    around = neighbours(task, lambda turned: turned.lag >= lag)
    shortest, longest = (min(around, key=_lag), max(around, key=_lag)) if around else (task, task)
    if len(around) < 2 and lag < shortest.lag:
        raise UsageError(f"{label}: the shortest lag of {task.spec} is {shortest.lag}, not {lag}")
    if lag > longest.lag:
        raise UsageError(f"{label}: the longest lag of {task.spec} is {longest.lag}, not {lag}")
    return min(around, key=lambda turned: abs(turned.lag - lag))


def _lag(task: "Task") -> int:
    return task.lag

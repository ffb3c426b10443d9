"""Settings of a task's dial whose distances come nearest to a given one."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.tasks.base import Task


def without_dial(task: "Task") -> str:
    """Return a message that a task has no dial, with the task's own reason, or else with the way to declare a dial.

    >>> from longlag.tasks.agreement_constructions import AgreementConstructions
    >>> print(without_dial(AgreementConstructions()))  # doctest: +ELLIPSIS
    task agreement_constructions has no dial for the distance: each construction has the distance it has; agreement ...
    """
    why = task.no_dial or 'its class may name the option that sets it in `dial: ClassVar[str] = "..."`'
    return f"task {task.name()} has no dial for the distance: {why}"


def neighbours(task: "Task", reaches: "Callable[[Task], bool]") -> "list[Task]":
    """Return the task at the last setting of its dial that falls short and at the first that reaches, in this order.

    A setting that the task's other options do not allow counts as one that falls short, and is left out. Settings are
    tried from the low end in growing strides, and none is tried that is twice as far as necessary: at a far setting
    the distance may take long to compute.

    Args:
        task: A task that has a dial.
        reaches: Returns whether a task's distance is far enough; it must be true for every farther setting, too.

    >>> from longlag.tasks.copy import Copy
    >>> [made.blanks for made in neighbours(Copy(items=3), lambda made: made.lag >= 60)]
    [56, 57]
    """
    low, end = task.dial_range

    def falls_short(setting: int) -> bool:
        turned = _turned(task, setting)
        return turned is None or not reaches(turned)

    high, stride = low, 1
    while high < end and falls_short(high):
        low, high, stride = high + 1, min(high + stride, end), 2 * stride
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if falls_short(middle) else (low, middle)
    return [turned for setting in (low - 1, low) if (turned := _turned(task, setting)) is not None]


def _turned(task: "Task", setting: int) -> "Task | None":
    try:
        return task.turned(setting)
    except UsageError:  # out of the dial's range, or too short for the task's other options
        return None

"""What protects against code of others: an end to whatever takes too long, one line of what it raised, and where."""

import os
import signal
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from longlag.process.sources import PACKAGES, folder_of

_AGAIN = 1.0
"""Seconds until the alarm rings again: what it raises within a callback from C is printed, and lost."""
_LONGEST = 300
"""Characters of an exception that are kept."""
PLUGINS = "longlag_plugins."
"""What the names of modules of plugins begin with."""


class TookTooLongError(Exception):
    """Something did not end within its time."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop what takes longer, where that is possible: in the main thread of a Unix process.

    Raises:
        TookTooLongError: It took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: object) -> None:
        raise TookTooLongError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def no_exit() -> Iterator[None]:
    """Turn `os._exit`, which would end the process without a word, into SystemExit for a while."""

    def leave(code: int) -> NoReturn:
        raise SystemExit(code)

    before, os._exit = os._exit, leave  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = before


def first_line(error: BaseException) -> str:
    """Write an exception in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def one_line(error: BaseException) -> str:
    """Write an exception in one line, all that it says unless that is long, and where in a plugin it came from."""
    said = " ".join(str(error).split())
    told = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return (told if len(told) <= _LONGEST else f"{told[:_LONGEST]} ...") + place(error)


def place(error: BaseException) -> str:
    """Say where in a plugin, or in what it calls of its own, an exception came from: `` (line 12 of mycell.py)``."""
    trace = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    plugin = [frame.f_globals.get("__name__", "").startswith(PLUGINS) for frame, _ in trace]
    if not any(plugin):
        return ""
    others = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib", "platlib")]
    others += map(folder_of, PACKAGES)
    first, told = plugin.index(True), (Path(), 0)
    for (frame, line), its in zip(trace[first:], plugin[first:], strict=True):
        path = Path(frame.f_code.co_filename)
        if its or (path.is_absolute() and not any(path.is_relative_to(folder) for folder in others)):
            told = path, line
    return f" (line {told[1]} of {told[0].name})"

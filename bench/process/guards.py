"""Guards around plugin code: time limits, and one line for an exception with its place."""

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
"""Seconds until the alarm rings again: an exception that it raises in a callback from C is printed and lost."""
_LONGEST = 300
"""Characters of an exception that are kept."""
PLUGINS = "longlag_plugins."
"""The prefix of the names of plugin modules."""


class TookTooLongError(Exception):
    """Code took longer than its time limit."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the body after a time limit, where that is possible: in the main thread of a Unix process.

    Raises:
        TookTooLongError: The body took longer.
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
    """Turn `os._exit`, which would end the process without a message, into SystemExit within the body."""

    def leave(code: int) -> NoReturn:
        raise SystemExit(code)

    before, os._exit = os._exit, leave  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = before


def first_line(error: BaseException) -> str:
    """Return an exception's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def one_line(error: BaseException) -> str:
    """Return an exception in one line: its type, its message, cut if it is long, and its place in a plugin."""
    message = " ".join(str(error).split())
    line = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return (line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ...") + place(error)


def place(error: BaseException) -> str:
    """Return where plugin code raised an exception, `` (line 12 of mycell.py)``; empty if it was other code."""
    trace = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    plugin = [frame.f_globals.get("__name__", "").startswith(PLUGINS) for frame, _ in trace]
    if not any(plugin):
        return ""
    others = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib", "platlib")]
    others += map(folder_of, PACKAGES)
    first, last = plugin.index(True), (Path(), 0)
    for (frame, line), its in zip(trace[first:], plugin[first:], strict=True):
        path = Path(frame.f_code.co_filename)
        if its or (path.is_absolute() and not any(path.is_relative_to(folder) for folder in others)):
            last = path, line
    return f" (line {last[1]} of {last[0].name})"

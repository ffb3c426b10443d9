"""What protects against code of others: an end to whatever takes too long, and one line of what it raised."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_AGAIN = 1.0
"""Seconds until the alarm rings again: what it raises within a callback from C is printed, and lost."""


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


def first_line(error: BaseException) -> str:
    """Write an exception in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__

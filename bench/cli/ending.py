"""The end of a command: exit codes, one-line error messages, and output that every terminal can show."""

import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from longlag.process.guards import first_line

EXIT_CONFLICT, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_STORE, EXIT_FAULT, EXIT_INTERRUPTED = 1, 2, 3, 4, 70, 130
"""Exit codes. `EXIT_FAULT` is EX_SOFTWARE of sysexits.h: an error of the program must not look like a verdict, 1."""


_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_once() -> Iterator[None]:
    """Let SIGTERM stop the body as Ctrl-C does; afterwards both are ignored, while finished results are written.

    Raises:
        KeyboardInterrupt: One of the two signals arrived.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for one in _STOPS:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, stop) for one in _STOPS}
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        _handle(before)
        raise
    _handle(before)


def _handle(signals: Mapping[signal.Signals, Any]) -> None:
    for one, handler in signals.items():
        signal.signal(one, handler)


def accept_any_character() -> None:
    """Let output replace characters that its encoding lacks, so that a ``≤`` does not lose a computed table."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a caller may have replaced it by another object
            stream.reconfigure(errors="replace")


def write_as_files() -> None:
    """Write CSV or JSON to stdout in UTF-8, as to a file, even if the terminal has another encoding."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")


def complain(message: str) -> None:
    """Print an error in one line to stderr."""
    click.echo(f"longlag: {' '.join(message.split(chr(10)))}", err=True)


def explain_fault(error: BaseException) -> str:
    """Return a line about an unexpected error, with the temporary file that holds its traceback."""
    message = f"{first_line(error)}; an error in longlag"
    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="longlag-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(trace)
    except OSError as full:
        return f"{message}; the traceback cannot be written: {full.strerror}"
    return f"{message}; the traceback is in {file.name}"

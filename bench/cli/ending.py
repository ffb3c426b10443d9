"""How a command ends: its exit codes, one line on what went wrong, and output that every terminal can take."""

import sys
import tempfile
import traceback

import click

from longlag.process.guards import first_line

EXIT_CONFLICT, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_STORE, EXIT_FAULT, EXIT_INTERRUPTED = 1, 2, 3, 4, 70, 130
"""`EXIT_FAULT` is EX_SOFTWARE of sysexits.h: no verdict, such as 1, may be mistaken for a program that broke."""


def accept_any_character() -> None:
    """Let output replace what its encoding lacks: a table that was computed is not lost to a ``≤``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a caller has put something else in its place
            stream.reconfigure(errors="replace")


def write_as_files() -> None:
    """Write to stdout the bytes that a file would get, UTF-8, whatever the terminal's encoding: for CSV and JSON."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")


def complain(message: str) -> None:
    """Say in one line of stderr what went wrong."""
    click.echo(f"longlag: {' '.join(message.split(chr(10)))}", err=True)


def explain_fault(error: BaseException) -> str:
    """Return a line on an error that nobody foresaw, which names the temporary file that its traceback is kept in."""
    told = f"{first_line(error)}; a fault of longlag"
    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="longlag-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(trace)
    except OSError as full:
        return f"{told}; its traceback cannot be kept: {full.strerror}"
    return f"{told}, its traceback is in {file.name}"

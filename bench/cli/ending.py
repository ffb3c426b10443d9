"""How a command ends: exit codes, one-line error messages, and output that every terminal can show."""

import sys
import tempfile
import traceback

import click

from longlag.process.guards import first_line

EXIT_CONFLICT, EXIT_USAGE, EXIT_SOME_FAILED, EXIT_STORE, EXIT_FAULT, EXIT_INTERRUPTED = 1, 2, 3, 4, 70, 130
"""`EXIT_FAULT` is EX_SOFTWARE of sysexits.h, so that an error of the program is never taken for a verdict such as 1."""


def accept_any_character() -> None:
    """Let output replace characters that its encoding lacks, so that a ``≤`` does not cost a computed table."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a caller may have replaced it by another object
            stream.reconfigure(errors="replace")


def write_as_files() -> None:
    """Write to stdout the bytes that a file would get, UTF-8, whatever the terminal's encoding: for CSV and JSON."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")


def complain(message: str) -> None:
    """Print an error in one line to stderr."""
    click.echo(f"longlag: {' '.join(message.split(chr(10)))}", err=True)


def explain_fault(error: BaseException) -> str:
    """Return a line on an unexpected error, which names the temporary file with its traceback."""
    message = f"{first_line(error)}; a fault of longlag"
    trace = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="longlag-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(trace)
    except OSError as full:
        return f"{message}; its traceback cannot be kept: {full.strerror}"
    return f"{message}, its traceback is in {file.name}"

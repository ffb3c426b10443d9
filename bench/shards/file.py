"""Reads shards: files of JSON lines, one for each finished trial.

A shard can be read even if its writer was killed: an incomplete line at the end does not count. In one shard a later
line of a trial replaces an earlier one, unless only the earlier one has a result.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from longlag.process.provenance import LATER, OF_LONGLAG, UNHASHED
from longlag.shards import lines
from longlag.shards.header import Header
from longlag.shards.lines import DamagedLineError
from longlag.store.file import StoreError
from longlag.store.schema import Facts
from longlag.tasks.support.errors import UsageError
from longlag.values.plain import from_plain, to_plain
from longlag.values.trial import TrialResult

ENDING = ".jsonl"
"""The suffix of shard files."""


class NotBegunError(StoreError):
    """A shard has no complete first line, since its writer was stopped too early."""


@dataclass(frozen=True)
class Line:
    """A line after the first.

    Attributes:
        number: Its number from 1; the first line has no trial.
        offset: Bytes before it.
        result: The finished trial; None where the line cannot be used.
        plain: The result as plain JSON values.
        fault: Why the line cannot be used; empty where it can.
    """

    number: int
    offset: int
    result: TrialResult | None = None
    plain: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def shards_of(study: str, results: Path) -> Path:
    """Return the default folder of a study's shards."""
    return results / study / "shards"


def read_header(path: Path) -> Header:
    """Read the first line of a shard.

    Raises:
        UsageError: There is no such file.
        StoreError: The file is not a shard, is newer than this program, or its first line is damaged.
    """
    with opened(path) as file:
        return header_of(path, file)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines after the first; an incomplete line at the end is left out.

    Raises:
        UsageError: There is no such file.
        StoreError: As for `read_header`.
    """
    with opened(path) as file:
        header_of(path, file)
        yield from lines_of(file)


def read_line(path: Path, offset: int) -> TrialResult:
    """Read the trial of one line a second time.

    Raises:
        StoreError: The line has changed since.
    """
    with opened(path) as file:
        file.seek(offset)
        try:
            return _result(file.readline(lines.LONGEST))[0]
        except DamagedLineError as error:
            raise StoreError(f"{path} changed while it was read: {error}") from None


def replaces(later: TrialResult, earlier: TrialResult | None) -> bool:
    """Return whether a later line of a shard replaces an earlier one of the same trial."""
    return earlier is None or later.status.is_result or not earlier.status.is_result


def count_line(result: TrialResult, runs_failed: Counter[str]) -> None:
    """Count a line of a shard among the runs in which its trial failed; a result ends the count.

    Args:
        result: The result in the line.
        runs_failed: The runs in a row in which a trial failed or ran out of time, by key; changed.
    """
    if result.status.is_result:
        del runs_failed[result.trial.key]
    else:
        runs_failed[result.trial.key] += 1


def trial_line(result: TrialResult, facts: Facts) -> bytes:
    """Return the line of a finished trial."""
    return lines.written({"key": result.trial.key, "result": to_plain(result), "facts": to_plain(facts)})


def opened(path: Path) -> IO[bytes]:
    """Open a shard for reading.

    Raises:
        UsageError: There is no such file.
        StoreError: It cannot be read.
    """
    if not path.is_file():  # a pipe or a device may never end
        raise UsageError(f"there is no shard {path}")
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreError(f"shard {path} cannot be read: {error.strerror}") from error


def header_of(path: Path, file: IO[bytes]) -> Header:
    """Read the first line of an open shard.

    Raises:
        NotBegunError: The first line is incomplete.
        StoreError: As for `read_header`.
    """
    first = file.readline(lines.LONGEST)
    if not lines.may_begin(first[:16]):
        raise StoreError(f"{path} is not a shard of longlag")
    if not first.endswith(b"\n"):
        raise NotBegunError(f"{path} holds nothing yet: its first line was cut off")
    try:
        return Header.read(lines.read(first), str(path))
    except DamagedLineError as error:
        raise StoreError(f"{path}: its first line is damaged: {error}") from None


def lines_of(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of an open shard from its current position, which is after the first line."""
    offset = file.tell()
    for number, content in enumerate(iter(lambda: file.readline(lines.LONGEST), b""), start=2):
        if not content.endswith(b"\n") and len(content) < lines.LONGEST:
            return  # incomplete
        try:
            yield Line(number, offset, *_result(content))
        except DamagedLineError as error:
            yield Line(number, offset, fault=str(error))
        offset += len(content)


_ENVIRONMENT = {"source": str, OF_LONGLAG: str, LATER: dict[str, str], UNHASHED: tuple[str, ...]}
"""The entries of an environment that code reads again, with their types; other entries are only shown."""


def _check_environment(environment: Mapping[str, Any]) -> None:
    for name in _ENVIRONMENT.keys() & environment.keys():
        from_plain(_ENVIRONMENT[name], environment[name])


def _result(line: bytes) -> tuple[TrialResult, Mapping[str, Any]]:
    content: dict[str, Any] = lines.read(line)
    try:
        result: TrialResult = from_plain(TrialResult, content["result"])
        if content["key"] != result.trial.key:
            raise ValueError("its key is not that of its trial")
        _check_environment(result.environment)
        return result, content["result"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedLineError(f"it does not describe a trial ({' '.join(str(error).split())})") from None

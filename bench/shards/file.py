"""Reading of shards: files of JSON lines, one for each finished trial, whatever became of their writer.

A line counts once its end is on the disk; what a kill cut off is no line yet. In one shard a later line of a trial
replaces an earlier one, unless it has no result and the other has.
"""

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
"""How the files of shards end."""


class NotBegunError(StoreError):
    """A shard has no first line: whoever was to write it was stopped before."""


@dataclass(frozen=True)
class Line:
    """A line behind the first.

    Attributes:
        number: From 1; the first line has no trial.
        offset: Bytes before it.
        result: The finished trial; None where the line cannot be used.
        plain: The same as it was read.
        fault: Why not; empty where it can.
    """

    number: int
    offset: int
    result: TrialResult | None = None
    plain: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def shards_of(study: str, results: Path) -> Path:
    """Return the folder in which a study's shards lie unless said otherwise."""
    return results / study / "shards"


def read_header(path: Path) -> Header:
    """Read the first line of a shard.

    Raises:
        UsageError: There is no such file.
        StoreError: It is no shard, it is newer than this program, or its first line is damaged.
    """
    with opened(path) as file:
        return header_of(path, file)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines behind the first one; what is cut off at the end is none.

    Raises:
        UsageError: There is no such file.
        StoreError: As of `read_header`.
    """
    with opened(path) as file:
        header_of(path, file)
        yield from lines_of(file)


def read_line(path: Path, offset: int) -> TrialResult:
    """Read the trial of one line again.

    Raises:
        StoreError: The line is no longer what it was.
    """
    with opened(path) as file:
        file.seek(offset)
        try:
            return _result(file.readline(lines.LONGEST))[0]
        except DamagedLineError as error:
            raise StoreError(f"{path} changed while it was read: {error}") from None


def replaces(later: TrialResult, earlier: TrialResult | None) -> bool:
    """Whether a later line of a shard counts in place of an earlier one of the same trial."""
    return earlier is None or later.status.is_result or not earlier.status.is_result


def trial_line(result: TrialResult, facts: Facts) -> bytes:
    """Return the line of a finished trial."""
    return lines.written({"key": result.trial.key, "result": to_plain(result), "facts": to_plain(facts)})


def opened(path: Path) -> IO[bytes]:
    """Open a shard for reading.

    Raises:
        UsageError: There is no such file.
        StoreError: It cannot be read.
    """
    if not path.is_file():  # nor a pipe or a device, which may never end
        raise UsageError(f"there is no shard {path}")
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreError(f"shard {path} cannot be read: {error.strerror}") from error


def header_of(path: Path, file: IO[bytes]) -> Header:
    """Read the first line of an open shard.

    Raises:
        NotBegunError: It was cut off.
        StoreError: As of `read_header`.
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
    """Yield the lines of an open shard from where it stands, behind the first one."""
    offset, number = file.tell(), 1
    for content in iter(lambda: file.readline(lines.LONGEST), b""):
        if not content.endswith(b"\n") and len(content) < lines.LONGEST:
            return  # cut off
        number += 1
        try:
            yield Line(number, offset, *_result(content))
        except DamagedLineError as error:
            yield Line(number, offset, fault=str(error))
        offset += len(content)


_ENVIRONMENT = {"source": str, OF_LONGLAG: str, LATER: dict[str, str], UNHASHED: tuple[str, ...]}
"""What is read of an environment again, beside being shown."""


def _check_environment(environment: Mapping[str, Any]) -> None:
    for name in _ENVIRONMENT.keys() & environment.keys():
        from_plain(_ENVIRONMENT[name], environment[name])


def _result(line: bytes) -> tuple[TrialResult, Mapping[str, Any]]:
    held: dict[str, Any] = lines.read(line)
    try:
        result: TrialResult = from_plain(TrialResult, held["result"])
        if held["key"] != result.trial.key:
            raise ValueError("its key is not that of its trial")
        _check_environment(result.environment)
        return result, held["result"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedLineError(f"it does not describe a trial ({' '.join(str(error).split())})") from None

"""Writes shards: a line is on the disk, whole, before its trial is reported.

An incomplete line that a kill left is removed before the next line is appended.
"""

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from longlag.shards import lines
from longlag.shards.file import count_line, header_of, lines_of, replaces, trial_line
from longlag.shards.header import Header
from longlag.store.file import Lock, NoLocksError, StoreError, sync_folder
from longlag.store.schema import Facts
from longlag.store.store import COMMIT_SECONDS
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import TrialResult


class ShardWriter:
    """A shard that is open for appending, with the methods of a store; use `open` in a ``with`` statement.

    Attributes:
        path: The file.
        held: The results in its lines, by key, without curves and without frames of lenses.
        runs_failed: The runs in a row in which a trial failed or ran out of time, by key.
    """

    def __init__(
        self, path: Path, file: int, held: dict[str, TrialResult], runs_failed: Counter[str], lock: Lock | None
    ) -> None:
        self.path = path
        self.held = held
        self.runs_failed = runs_failed
        self._file = file
        self._lock = lock
        self._waiting: list[tuple[str, TrialResult, bytes]] = []
        self._waiting_since: float | None = None

    @classmethod
    def open(cls, path: Path, header: Header, locked: bool = True) -> Self:
        """Open a shard for appending; make it, and its folder, where it is missing.

        Args:
            path: The file.
            header: The first line; that of an existing file must have the same study, plan and share.
            locked: Lock it against other writers, unless the file system has no locks. A file whose name is unique to
                its writer needs no lock.

        Raises:
            UsageError: The file holds another study, plan or share.
            StoreError: The file cannot be written, is written by another run, or is not a shard.
        """
        lock = _lock(path) if locked else None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not through a link: one that came with an unpacked folder could lead anywhere.
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
            try:
                held, runs_failed = _resumed(path, file, header)
            except BaseException:
                os.close(file)
                raise
        except BaseException as error:
            if lock:
                lock.release()
            if isinstance(error, OSError):
                raise StoreError(f"shard {path} cannot be written: {error.strerror}") from error
            raise
        return cls(path, file, held, runs_failed, lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, StoreError):  # an interrupted run keeps what is finished
                self.flush()
        finally:
            os.close(self._file)
            if self._lock:
                self._lock.release()

    def add(self, result: TrialResult, facts: Facts) -> None:
        """Take a finished trial; it is in the file after the next `flush`."""
        held = replace(result, measurements=(), frames=())
        self._waiting.append((result.trial.key, held, trial_line(result, facts)))
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def flush_if_due(self) -> None:
        """Write once the oldest waiting trial has waited for `COMMIT_SECONDS`."""
        if self._waiting_since is not None and time.monotonic() - self._waiting_since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write all waiting trials; they are on the disk when this returns.

        Raises:
            StoreError: They could not be written; the file ends after its last whole line, and the trials still wait.
        """
        if not self._waiting:
            return
        if not _is_at(self.path, self._file):
            raise StoreError(f"shard {self.path} was moved or removed while it was written")
        try:
            _append(self._file, b"".join(line for _, _, line in self._waiting))
        except OSError as error:
            failure = f"shard {self.path} cannot grow: {error.strerror}; earlier results are kept"
            raise StoreError(failure) from error
        for key, result, _ in self._waiting:
            if replaces(result, self.held.get(key)):
                self.held[key] = result
            count_line(result, self.runs_failed)
        self.forget()

    def forget(self) -> None:
        """Drop the waiting trials."""
        self._waiting.clear()
        self._waiting_since = None


def _lock(path: Path) -> Lock | None:
    """Return the lock for writing; None on a file system without locks, where two writers would do the work twice."""
    try:
        return Lock(path)
    except NoLocksError:
        return None


def _resumed(path: Path, file: int, header: Header) -> tuple[dict[str, TrialResult], Counter[str]]:
    """Cut an open file after its last whole line; return its results, and in how many runs each trial failed.

    Where not even the first line is whole, that line is written anew.

    Raises:
        StoreError: The file is not a shard.
    """
    with os.fdopen(os.dup(file), "rb") as reader:
        reader.seek(0)
        first = reader.readline(lines.LONGEST)
        if not first.endswith(b"\n"):
            if not lines.may_begin(first):
                raise StoreError(f"{path} is not a shard of longlag and was left as it is")
            os.ftruncate(file, 0)
            _append(file, lines.written(header.line))
            sync_folder(path.parent)
            return {}, Counter()
        reader.seek(0)
        _check_same(path, header_of(path, reader), header)
        held, runs_failed = dict[str, TrialResult](), Counter[str]()
        for result in (line.result for line in lines_of(reader) if line.result is not None):
            count_line(result, runs_failed)
            if replaces(result, held.get(result.trial.key)):
                held[result.trial.key] = replace(result, measurements=(), frames=())
        end = _end_of_lines(reader)
        if end < reader.seek(0, os.SEEK_END):
            os.ftruncate(file, end)
            os.fsync(file)
        return held, runs_failed


def _check_same(path: Path, present: Header, wanted: Header) -> None:
    for what, in_file, expected in (
        ("study", present.study, wanted.study),
        ("share", present.share, wanted.share),
        ("plan", present.plan, wanted.plan),
    ):
        if in_file != expected:
            content = "another plan of the study" if what == "plan" else f"{what} {in_file}"
            raise UsageError(f"{path} holds {content}: move it away, or give --name or --results")


def _is_at(path: Path, file: int) -> bool:
    """Return whether an open file still lies at a path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))
    except OSError:
        return False


def _append(file: int, content: bytes) -> None:
    """Append the whole content and sync it to the disk, or leave the file as it was.

    Raises:
        OSError: The content could not be written.
    """
    before = os.fstat(file).st_size
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, before)
        raise


def _end_of_lines(file: IO[bytes]) -> int:
    """Return how many bytes the whole lines of a file take."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 2**16)
        file.seek(start)
        if (last_end := file.read(end - start).rfind(b"\n")) >= 0:
            return start + last_end + 1
        end = start
    return 0

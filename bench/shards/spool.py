"""Spooling: each worker appends its finished trials to a shard of its own before it reports them."""

import os
import re
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from longlag.plan.trials import facts
from longlag.shards.file import ENDING
from longlag.shards.header import Header
from longlag.shards.writing import ShardWriter
from longlag.store.file import StoreError
from longlag.values.trial import Trial, TrialResult

_FAULT = "not spooled"
"""The entry in a result's environment, on its way from the worker, that says why the result is not in the spool."""
Report = Callable[[TrialResult], None]
Train = Callable[[Sequence[Trial], Report, dict[str, Any]], None]


@dataclass(eq=False)
class Spool:
    """The folder of the workers' shards, as the coordinator uses it.

    A result that the folder could not take, as on a full disk, still reaches the coordinator, and the run goes on.

    Attributes:
        folder: The folder.
        header: The first line of the shards.
        faults: One message for each result that is not in the folder.
    """

    folder: Path
    header: Header
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()  # plugins may change a worker's current folder

    def check(self) -> None:
        """Refuse a folder in which no file can be written.

        Raises:
            StoreError: No file can be written there.
        """
        probe = self.folder / f".{uuid.uuid4().hex}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\n")
            probe.unlink()
        except OSError as error:
            raise StoreError(f"spool {self.folder} cannot be written: {error.strerror}") from error

    def around(self, train: Train) -> Train:
        """Return a function that trains a cohort in a worker and spools its results."""
        return _Spooled(train, self.folder, self.header)

    def arrived(self, result: TrialResult) -> TrialResult:
        """Record why a result is not in the spool, if it is not, and return the result without that entry."""
        if _FAULT not in result.environment:
            return result
        rest = dict(result.environment)
        self.faults.append(rest.pop(_FAULT))
        return replace(result, environment=rest)


@dataclass(frozen=True)
class _Spooled:
    """A worker's function that trains a cohort and appends each result to the shard before it is reported."""

    train: Train
    folder: Path
    header: Header

    def __call__(self, trials: Sequence[Trial], report: Report, environment: dict[str, Any]) -> None:
        def spooled(result: TrialResult) -> None:
            fault = _append(self.folder, self.header, result)
            report(replace(result, environment=result.environment | {_FAULT: fault}) if fault else result)

        self.train(trials, spooled, environment)


_OPEN: dict[tuple[int, Path], ShardWriter] = {}
"""The shard of each process, by the folder that it lies in; open as long as the process lives."""


def _append(folder: Path, header: Header, result: TrialResult) -> str:
    """Append a result to this process's shard; return why that failed, or an empty text once it is on the disk."""
    place = os.getpid(), folder
    try:
        if place not in _OPEN:
            host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:64]
            name = f"{header.study}-{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}{ENDING}"
            _OPEN[place] = ShardWriter.open(folder / name, header, locked=False)
        _OPEN[place].add(result, facts(result.trial))
        _OPEN[place].flush()
    except StoreError as error:
        if place in _OPEN:
            _OPEN[place].forget()
        return str(error)
    return ""

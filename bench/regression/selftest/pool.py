"""Reads the outcomes that `longlag.regression.selftest.simulate` has trained and written."""

import csv
import gzip
import io
import zlib
from collections.abc import Mapping
from pathlib import Path

from longlag.regression.judge.entries import Outcome
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status

HEALTHY = ""
"""The name of the plant that changes nothing."""

Outcomes = Mapping[str, Mapping[str, tuple[Outcome, ...]]]
"""Outcomes by plant and by entry's key, sorted by seed."""


def read_outcomes(path: Path) -> Outcomes:
    """Read a file of `longlag.regression.selftest.simulate`.

    Raises:
        UsageError: There is no such file, or it does not hold simulated outcomes.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        by_plant: dict[str, dict[str, list[Outcome]]] = {}
        for row in rows:
            by_plant.setdefault(row["plant"], {}).setdefault(row["entry"], []).append(_outcome(row))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or 'is not compressed'}") from None
    except (EOFError, KeyError, ValueError, zlib.error):
        raise UsageError(f"{path} does not hold simulated outcomes") from None
    return {
        plant: {entry: tuple(sorted(outcomes, key=lambda one: one.seed)) for entry, outcomes in entries.items()}
        for plant, entries in by_plant.items()
    }


def _outcome(row: Mapping[str, str]) -> Outcome:
    solved = Status(row["status"]) is Status.SOLVED
    return Outcome(
        seed=int(row["seed"]),
        status=row["status"],
        solved=solved,
        error=float(row["error"]) if row["error"] else None,
        updates_to_solve=int(row["updates_to_solve"]) if solved else None,
    )

"""Entries: settings without their seed, each with its outcome for every seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from longlag.stats.survival import median_updates
from longlag.store.results import StudyData
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import AXES, Status, Trial

CONTEXT = ("processor", "cpu_capability", "machine", "torch", "blas", "numpy", "numba", "llvmlite")
"""The entries of an environment that decide rounding."""
MEMORY_SEQUENCES = 512
"""Sequences of the batch for measuring memory: a trial's own batch is too small to be visible in a process."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one seed.

    Attributes:
        seed: The seed.
        status: A value of `Status`.
        solved: Whether it was solved.
        error: Error at the last evaluation; None if it is not finite.
        updates_to_solve: Updates to solve; None if it was not solved.
        fingerprint: Hash of the unrounded curve; None if the row is older than fingerprints.
        reason: Why it failed.
    """

    seed: int
    status: str
    solved: bool
    error: float | None = None
    updates_to_solve: int | None = None
    fingerprint: str | None = None
    reason: str | None = None

    @property
    def is_result(self) -> bool:
        """Whether it is a result about learning: failures and timeouts are not."""
        return Status(self.status).is_result


@dataclass(frozen=True)
class Entry:
    """A setting and its outcomes, by seed.

    Attributes:
        setting: The fields of its trials, with the seed 0.
        outcomes: One per seed, sorted by seed.
        solved_below: The error below which the task counts as solved.
        floor: The best error without memory.
        contexts: The environments that made the rows, without their source.
        sources: Hashes of the source code that made the rows.
        seconds_per_update: Median over the seeds, wall time; None if unknown.
        memory_bytes: The memory that a forward and backward pass of `MEMORY_SEQUENCES` sequences adds to a process;
            None if unknown.
    """

    setting: Trial
    outcomes: tuple[Outcome, ...]
    solved_below: float = 0.0
    floor: float = 1.0
    contexts: tuple[tuple[tuple[str, str], ...], ...] = ()
    sources: tuple[str, ...] = ()
    seconds_per_update: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.setting.seed:
            object.__setattr__(self, "setting", replace(self.setting, seed=0))
        object.__setattr__(self, "outcomes", tuple(sorted(self.outcomes, key=lambda outcome: outcome.seed)))

    @property
    def label(self) -> str:
        """A readable name: task, cell, clip, and the wiring and optimizer where they are not the default."""
        of = self.setting
        unusual = [of.optimizer] if of.optimizer != AXES["optimizer"].default else []
        return " · ".join((of.task, of.cell, of.clip, *of.wiring.words, *unusual))

    @cached_property
    def key(self) -> str:
        """The identity of an entry: its setting, without the hashes of plugins, since their content is code."""
        names = ",".join(label.partition(":")[0] for label in self.setting.plugins.split(","))
        return replace(self.setting, plugins=names).key

    @cached_property
    def results(self) -> tuple[Outcome, ...]:
        """The outcomes that are results."""
        return tuple(outcome for outcome in self.outcomes if outcome.is_result)

    @property
    def n(self) -> int:
        """Seeds with a result."""
        return len(self.results)

    @cached_property
    def solved(self) -> int:
        """Seeds that solved."""
        return sum(outcome.solved for outcome in self.results)

    @cached_property
    def badness(self) -> np.ndarray:
        """A number for each result, (n,), larger is worse; only their order has a meaning.

        Solved ones come first, by updates to solve; then unsolved ones, by error; exploded and diverged are worst.
        """
        return np.array([_badness(outcome, self.setting.updates) for outcome in self.results])

    @cached_property
    def times(self) -> np.ndarray:
        """Updates to solve, (n,); unsolved trials are censored at the budget, whenever they ended."""
        return np.array(
            [o.updates_to_solve if o.solved else self.setting.updates for o in self.results], dtype=np.int64
        )

    @cached_property
    def events(self) -> np.ndarray:
        """Whether each result was solved, (n,) bool."""
        return np.array([outcome.solved for outcome in self.results], dtype=bool)

    @cached_property
    def median_updates(self) -> int | None:
        """Updates until half of the seeds had solved the task; None if fewer did."""
        median = median_updates(self.times.tolist(), self.events.tolist())
        return None if median is None else int(median)


def _badness(outcome: Outcome, budget: int) -> float:
    if outcome.solved:
        return (outcome.updates_to_solve or 0) / (budget + 1)  # below 1
    if outcome.status == Status.UNSOLVED and outcome.error is not None:
        return 1 + outcome.error / (1 + outcome.error)  # from 1 to 2, in the order of the errors
    return 3.0


def entries_of(trials: pd.DataFrame) -> list[Entry]:
    """Return the entries among stored trials, sorted by setting; the order of the rows does not matter.

    Args:
        trials: Rows as `longlag.store.results.load_study` returns them in ``trials``.
    """
    names = [item.name for item in fields(Trial) if item.name not in ("seed", "updates")]
    by_setting: dict[Trial, list[dict[str, Any]]] = {}
    for row in trials.to_dict("records"):
        setting = Trial(seed=0, updates=int(row["budget_updates"]), **{name: row[name] for name in names})
        by_setting.setdefault(setting, []).append({str(name): value for name, value in row.items()})
    return sorted((_entry(setting, rows) for setting, rows in by_setting.items()), key=place)


def place(entry: Entry) -> tuple[str, str]:
    """Return the key by which entries are sorted."""
    return entry.label, entry.key


def _entry(setting: Trial, rows: list[dict[str, Any]]) -> Entry:
    return Entry(
        setting,
        tuple(_outcome(row) for row in rows),
        solved_below=float(rows[0]["solved_below"]),
        floor=float(rows[0]["baseline_error"]),
        contexts=tuple(sorted({context_of(row["environment"]) for row in rows})),
        sources=tuple(sorted({row["source"] if _present(row["source"]) else "" for row in rows})),
        seconds_per_update=_median_seconds(rows),
    )


def context_of(environment: str) -> tuple[tuple[str, str], ...]:
    """Return the entries of an environment (JSON) that decide rounding.

    >>> context_of('{"torch": "2.13", "source": "abc"}')
    (('torch', '2.13'),)
    """
    held = json.loads(environment)
    return tuple(sorted((name, str(held[name])) for name in CONTEXT if name in held))


def _outcome(row: dict[str, Any]) -> Outcome:
    return Outcome(
        seed=int(row["seed"]),
        status=str(row["status"]),
        solved=row["status"] == Status.SOLVED,
        error=float(row["error"]) if _present(row["error"]) else None,
        updates_to_solve=int(row["updates_to_solve"]) if _present(row["updates_to_solve"]) else None,
        fingerprint=row["fingerprint"] if _present(row["fingerprint"]) else None,
        reason=row["reason"] if _present(row["reason"]) else None,
    )


def _median_seconds(rows: list[dict[str, Any]]) -> float | None:
    seconds = [row["wall_seconds"] / row["updates"] for row in rows if _present(row["wall_seconds"]) and row["updates"]]
    return float(f"{np.median(seconds):.3g}") if seconds else None


def _present(value: Any) -> bool:
    return value is not None and not pd.isna(value)


def source_of(entries: Sequence[Entry]) -> str:
    """Return the first source hash of some entries, with the plugins that any of them uses and their hashes.

    >>> source_of([Entry(Trial("copy", "mine", "none", 0.1, 0, plugins="mine:ab12"), (), sources=("cd34",))])
    'cd34 mine:ab12'
    """
    made_by = [source for entry in entries for source in entry.sources[:1]][:1]
    plugins = {label for entry in entries for label in entry.setting.plugins.split(",") if label}
    return " ".join([*made_by, *sorted(plugins)])


def current(study: StudyData, source: str, again: str) -> list[Entry]:
    """Return the entries of a study, after a check that all of its trials were trained by the present code.

    Args:
        study: The stored study.
        source: Hash of the present source.
        again: The command that trains missing or stale trials.

    Raises:
        UsageError: Trials are missing, or were made by another source; the message says to run ``again``.
    """
    missing = len(study.plan) - len(study.trials)
    if missing:
        raise UsageError(
            f"study {study.name} is unfinished: {missing} of {len(study.plan)} trials are missing; {again}"
        )
    entries = entries_of(study.trials)
    made_by = {made for entry in entries for made in entry.sources}
    if len(made_by) > 1:
        raise UsageError(f"study {study.name} holds trials of {len(made_by)} versions of the source; {again}")
    if made_by != {source}:
        raise UsageError(f"study {study.name} was made by another version of the source; {again}")
    return entries

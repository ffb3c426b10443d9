"""Part `study`: the shares of a study's CPU time, from a profile of a small part of the study `quick`.

All training runs in this process: a few updates and evaluations of each task and cell, in the cohorts that a run with
one worker would train. The profiler overstates the time of small calls.
"""

import cProfile
import pstats
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from longlag.perf.measure import Timing
from longlag.plan import files
from longlag.training.cohort import train
from longlag.values.trial import Trial

PLACES = (
    ("training scans and projections", ("scans/engine/scan.py", "scans/engine/weights.py", "scans/engine/loops.py")),
    ("layer and stack: packing, buffers, views", ("scans/", "networks/plain.py", "networks/straight.py")),
    ("evaluation", ("training/evaluation.py",)),
    ("clip, ledger, optimiser and checks", ("passes/", "training/clip_audit.py", "training/update.py", "clips/")),
    ("readout and loss", ("networks/readout.py", "networks/recurrent.py", "passes/losses.py", "tasks/support/losses")),
    ("batches", ("tasks/", "training/draws.py", "values/seeding.py")),
)
"""The share to which a function's own time is added, by a part of its file's path; the first match counts."""
_REST = "torch, NumPy and everything else, whoever called it"


def measure(updates: int, seeds: int) -> Iterator[Timing]:
    """Yield the shares, largest first.

    Args:
        updates: Updates of each trial.
        seeds: Seeds of each setting.
    """
    cohorts = _cut(updates, seeds)
    for cohort in cohorts:
        train(
            [replace(trial, updates=1, eval_every=1) for trial in cohort[:1]], _ignore
        )  # compiles before the profile starts
    profile = cProfile.Profile()
    profile.enable()
    for cohort in cohorts:
        train(cohort, _ignore)
    profile.disable()
    seconds = shares(pstats.Stats(profile))
    total, setting = sum(seconds.values()), f"{sum(map(len, cohorts))} trials of quick, {updates} updates"
    for what, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        yield Timing("study", what, setting, spent, total, "all of it", (spent / total,))


def shares(stats: Any) -> dict[str, float]:
    """Add up the seconds of a profile by `PLACES`; the time of a built-in function counts for its caller's file."""
    seconds: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in stats.stats.items():
        if file == "~":  # a built-in function
            for (caller, _, _), (_, _, spent, _) in callers.items():
                seconds[_place(caller)] += spent
        else:
            seconds[_place(file)] += own
    return dict(seconds)


def _place(file: str) -> str:
    fits = (what for what, starts in PLACES for start in starts if f"/{start}" in file.replace("\\", "/"))
    return next(fits, _REST)


def _cut(updates: int, seeds: int) -> Sequence[Sequence[Trial]]:
    """Return one cohort for each task and cell of `quick`."""
    by_kind: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in files.find("quick").trials():
        if trial.seed < seeds and trial.optimizer == "adam":
            by_kind[trial.task, trial.cell].append(replace(trial, updates=updates, eval_every=updates))
    return [trials[:8] for trials in by_kind.values()]


def _ignore(result: object) -> None:
    """Discard a result."""

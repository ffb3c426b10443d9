"""Part `study`: what a study's CPU time goes to, as shares, by a profile of a cut of the study `quick`.

Everything runs in this process: some updates and evaluations of each task and cell, in cohorts as a run with one worker
would train them. The profiler makes small calls look longer than they are.
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
    ("layer and stack: packing, buffers, views", ("scans/",)),
    ("evaluation", ("training/evaluation.py",)),
    ("clip, ledger, optimiser and checks", ("passes/", "training/clip_audit.py", "training/update.py", "clips/")),
    ("readout and loss", ("networks/readout.py", "networks/recurrent.py", "passes/losses.py", "tasks/support/losses")),
    ("batches", ("tasks/", "training/draws.py", "values/seeding.py")),
)
"""What a function's own time counts as, by its file; the first that fits. The rest is named as such."""
_REST = "torch, NumPy and everything else, whoever called it"


def measure(updates: int, seeds: int) -> Iterator[Timing]:
    """Yield the share of each part, the largest first.

    Args:
        updates: Of each trial.
        seeds: Of each setting.
    """
    cohorts = _cut(updates, seeds)
    for cohort in cohorts:
        train([replace(trial, updates=1, eval_every=1) for trial in cohort[:1]], _ignore)  # compiled before
    profile = cProfile.Profile()
    profile.enable()
    for cohort in cohorts:
        train(cohort, _ignore)
    profile.disable()
    found = shares(pstats.Stats(profile))
    total, setting = sum(found.values()), f"{sum(map(len, cohorts))} trials of quick, {updates} updates"
    for what, spent in sorted(found.items(), key=lambda item: -item[1]):
        yield Timing("study", what, setting, spent, total, "all of it", (spent / total,))


def shares(stats: Any) -> dict[str, float]:
    """Add up the seconds of a profile by `PLACES`; a built-in call counts where it was called from."""
    found: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in stats.stats.items():
        if file == "~":  # built in
            for (caller, _, _), (_, _, spent, _) in callers.items():
                found[_place(caller)] += spent
        else:
            found[_place(file)] += own
    return dict(found)


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
    """Take a result and keep nothing."""

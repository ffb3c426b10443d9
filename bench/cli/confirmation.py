"""Trains the fresh seeds with which a check confirms its verdicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from longlag.plan.study import Study
    from longlag.regression.judge.entries import Entry
    from longlag.regression.judge.verdict import Asked, Confirm


def confirmation(study: str, results: Path, workers: int) -> "Confirm":
    """Return a function that trains fresh seeds of entries, in a study called ``STUDY.confirm``."""
    from longlag.cli.training import train_study
    from longlag.regression.judge.entries import entries_of
    from longlag.run.plan import Retrain
    from longlag.run.run import RunOptions
    from longlag.store.results import load_study

    def confirm(requests: "Sequence[Asked]") -> "Sequence[Entry]":
        counts = sorted({len(one.seeds) for one in requests})
        seeds = f"{counts[0]} fresh seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} fresh seeds each"
        trials = sum(len(one.seeds) for one in requests)
        what = "1 entry" if len(requests) == 1 else f"{len(requests)} entries"
        click.echo(f"undecided: {what}; training {seeds}, {trials} trials", err=True)
        plan = _plan_of(f"{study}.confirm", requests)
        train_study(plan, results, RunOptions(workers, retrain=Retrain(fresh=True), audit_every=True))
        return entries_of(load_study(plan.name, results).trials)

    return confirm


def _plan_of(name: str, requests: "Sequence[Asked]") -> "Study":
    """Return a study of some entries, each with its seeds."""
    from dataclasses import fields

    from longlag.plan.grid import SPANNED, Grid
    from longlag.plan.study import Study
    from longlag.values.trial import Trial

    shared = {item.name for item in fields(Grid)} & {item.name for item in fields(Trial)}
    grids = []
    for entry, seeds in requests:
        values = {key: getattr(entry.setting, key) for key in shared}
        axes = {key: (values[key],) for key in SPANNED}
        grids.append(Grid(**(values | axes), seeds=seeds))
    return Study(name, "Fresh seeds of undecided entries", tuple(grids))

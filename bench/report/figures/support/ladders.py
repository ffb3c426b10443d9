"""Ladders: a task trained at many distances, from which a study can tell how far back each setting remembers."""

import pandas as pd

from longlag.report.memo import once
from longlag.report.outcomes import WAYS, outcomes
from longlag.store.results import StudyData
from longlag.tasks.support.spelling import split_spec

FEWEST = 4
"""The fewest distances that make a ladder."""

_RUNG = ["task", "cell", "clip"]


def has_horizons(study: StudyData) -> bool:
    """Return whether the study has a ladder with results."""
    return bool((rungs(study)["n"] > 0).any())


def on_ladders(study: StudyData) -> dict[str, str]:
    """Return the tasks that are rungs of a ladder with results, and the ladder of each."""
    table = rungs(study)
    return dict(zip(table["rung"], table["task"], strict=True)) if has_horizons(study) else {}


@once
def rungs(study: StudyData) -> pd.DataFrame:
    """Return one row for each rung and setting of every ladder, the data to which `figures.horizons` fits horizons.

    A ladder is a set of tasks of one name that differ in one option and have `FEWEST` or more distances. If they differ
    in several options, the one with the most values is the dial. A study that trains a cell and clip in several ways
    has no ladder, as one of the ways would have to be chosen; a learning rate for each rung counts as one way.
    """
    frame = outcomes(study)
    ways = [name for name in WAYS if name != "lr"]
    one_rate = frame.groupby(_RUNG)["lr"].nunique().max() == 1
    alike = frame[ways].drop_duplicates().shape[0] == 1
    ladders = _ladders(list(frame["task"].unique())) if one_rate and alike else {}
    climbed = frame[frame["task"].isin(list(ladders))]
    summary = climbed.groupby(_RUNG, sort=False).agg(
        lag=("min_lag", "first"),
        lr=("lr", "first"),
        budget_updates=("budget_updates", "first"),
        solved=("solved", "sum"),
        n=("counted", "sum"),
    )
    summary = summary.reset_index().rename(columns={"task": "rung"})
    summary.insert(0, "task", summary["rung"].map(ladders))
    ladder = summary.groupby("task")["lag"].transform("nunique") if len(summary) else pd.Series(dtype=int)
    return summary[ladder >= FEWEST].reset_index(drop=True)


def _ladders(specs: list[str]) -> dict[str, str]:
    """Return the ladder of each task, named by the spec without its dial; tasks that are on no ladder are left out.

    >>> _ladders(["copy:items=1,blanks=8", "copy:items=1,blanks=20", "adding"])
    {'copy:items=1,blanks=8': 'copy:items=1', 'copy:items=1,blanks=20': 'copy:items=1'}
    """
    split = {spec: split_spec(spec, "task") for spec in specs}
    ladders = {}
    for name in dict.fromkeys(name for name, _ in split.values()):
        of_name = {spec: options for spec, (known, options) in split.items() if known == name}
        values = {
            key: {options.get(key) for options in of_name.values()} for options in of_name.values() for key in options
        }
        if len(of_name) > 1:
            dial = max(sorted(values), key=lambda key: len(values[key]))
            for spec, options in of_name.items():
                rest = ",".join(f"{key}={value}" for key, value in options.items() if key != dial)
                ladders[spec] = ":".join(filter(None, [name, rest]))
    return ladders

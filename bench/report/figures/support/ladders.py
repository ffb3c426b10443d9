"""Ladders: a study that trains the same task at many distances says how far back each setting remembers."""

import pandas as pd

from longlag.report.memo import once
from longlag.report.outcomes import WAYS, outcomes
from longlag.store.results import StudyData
from longlag.tasks.support.spelling import split_spec

FEWEST = 4
"""Distances that make a ladder."""

_RUNG = ["task", "cell", "clip"]


def has_horizons(study: StudyData) -> bool:
    """Whether the study holds a ladder with results."""
    return bool((rungs(study)["n"] > 0).any())


@once
def rungs(study: StudyData) -> pd.DataFrame:
    """Return one row a rung and setting of every ladder, as the horizons of `figures.horizons` are fitted to.

    Tasks of one name that differ in one option, its other options alike, at `FEWEST` distances or more, are a ladder;
    where they differ in several, that with the most values is the dial. A study that trains a cell and clip in
    several ways has none: which of them to climb with would have to be chosen. A rate for each rung is one way.
    """
    frame = outcomes(study)
    ways = [name for name in WAYS if name != "lr"]
    one_rate = frame.groupby(_RUNG)["lr"].nunique().max() == 1
    alike = frame[ways].drop_duplicates().shape[0] == 1
    ladders = _ladders(list(frame["task"].unique())) if one_rate and alike else {}
    climbed = frame[frame["task"].isin(list(ladders))]
    found = climbed.groupby(_RUNG, sort=False).agg(
        lag=("min_lag", "first"),
        lr=("lr", "first"),
        budget_updates=("budget_updates", "first"),
        solved=("solved", "sum"),
        n=("counted", "sum"),
    )
    found = found.reset_index().rename(columns={"task": "rung"})
    found.insert(0, "task", found["rung"].map(ladders))
    ladder = found.groupby("task")["lag"].transform("nunique") if len(found) else pd.Series(dtype=int)
    return found[ladder >= FEWEST].reset_index(drop=True)


def _ladders(specs: list[str]) -> dict[str, str]:
    """Return the ladder of each task, named by the spec without its dial; tasks that are on none are left out.

    >>> _ladders(["copy:items=1,blanks=8", "copy:items=1,blanks=20", "adding"])
    {'copy:items=1,blanks=8': 'copy:items=1', 'copy:items=1,blanks=20': 'copy:items=1'}
    """
    told = {spec: split_spec(spec, "task") for spec in specs}
    found = {}
    for name in dict.fromkeys(name for name, _ in told.values()):
        of = {spec: options for spec, (known, options) in told.items() if known == name}
        values = {key: {options.get(key) for options in of.values()} for options in of.values() for key in options}
        if len(of) > 1:
            dial = max(sorted(values), key=lambda key: len(values[key]))
            for spec, options in of.items():
                rest = ",".join(f"{key}={value}" for key, value in options.items() if key != dial)
                found[spec] = ":".join(filter(None, [name, rest]))
    return found

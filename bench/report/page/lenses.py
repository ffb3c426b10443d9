"""The results of lenses: for each trial, as the explorer shows them, and the gates of each setting as a table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from longlag.report.lens.numbers import has_lens
from longlag.report.outcomes import SETTING, outcomes, several
from longlag.report.page.plain import plain, rounded
from longlag.report.page.table import Table, heading
from longlag.report.text.tables import axis_text, number
from longlag.store.flat import lens_numbers, lens_tables
from longlag.store.results import StudyData
from longlag.values.frames import END, PHASES

MOST_FRAMES = 2000
"""The most frames of a lens for which a page draws; with more, it has their numbers and the reach at the end only."""
MOST_ROWS = 200
"""The most settings in the table of gates."""
GATES = (
    "Where training ended, median of the seeds. Memory: steps after which the median unit has kept 1/e. Carried, "
    "elsewhere: mean of a gate at the steps that must be carried, and at others."
)

Places = Mapping[Any, int]
"""The place of each trial, by the number of its study and its key."""


def reach(studies: Sequence[StudyData], places: Places) -> dict[str, Any]:
    """Return the reach by the trial's place: lags and medians at the end of training, and at earlier phases."""
    reaches: dict[str, Any] = {}
    for study_number, study in enumerate(studies if places else ()):
        if not has_lens(study, "reach"):
            continue
        tables = lens_tables(study.lenses, "reach", "input")
        numbers = lens_numbers(study.lenses, "reach")
        ends = numbers[numbers["phase"] == END].drop_duplicates("key").set_index("key")
        for key, rows in tables[tables["phase"] == END].groupby("key", sort=True):
            end = ends.loc[key]
            reaches[str(places[study_number, key])] = {
                "lag": rows["lag"].tolist(),
                "median": [rounded(value) for value in rows["median"]],
                "fading": plain(end.get("fading")),
                "needed": plain(end.get("needed_lag")),
                "before": {},
            }
        if _frames_of(study, "reach") > MOST_FRAMES:
            continue
        for (trial, phase), rows in tables[tables["phase"] != END].groupby(["key", "phase"], sort=False):
            if (of_trial := reaches.get(str(places[study_number, trial]))) is not None:
                medians = [rounded(value) for value in rows["median"]]
                of_trial["before"][phase] = {"lag": rows["lag"].tolist(), "median": medians}
    return reaches


def gates(studies: Sequence[StudyData], places: Places) -> dict[str, Any]:
    """Return the gates of each trial at its last phase, by the trial's place.

    ``spread`` has a histogram of each gate's values (``left, share``); ``along`` has the mean of each gate's units at
    each step of one sequence, whose symbols are ``read``.
    """
    by_place: dict[str, Any] = {}
    for study_number, study in enumerate(studies if places else ()):
        if _frames_of(study, "gates") > MOST_FRAMES:
            continue
        frames = study.lenses[study.lenses["lens"] == "gates"]
        order = frames["phase"].map(PHASES.index)
        for row in frames.assign(order=order).sort_values(["key", "order"]).itertuples(index=False):
            parts = json.loads(str(row.parts))
            place = places.get((study_number, row.key))
            if place is not None and {"histogram", "trace"} <= parts.keys():
                by_place[str(place)] = {"phase": row.phase, **_spread(parts["histogram"]), **_along(parts["trace"])}
    return by_place


def _spread(part: dict[str, list[Any]]) -> dict[str, Any]:
    table = pd.DataFrame(part)
    by_gate = table.groupby("gate", sort=False)
    return {"spread": {gate: {name: rows[name].tolist() for name in ("left", "share")} for gate, rows in by_gate}}


def _along(part: dict[str, list[Any]]) -> dict[str, Any]:
    table = pd.DataFrame(part)
    steps = table.groupby("step", sort=True)
    means = {name.removesuffix("_gate"): steps[name].mean() for name in map(str, table) if name.endswith("_gate")}
    along = {gate: [rounded(value) for value in values] for gate, values in means.items()}
    return {"read": [str(word) for word in steps["read"].first()], "along": along}


def texts(studies: Sequence[StudyData], places: Places) -> dict[str, list[str]]:
    """Return the numbers of all lenses as texts, by the trial's place."""
    by_place: dict[str, list[str]] = {}
    for study_number, study in enumerate(studies if places else ()):
        for row in study.lenses.sort_values(["lens", "update"], kind="stable").itertuples(index=False):
            numbers = {name: value for name, value in json.loads(str(row.numbers)).items() if value is not None}
            text = ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in numbers.items())
            if (place := places.get((study_number, row.key))) is not None:
                by_place.setdefault(str(place), []).append(f"{row.lens}, {row.phase} (update {row.update}): {text}")
    return by_place


def has_more_frames(studies: Sequence[StudyData]) -> bool:
    """Return whether a study has more frames of a lens than a page can draw."""
    return any(_frames_of(study, lens) > MOST_FRAMES for study in studies for lens in ("reach", "gates"))


def _frames_of(study: StudyData, lens: str) -> int:
    return int((study.lenses["lens"] == lens).sum())


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def gates_table(study: StudyData) -> Table | None:
    """Return a row for each setting whose gates were read where training ended; None if there is none."""
    if not (study.lenses["lens"] == "gates").any():
        return None
    numbers = lens_numbers(study.lenses, "gates")
    numbers = numbers[numbers["phase"] == END].drop(columns=["phase", "update"])
    wanted = [str(name) for name in numbers if str(name).endswith(("_carried", "_elsewhere")) or name == "memory"]
    if not wanted:
        return None
    frame = outcomes(study).merge(numbers[["key", *wanted]].dropna(subset=wanted, how="all"), on="key")
    axes, rows = several(study.plan), []
    for _, trials in frame.groupby(list(SETTING), sort=False, dropna=False):
        medians = [number(pd.to_numeric(trials[name]).median(), 2) for name in wanted]
        rows.append([*(axis_text(name, trials[name].iloc[0]) for name in axes), str(len(trials)), *medians])
    if not rows:
        return None
    heads = list(map(heading, axes))
    return Table([*heads, "n", *map(heading, wanted)], frozenset(heads), rows[:MOST_ROWS], len(rows[MOST_ROWS:]))

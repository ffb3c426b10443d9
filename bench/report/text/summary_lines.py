"""Writes one sentence for each task, which says no more than the numbers support.

The sentence names the budget within which its counts hold, the initialisation of cells if their label does not, and the
learning rates at which clips are compared (`clip_lines`).
"""

from itertools import groupby

import pandas as pd

from longlag.report.figures import style
from longlag.report.memo import once
from longlag.report.outcomes import LOST, Panel, study_panels, without_result
from longlag.report.text.clip_lines import Comparison, comparisons, differences, what_clips_do
from longlag.report.text.wiring_lines import what_wiring_does
from longlag.report.text.words import MANY, Count, listed, name_of, start_of
from longlag.stats.multiple import Difference
from longlag.store.results import StudyData
from longlag.values.trial import Status

AT_FLOOR = 0.1
"""A score between minus this and this counts as at the floor."""


@once
def stories(study: StudyData) -> dict[str, str]:
    """Return a sentence for each task of the plan, in order."""
    grouped = groupby(study_panels(study), key=lambda panel: panel.task)
    of_tasks = {task: _undivided(list(parts)) for task, parts in grouped}
    pairs = {task: comparisons(parts) for task, parts in of_tasks.items()}
    tests = differences(pairs)
    return {task: _sentence(parts, pairs[task], tests[task]) for task, parts in of_tasks.items()}


def _undivided(parts: list[Panel]) -> list[Panel]:
    return [Panel(parts[0].task, {}, parts[0].frame)] if len(parts) == 1 else parts


def _sentence(parts: list[Panel], pairs: list[Comparison], tests: list[Difference]) -> str:
    frame = pd.concat([part.frame for part in parts])
    if not frame["counted"].any():
        return _no_results(frame)
    together = parts if len(parts) <= MANY else [Panel(parts[0].task, {}, frame)]
    clauses = [*_who_solves(together), *what_wiring_does(frame), *what_clips_do(pairs, tests), *_who_broke(together)]
    return f"Within {_budget(frame)} updates {'; '.join(clauses)}."


def _budget(frame: pd.DataFrame) -> str:
    """Write the budget in updates, or the smallest and the largest.

    >>> _budget(pd.DataFrame({"budget_updates": [800, 1200]}))
    '800 to 1200'
    """
    return " to ".join(str(int(end)) for end in sorted({frame["budget_updates"].min(), frame["budget_updates"].max()}))


def _no_results(rows: pd.DataFrame) -> str:
    ended, missing = without_result(rows), int(rows["status"].isna().sum())
    if not ended:
        return f"No results yet of {len(rows)} trials."
    ended += [f"{missing} not trained yet"] if missing else []
    return f"No results of {len(rows)} trials: {', '.join(ended)}."


def _solved(frame: pd.DataFrame) -> Count:
    return Count(int(frame["solved"].sum()), int(frame["counted"].sum()))


def _who_solves(parts: list[Panel]) -> list[str]:
    """Return clauses on which cells solve; where none does, the error is that of trials that ran to the end."""
    by_standing: dict[str, list[tuple[str, Count]]] = {standing: [] for standing in _CLAUSES}
    for part in parts:
        for cell in part.cells:
            rows = part.of(cell)
            if rows["counted"].any():
                standing, count = _standing(rows, part.floor)
                start = start_of(rows)
                by_standing[standing].append((name_of(part, cell) + (f" from {start}" if start else ""), count))
    by_standing["some"].sort(key=lambda entry: -entry[1].hits / entry[1].n)
    return [_CLAUSES[standing].format(listed(entries)) for standing, entries in by_standing.items() if entries]


_CLAUSES = {
    "all": "every trial of {} solves it",
    "some": "some trials of {} solve it",
    "below": "no trial of {} solves it, with a median error below the floor",
    "at": "no trial of {} solves it, with a median error at the floor",
    "above": "no trial of {} solves it, with a median error above the floor",
    "broken": "every trial of {} diverges or explodes",
}


def _standing(rows: pd.DataFrame, floor: float) -> tuple[str, Count]:
    """Return one of `_CLAUSES` for the trials of a cell, and the count of trials that the clause is about."""
    solved = _solved(rows)
    if solved.hits:
        return "all" if solved.hits == solved.n else "some", solved
    whole = rows[rows["counted"] & ~rows["status"].isin(LOST)]
    if whole.empty:
        return "broken", Count(solved.n, solved.n)
    score = 1 - whole["charged_error"].median() / floor
    return "below" if score > AT_FLOOR else "at" if score >= -AT_FLOOR else "above", Count(0, len(whole))


def _who_broke(parts: list[Panel]) -> list[str]:
    """Return clauses on settings with diverged or exploded trials, and on cells with failed trials or timeouts."""
    clauses = []
    for status in (*LOST, Status.FAILED, Status.TIMEOUT):
        entries = []
        for part in parts:
            for cell in part.cells:
                for clip in part.clips if status in LOST else [None]:
                    rows = part.of(cell, clip)
                    among = int(rows["counted"].sum()) if status in LOST else len(rows)
                    count = Count(int((rows["status"] == status).sum()), among)
                    if count.hits:
                        under = f" with {style.clip_label(clip)}" if clip is not None else ""
                        entries.append((f"{name_of(part, cell)}{under}", count))
        if entries:
            clauses.append(f"{status}: {listed(entries)}")
    return clauses

"""One sentence a task, drawn from the numbers and saying no more than they support.

*Decides* is said where a test over all of the task's clip comparisons together does (`stats.multiple.compare`); a count
that differs without that is called undecided, and counts are always given.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import pandas as pd

from longlag.report.figures import style
from longlag.report.memo import once
from longlag.report.outcomes import LOST, Panel, study_panels, without_result
from longlag.report.text.wiring_lines import what_wiring_does
from longlag.stats.intervals import interquartile_mean
from longlag.stats.multiple import compare
from longlag.store.results import StudyData
from longlag.values.trial import Status

AT_FLOOR = 0.1
"""A score below which a setting counts as still at the floor."""

MANY = 3
"""With more ways of training than this (a sweep of rates, say) cells are counted over all of them together."""


class Count(NamedTuple):
    """Trials of a kind, and all results among which they are."""

    hits: int
    n: int

    def __str__(self) -> str:
        return f"{self.hits}/{self.n}"


@once
def stories(study: StudyData) -> dict[str, str]:
    """Return a sentence for each task of the plan, in order."""
    grouped = groupby(study_panels(study), key=lambda panel: panel.task)
    return {task: _sentence(list(parts)) for task, parts in grouped}


def _sentence(parts: list[Panel]) -> str:
    if not any(part.frame["counted"].any() for part in parts):
        return _no_results(pd.concat([part.frame for part in parts]))
    if len(parts) == 1:
        parts = [Panel(parts[0].task, {}, parts[0].frame)]
    together = parts if len(parts) <= MANY else [Panel(parts[0].task, {}, pd.concat([part.frame for part in parts]))]
    wired = what_wiring_does(pd.concat([part.frame for part in parts]))
    said = [*_who_solves(together), *wired, *_what_clips_do(parts), *_who_broke(together)]
    return _capital("; ".join(said)) + "."


def _no_results(rows: pd.DataFrame) -> str:
    ended, missing = without_result(rows), int(rows["status"].isna().sum())
    if not ended:
        return f"No results yet of {len(rows)} trials."
    ended += [f"{missing} not trained yet"] if missing else []
    return f"No results of {len(rows)} trials: {', '.join(ended)}."


def _name(part: Panel, cell: str) -> str:
    return f"{style.cell_label(cell)} ({part.ways_label})" if part.ways else style.cell_label(cell)


def _solved(frame: pd.DataFrame) -> Count:
    return Count(int(frame["solved"].sum()), int(frame["counted"].sum()))


def _who_solves(parts: list[Panel]) -> list[str]:
    """Say who solves; where none does, those trials are judged that neither diverged nor exploded."""
    always, partly, floor, never, broken = [], [], [], [], []
    for part in parts:
        for cell in part.cells:
            rows = part.of(cell)
            found, name = _solved(rows), _name(part, cell)
            whole = rows[rows["counted"] & ~rows["status"].isin(LOST)]
            error = interquartile_mean(whole["charged_error"].tolist())
            if not found.n:
                continue
            if error is None:
                broken.append((name, Count(found.n, found.n)))
            elif found.hits == found.n:
                always.append((name, found))
            elif found.hits:
                partly.append((name, found))
            elif 1 - error / part.floor < AT_FLOOR:
                floor.append((name, Count(0, len(whole))))
            else:
                never.append((name, Count(0, len(whole))))
    partly.sort(key=lambda entry: -entry[1].hits / entry[1].n)
    said = []
    if always:
        said.append(f"solved in every trial by {_listed(always)}")
    if partly:
        said.append(f"{'' if always else 'solved '}in some by {_listed(partly)}")
    if never:
        verbs = ("solve", "beat") if len(never) > 1 else ("solves", "beats")
        said.append(f"{_listed(never)} never {verbs[0]} it but {verbs[1]} the floor")
    if floor:
        said.append(f"{_listed(floor)} stay{'s' if len(floor) == 1 else ''} at the floor")
    if broken:
        said.append(f"every trial of {_listed(broken)} diverged or exploded")
    return said


def _what_clips_do(parts: list[Panel]) -> list[str]:
    """Compare each clip with no clip, or with the first clip where every setting clips."""
    pairs: list[tuple[str, str, str, Count, Count]] = []
    for part in parts:
        first, *others = part.clips
        for cell in part.cells:
            against = _solved(part.of(cell, first))
            found = [(clip, _solved(part.of(cell, clip))) for clip in others]
            pairs += [
                (_name(part, cell), clip, first, count, against) for clip, count in found if count.n and against.n
            ]
    tested = compare([((pair[3].hits, pair[3].n), (pair[4].hits, pair[4].n)) for pair in pairs])
    decided, open_ = [], defaultdict(list)
    for (name, clip, first, count, against), test in zip(pairs, tested, strict=True):
        versus = f"{style.clip_label(clip)} {count}, {style.clip_label(first)} {against}"
        if test.decided:
            decided.append(f"for {name} ({versus}; p {_p(test.p)})")
        elif count.hits * against.n != against.hits * count.n:
            open_[name].append((f"{style.clip_label(clip)} {count}", f"{style.clip_label(first)} {against}"))
    said = [f"clipping decides {_joined(decided)}"] if decided else []
    if open_:
        told = [f"{name} ({', '.join([*(clip for clip, _ in found), found[0][1]])})" for name, found in open_.items()]
        more = [f"{len(told) - MANY} more"] if len(told) > MANY else []
        said.append(f"whether clipping matters is undecided for {_joined([*told[:MANY], *more])}")
    if pairs and not said:
        said.append("clipping changes no count")
    return said


def _who_broke(parts: list[Panel]) -> list[str]:
    """Name the settings of which trials diverged or exploded, and the cells of which trials failed or took too long."""
    said = []
    for status in (*LOST, Status.FAILED, Status.TIMEOUT):
        found = []
        for part in parts:
            for cell in part.cells:
                for clip in part.clips if status in LOST else [None]:
                    rows = part.of(cell, clip)
                    among = int(rows["counted"].sum()) if status in LOST else len(rows)
                    count = Count(int((rows["status"] == status).sum()), among)
                    if count.hits:
                        under = f" with {style.clip_label(clip)}" if clip is not None else ""
                        found.append((f"{_name(part, cell)}{under}", count))
        if found:
            said.append(f"{status}: {_listed(found)}")
    return said


def _listed(entries: list[tuple[str, Count]]) -> str:
    """List names with their counts; a count that neighbours share is given once."""
    told = []
    for count, group in groupby(entries, key=lambda entry: entry[1]):
        names = [name for name, _ in group]
        told.append(f"{_joined(names)} ({count}{' each' if len(names) > 1 else ''})")
    return _joined(told)


def _joined(words: Iterable[str]) -> str:
    """Join words as English does.

    >>> _joined(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.2g}".replace("0.", ".", 1)

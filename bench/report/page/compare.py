"""Compares two studies: the settings that both have, with the differences of their solved shares."""

from itertools import chain

import pandas as pd

from longlag.report.outcomes import SETTING, several
from longlag.report.page.table import Table, heading
from longlag.report.summary import summarise
from longlag.report.text.tables import axis_text, error_text, updates_text
from longlag.stats.intervals import difference_interval
from longlag.store.results import StudyData

EXPLANATION = (
    "Settings that both studies have. Difference: the second study's solved share less the first's, with 95 % interval "
    "(Newcombe 1998, trials taken as independent, each setting by itself). Updates to solve: median, unsolved trials "
    "censored at the budget. Error: median and range of the seeds."
)


def side_by_side(first: StudyData, second: StudyData) -> Table:
    """Return the settings that both studies have with both outcomes, in the order of the first study.

    ``left_out`` of the table counts the settings that only one study has.
    """
    both = summarise(first).merge(summarise(second), on=list(SETTING), suffixes=("_1", "_2"))
    axes = several(pd.concat([first.plan, second.plan], ignore_index=True))
    names = (first.name, second.name)
    heads = list(map(heading, axes))
    solved, *rest = [[f"{what}, {name}" for name in names] for what in _RESULTS]
    columns = [*heads, *solved, "difference, points", *chain(*rest)]
    rows = []
    for _, row in both.iterrows():
        sides = [pd.Series(_side(row, suffix)) for suffix in ("_1", "_2")]
        solved, *rest = [[write(side) for side in sides] for write in _RESULTS.values()]
        settings = [axis_text(name, row[name]) for name in axes]
        rows.append([*settings, *solved, difference_text(*sides), *chain(*rest)])
    alone = len(summarise(first)) + len(summarise(second)) - 2 * len(both)
    return Table(columns, frozenset(heads), rows, alone)


_RESULTS = {
    "solved": lambda side: f"{side['solved_count']:.0f}/{side['n']:.0f}",
    "updates": updates_text,
    "error": error_text,
}


def _side(row: pd.Series, suffix: str) -> dict[str, object]:
    own = {str(name).removesuffix(suffix): value for name, value in row.items() if str(name).endswith(suffix)}
    return {**own, "budget_updates": row["budget_updates"]}


def difference_text(first: pd.Series, second: pd.Series) -> str:
    """Write the difference of two solved shares in percentage points with its interval; a dash without results.

    >>> one, two = ({"solved_count": 1, "n": 8}, {"solved_count": 8, "n": 8})
    >>> difference_text(pd.Series(one), pd.Series(two))
    '+88 [+40, +98]'
    """
    if not (first["n"] and second["n"]):
        return "-"
    before, after = ((int(side["solved_count"]), int(side["n"])) for side in (first, second))
    interval = difference_interval(before, after)
    share = after[0] / after[1] - before[0] / before[1]
    return f"{100 * share:+.0f} [{100 * interval.low:+.0f}, {100 * interval.high:+.0f}]"

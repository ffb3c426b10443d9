"""Turns a baseline, the checks since and a study's results into what the page of the study shows of them."""

from collections.abc import Sequence

import pandas as pd

from longlag.regression.judge.baseline import Baseline
from longlag.regression.judge.entries import entries_of
from longlag.regression.judge.matching import matched
from longlag.regression.judge.together import compare
from longlag.regression.show.history import Check, share
from longlag.regression.show.render import COMPARED, compared
from longlag.regression.show.report import names
from longlag.report.page.beside import Past
from longlag.report.page.table import Table

MOST_EVENTS = 50
"""The most acceptances and checks in the table, the latest first."""
_EVENTS = ("when", "what", "version", "source", "settings", "solved", "said")


def past(baseline: Baseline, checks: Sequence[Check], trials: pd.DataFrame) -> Past:
    """Return a study's baseline and its checks for a page.

    Args:
        baseline: The baseline.
        checks: The checks that were noted, oldest first.
        trials: The study's stored trials.
    """
    pairs = matched(baseline.entries, entries_of(trials) if len(trials) else [])
    tested = compare(pairs)
    called = names([entry for pair in pairs if (entry := pair.new or pair.baseline) is not None])
    rows = [compared(one, called) for one in tested]
    alone = len(pairs) - len(rows)
    differences = None
    if rows:
        words = frozenset({"entry", "differs"})
        differences = Table(list(rows[0]), words, [list(row.values()) for row in rows], alone)
    last = baseline.accepted[-1]
    return Past(
        heading=f"Baseline {baseline.hash} of {last.when[:10]}, {len(baseline.seeds)} seeds: {last.reason}",
        last=f"Checked last {checks[-1].when}, source {checks[-1].source}: {checks[-1].headline}" if checks else "",
        remarks=[] if rows else ["No setting has results on both sides."],
        differences=differences,
        explanation=COMPARED,
        events=_events(baseline, checks),
    )


def _events(baseline: Baseline, checks: Sequence[Check]) -> Table:
    rows = [
        [of.when, "accepted", of.version, of.source, str(len(of.summary)), share(of.summary), of.reason]
        for of in baseline.accepted
    ]
    rows += [[of.when, "checked", "", of.source, str(len(of.summary)), share(of.summary), of.headline] for of in checks]
    rows.sort(key=lambda row: row[0], reverse=True)
    words = frozenset(_EVENTS) - {"settings", "solved"}
    return Table(list(_EVENTS), words, rows[:MOST_EVENTS], len(rows[MOST_EVENTS:]))

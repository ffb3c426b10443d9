"""The answers of a study's networks to the sentence that agreement tasks ask about, as a table."""

import pandas as pd

from longlag.report.outcomes import SETTING, outcomes, several
from longlag.report.page.table import Table, heading
from longlag.report.text.tables import axis_text, number
from longlag.store.results import StudyData

FORMS = {"P(is)": "P(are)", "P(singular)": "P(plural)"}
"""The names of the right answer's probability and of the wrong one's, for each way in which a task asks."""
MOST_ROWS = 200
"""The most settings in the table."""
EXPLANATION = (
    "The writer of the books is / are: the probability that networks give to each form where training ended, median "
    "and range of the seeds. Right: seeds that give the higher probability to the form that agrees with the subject."
)


def answers(study: StudyData) -> Table | None:
    """Return a row for each setting whose networks answered, in the order of reports; None if none did."""
    known = study.examples[study.examples["name"].isin([*FORMS, *FORMS.values()])]
    if known.empty:
        return None
    shares = known.pivot_table(index="key", columns="name", values="value", sort=False).reset_index()
    frame = outcomes(study).merge(shares, on="key")
    if frame.empty:
        return None
    names = [name for name in (*FORMS, *FORMS.values()) if name in frame]
    axes = several(study.plan)
    rows = []
    for _, trials in frame.groupby(list(SETTING), sort=False, dropna=False):
        settings = [axis_text(name, trials[name].iloc[0]) for name in axes]
        rows.append([*settings, *(_spread(trials[name].dropna()) for name in names), _right(trials)])
    heads = list(map(heading, axes))
    return Table([*heads, *names, "right"], frozenset(heads), rows[:MOST_ROWS], len(rows[MOST_ROWS:]))


def _spread(values: pd.Series) -> str:
    """Write the median of some probabilities, with the range of several.

    >>> _spread(pd.Series([0.25, 0.5, 0.875])), _spread(pd.Series([0.5])), _spread(pd.Series([], dtype=float))
    ('0.5 [0.25, 0.88]', '0.5', '-')
    """
    if values.empty:
        return "-"
    ends = f" [{number(values.min(), 2)}, {number(values.max(), 2)}]" if len(values) > 1 else ""
    return number(values.median(), 2) + ends


def _right(rows: pd.DataFrame) -> str:
    both = [rows[[right, wrong]].dropna() for right, wrong in FORMS.items() if {right, wrong} <= set(rows.columns)]
    right_answers = sum(int((pair.iloc[:, 0] > pair.iloc[:, 1]).sum()) for pair in both)
    return f"{right_answers}/{sum(map(len, both))}"

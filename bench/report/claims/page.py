"""Writes the page of claims: a table, then a paragraph and a figure for each claim."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from longlag.report.claims import table


class About(NamedTuple):
    """A claim's texts on the page, in addition to its verdicts."""

    paper: str
    figure: str | None
    decides: Mapping[str, str]
    falsified: Mapping[str, str]


def page(verdicts: pd.DataFrame, about: Mapping[int, About], head: str) -> str:
    """Write the page in Markdown.

    Args:
        verdicts: A row for each rule, with the columns of `table.terminal`, ``said``, ``boundary`` and ``tier``.
        about: What to say about each claim, by its number.
        head: Lines on lecture, versions and machine.
    """
    parts = [f"# Claims\n\n{head}\n", table.markdown(verdicts)]
    for number, rows in verdicts.groupby("claim", sort=True):
        first, about_claim = rows.iloc[0], about[int(str(number))]
        source = f"Source: {about_claim.paper}. Of what: {first['boundary']}. Tier {first['tier']}."
        parts.append(f"\n## {number}. {first['sentence']}\n\n{source}\n")
        parts += [_paragraph(row, about_claim) for _, row in rows.iterrows()]
        if about_claim.figure:
            parts.append(f"\n![Claim {number}]({about_claim.figure})\n")
    return "".join(parts)


def _paragraph(row: "pd.Series", about: About) -> str:
    effect = table.effect_told(row)
    verdict = f"{table.verdict_told(row)}{f', effect {effect} ({row.unit})' if effect else ''}, n = {row.n}"
    bold = "**" if row["verdict"] == "fails" else ""
    rule = f"Decided by: {about.decides[row['rule']]}. It would have been falsified by {about.falsified[row['rule']]}."
    return f"\n- **{row['rule']}**: {row['asks']}: {bold}{verdict}{bold}. {row['said']} {rule}\n"

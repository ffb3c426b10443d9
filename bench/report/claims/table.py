"""Writes the table of verdicts for terminals and for Markdown."""

from collections.abc import Sequence

import pandas as pd

_COLUMNS = ("claim", "verdict", "effect", "n", "time")


def effect_told(row: "pd.Series") -> str:
    """Write an effect with its interval and the minimum that was fixed for it; empty for exact verdicts.

    >>> effect_told(pd.Series({"estimate": 0.8125, "low": 0.5, "high": 0.95, "minimum": 0.3}))
    '+0.81 [+0.50, +0.95], minimum 0.3'
    """
    if pd.isna(row["estimate"]):
        return ""
    ends = ", ".join("?" if pd.isna(row[end]) else f"{row[end]:+.2f}" for end in ("low", "high"))
    return f"{row['estimate']:+.2f} [{ends}], minimum {row['minimum']:.3g}"


def verdict_told(row: "pd.Series") -> str:
    """Write a verdict; an undecided one with the number of seeds that would decide it."""
    needed = row["seeds_needed"]
    return f"{row['verdict']} (n = {needed:.0f} would do)" if pd.notna(needed) else str(row["verdict"])


def terminal(verdicts: pd.DataFrame, others: Sequence[tuple[int, str, str]]) -> str:
    """Write the table for a terminal.

    Args:
        verdicts: A row for each rule: ``claim, rule, sentence, asks, verdict, estimate, low, high, minimum,
            seeds_needed, n, seconds`` (of the whole claim).
        others: Claims without a verdict: the number, the sentence and the reason.
    """
    lines = []
    for number, rows in [] if verdicts.empty else verdicts.groupby("claim", sort=True):
        first = rows.iloc[0]
        took = "" if pd.isna(first["seconds"]) else f"   [{first['seconds']:.0f} s]"
        lines.append((int(str(number)), f"{number:>2}  {first['sentence']}{took}"))
        for _, row in rows.iterrows():
            start = (
                f"    {row['rule']}  {str(row['verdict']).upper() if row['verdict'] == 'fails' else row['verdict']:11} "
            )
            needed = "" if pd.isna(row["seeds_needed"]) else f"; n = {row['seeds_needed']:.0f} would do"
            what = "; ".join(filter(None, [effect_told(row), f"n {row['n']}"])) + needed
            lines.append((int(str(number)), f"{start} {row['asks']}\n{'':20}{what}"))
    lines += [(number, f"{number:>2}  {sentence}\n    {why}") for number, sentence, why in others]
    return "\n".join(text for _, text in sorted(lines, key=lambda line: line[0])) + "\n"


def markdown(verdicts: pd.DataFrame) -> str:
    """Write the table in Markdown, a row for each rule, with failures in bold, and times if ``seconds`` is given."""
    columns = _COLUMNS if "seconds" in verdicts else _COLUMNS[:-1]
    lines = [f"| {' | '.join(('', *columns))} |", "|---" * (len(columns) + 1) + "|"]
    for _, row in verdicts.iterrows():
        verdict = f"**{row['verdict']}**" if row["verdict"] == "fails" else verdict_told(row)
        cells = [f"{row['claim']}{row['rule']}", row["asks"], verdict, effect_told(row), str(row["n"])]
        if "seconds" in verdicts:
            cells.append("" if pd.isna(row["seconds"]) else f"{row['seconds']:.0f} s")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

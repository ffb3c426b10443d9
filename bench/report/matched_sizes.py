"""Describes how closely networks with a chosen hidden size match the target that it was chosen for."""

import pandas as pd

COLUMNS = ("matched", "match_target", "match_reached", "match_note")


def match_columns(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of tables on matched networks, one text for each row; empty if no network was matched.

    Args:
        rows: Settings, with `COLUMNS` if any was matched.
    """
    if "matched" not in rows or not rows["matched"].notna().any():
        return {}
    settings = [row for _, row in rows.iterrows()]
    return {
        "hidden size": [f"{row['hidden_size']}" for row in settings],
        "matched": [match_text(row) for row in settings],
    }


def match_text(row: pd.Series) -> str:
    """Write what a network was matched by, the number that it reached, and how far that is from the target.

    >>> match_text(pd.Series({"matched": "parameters", "match_target": 1000, "match_reached": 985, "match_note": ""}))
    '985 parameters (-1.5 %)'
    """
    if pd.isna(row["matched"]):
        return "-"
    distance = 100 * (row["match_reached"] / row["match_target"] - 1)
    text = f"{row['match_reached']:.0f} {row['matched']} ({distance:+.1f} %)"
    return f"{text}: {row['match_note']}" if row["match_note"] else text

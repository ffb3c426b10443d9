"""Draws effects with their intervals, one row per entry."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longlag.regression.judge.comparison import MINIMUM_EFFECT, Comparison
from longlag.regression.judge.verdict import Ruling
from longlag.regression.show.render import verdict_text
from longlag.regression.show.report import Report, entry_of, verdict_names
from longlag.report.figures import style
from longlag.report.figures.panels import GREY, Drawing

_COLORS = {
    "regressed": "#D55E00",
    "not comparable": "#4D4D4D",
    "inconclusive": "#E8A200",
    "improved": "#2AA198",
    "same": "#0B3C7D",
    "unchanged": "#ABABAB",
    "": "#0B3C7D",
}
_ROW = 0.24


def forest(rows: Sequence[tuple[str, str, Comparison | None]], title: str) -> Drawing:
    """Draw the change of the solved share and the probability of superiority, with 90 % intervals.

    Args:
        rows: Name, verdict and numbers of each entry, from the top; without numbers it is drawn at no change.
        title: The title, which may have several lines.
    """
    data = pd.DataFrame([_numbers(*row) for row in rows])
    with style.report_style():
        figure = Figure(figsize=(7.4, 1.3 + _ROW * max(len(rows), 1)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, data, "change", "solved share: change in points", 100 * MINIMUM_EFFECT, 0.0)
        _panel(right, data, "beats", "a new run beats one of the baseline (%)", 100 * MINIMUM_EFFECT, 50.0)
        left.set_xlim(-105, 105)
        right.set_xlim(-3, 103)
        left.set_yticks(range(len(data)), data["entry"].tolist() if len(data) else [])
        left.set_ylim(len(data) - 0.4, -0.6)
        figure.suptitle(f"{title}\nbars: 90 % intervals; grey: too small to matter", x=0.008, ha="left")
    return Drawing(figure, data)


def _numbers(name: str, verdict: str, held: Comparison | None) -> dict[str, object]:
    row: dict[str, object] = {"entry": name, "verdict": verdict}
    change = (0.0, None, None) if held is None else held.share
    beats = (0.5, None, None) if held is None else held.superiority
    for column, effect in (("change", change), ("beats", beats)):
        ends = zip((column, f"{column}_low", f"{column}_high"), effect, strict=True)
        row |= {end: None if value is None else 100 * value for end, value in ends}
    return row


def _panel(ax: Axes, data: pd.DataFrame, column: str, label: str, minimum: float, none: float) -> None:
    ax.axvspan(none - minimum, none + minimum, color="0.93", linewidth=0, zorder=0)
    ax.axvline(none, color=GREY, linewidth=0.6, zorder=1)
    for place, row in enumerate(data.to_dict("records")):
        color = _COLORS[str(row["verdict"]).partition(":")[0]]
        if pd.notna(row[f"{column}_low"]):
            ax.plot([row[f"{column}_low"], row[f"{column}_high"]], [place, place], color=color, linewidth=1.6, zorder=2)
        marker = "o" if pd.notna(row[f"{column}_low"]) else "|"
        ax.plot([row[column]], [place], marker=marker, color=color, zorder=3)
        if column == "beats" and row["verdict"]:
            ax.annotate(
                str(row["verdict"]), (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=6.5,
                color=color,
            )  # fmt: skip
    ax.set_xlabel(f"{label}\n← worse, better →")
    ax.tick_params(axis="y", length=0)


def draw_report(report: Report) -> Drawing:
    """Draw every entry of a check that can be compared."""
    called = verdict_names(report.verdicts)
    rows = [
        (called[entry_of(verdict).key], verdict_text(verdict), verdict.deciding)
        for verdict in report.verdicts
        if verdict.ruling is not Ruling.NOT_COMPARABLE
    ]
    return forest(rows, f"{report.headline}\nagainst {report.against}")

"""Texts of tables: the columns that describe settings, and how numbers are written."""

from collections.abc import Callable, Mapping

import pandas as pd

from longlag.plan.rates import Basis
from longlag.report.figures import style
from longlag.report.lens.lines import reach_text
from longlag.report.matched_sizes import match_columns
from longlag.report.outcomes import several
from longlag.report.summary import shared_values
from longlag.store.results import StudyData


def to_csv(frame: pd.DataFrame) -> str:
    """Write a frame as CSV with six significant digits and LF line ends."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def number(value: float | None, digits: int = 3) -> str:
    """Write a number for reading, or a dash.

    >>> number(0.16666), number(1234.0), number(None)
    ('0.167', '1234', '-')
    """
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    """Write a share in percent, or a dash; halves of a percent are kept, as for one of 8 seeds.

    >>> percent(1 / 8), percent(1 / 3), percent(0.25)
    ('12.5 %', '33 %', '25 %')
    """
    if value is None or pd.isna(value):
        return "-"
    halves = 200 * value
    return f"{halves / 2:.1f} %" if abs(halves - round(halves)) < 1e-6 and round(halves) % 2 else f"{halves / 2:.0f} %"


def percent_range(low: float | None, high: float | None) -> str:
    """Write an interval of shares: ``48-100 %``."""
    return "-" if low is None or pd.isna(low) or high is None else f"{100 * low:.0f}-{100 * high:.0f} %"


def updates_text(row: pd.Series) -> str:
    """Write the median updates to solve, or ``> budget`` if fewer than half of the trials solved."""
    if row["n"] == 0:
        return "-"
    updates = row["updates_to_solve"]
    return f"> {row['budget_updates']:.0f}" if pd.isna(updates) else f"{updates:.0f}"


def error_text(row: pd.Series, digits: int = 2) -> str:
    """Write the median error with the range over seeds.

    Args:
        row: A row of `summarise`.
        digits: Significant digits of the range.
    """
    ends = f" [{number(row['error_min'], digits)}, {number(row['error_max'], digits)}]" if row["n"] > 1 else ""
    return number(row["error"], 2) + ends


RATE_REMARKS = {
    Basis.COARSE: "best of a coarse grid",
    Basis.EDGE: "last rate tried",
    Basis.NEIGHBOUR: "no rate found",
    Basis.NONE: "no rate found",
}
"""The remark on a learning rate that is not the best one in a fine grid, by how it was chosen."""


def rate_text(row: pd.Series) -> str:
    """Write the learning rate, with a remark if it is not the best one in a fine grid."""
    remark = RATE_REMARKS.get(row["rate_basis"])
    return axis_text("lr", row["lr"]) + (f" ({remark})" if remark else "")


def axis_text(name: str, value: object) -> str:
    """Write the value of an axis for reading."""
    cells = {"cell": style.cell_label, "decoder_cell": style.cell_label}
    labels = {"task": style.task_label, **cells, "clip": style.clip_label}
    return labels[name](str(value)) if name in labels else style.way_label(name, value).removeprefix(name + " ")


_COLUMNS: Mapping[str, Callable[[pd.Series], str]] = {
    "n/N": lambda row: f"{row['n']}/{row['N']}",
    "solved": lambda row: f"{row['solved_count']}/{row['n']}",
    "solved share": lambda row: percent(row["solved_fraction"]),
    "95 % interval": lambda row: percent_range(row["solved_low"], row["solved_high"]),
    "updates to solve": updates_text,
    "error": error_text,
    "score": lambda row: number(row["score"], 2),
    "floor": lambda row: number(row["floor"]),
    "diverged": lambda row: percent(row["diverged_fraction"]),
    "exploded": lambda row: percent(row["exploded_fraction"]),
    "failed": lambda row: str(row["failed_count"]),
    "timeout": lambda row: str(row["timeout_count"]),
    "norm before clipping": lambda row: number(row["grad_norm_median"]),
    "clipped": lambda row: percent(row["clipped_fraction"]),
    "parameters": lambda row: number(row["num_parameters"], 7),
}
"""The columns of a table beside the axes: by heading, how to write the text from a row of `summarise`."""


def readable(study: StudyData, summary: pd.DataFrame) -> pd.DataFrame:
    """Return a summary as texts; axes with one value in the whole plan are left out."""
    rows = [row for _, row in summary.iterrows()]
    axes = {name: [axis_text(name, value) for value in summary[name]] for name in several(study.plan)}
    axes |= {"lr": [rate_text(row) for row in rows]} if "lr" in axes else {}
    texts = {name: [write(row) for row in rows] for name, write in _COLUMNS.items()}
    heard = {"reach (1 %)": [reach_text(row) for row in rows]} if "reach_1pct" in summary else {}
    return pd.DataFrame(axes | texts | heard | match_columns(summary))


EXPLANATION = (
    "n/N: trials with a result of those planned. Solved share with exact 95 % interval. Updates to solve: median, "
    "unsolved trials censored at the budget. Error: median and range of the seeds, which share of them solves stands "
    "beside it; diverged and exploded trials count as the floor. Norm before clipping: median over updates and seeds."
)


def everywhere(study: StudyData) -> str:
    """Write the values of axes that have one value in the whole plan."""
    labels = {"task": style.task_label, "cell": style.cell_label, "clip": style.clip_label}
    texts = [
        labels[name](str(value)) if name in labels else style.way_label(name, value)
        for name, value in shared_values(study).items()
        if value != ""
    ]
    return ", ".join(filter(None, texts))

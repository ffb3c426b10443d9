"""Writes the summary as CSV (numbers), Markdown and LaTeX (for reading); the same bytes for the same results."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from longlag.plan.rates import Basis
from longlag.report.failures import reasons
from longlag.report.figures import horizons, style
from longlag.report.figures.support.ladders import has_horizons, rungs
from longlag.report.figures.transfer import has_transfer, transfer_table
from longlag.report.lens.lines import REACH_EXPLANATION, reach_text
from longlag.report.matched_sizes import match_columns
from longlag.report.outcomes import SETTING, notes, progress, several
from longlag.report.summary import shared_values, summarise
from longlag.report.text.summary_lines import stories
from longlag.store.results import StudyData

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≤": r"$\le$",
    "<": r"$<$",
    ">": r"$>$",
}

_SOMETIMES = ("timings.csv", "transfer.csv", "transfer.md", "rungs.csv", "horizons.csv", "horizons.md")
"""Tables that only some studies have numbers for."""


def write_tables(study: StudyData, folder: Path) -> list[Path]:
    """Write ``summary.csv``, ``.md`` and ``.tex``, and ``timings.csv`` where durations are known.

    A table that an earlier plan had numbers for, and this one has not, is removed.

    Returns:
        The files written, in ``folder/tables``.
    """
    target = folder / "tables"
    target.mkdir(parents=True, exist_ok=True)
    summary = summarise(study)
    texts = {
        "summary.csv": to_csv(summary.drop(columns=list(shared_values(study)))),
        "summary.md": _markdown(study, summary),
        "summary.tex": _latex(study, summary),
    }
    if "wall_seconds" in study.trials and study.trials["wall_seconds"].notna().any():
        names = ["key", *several(study.plan), "seed", "wall_seconds", "updates_per_second"]
        texts["timings.csv"] = to_csv(study.trials.reindex(columns=names).sort_values("key"))
    if has_transfer(study):
        transferred = transfer_table(study)
        texts["transfer.csv"] = to_csv(transferred)
        texts["transfer.md"] = _transfer_markdown(study, transferred)
    if has_horizons(study):
        found = horizons.horizons(rungs(study))
        texts |= {"rungs.csv": to_csv(rungs(study)), "horizons.csv": to_csv(found)}
        texts["horizons.md"] = f"# {_heading(study)}\n\n{progress(study)}. {horizons.markdown(found)}"
    for name in set(_SOMETIMES) - set(texts):
        (target / name).unlink(missing_ok=True)
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8", newline="\n")
    return [target / name for name in texts]


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
    """Write a share in percent, or a dash; in halves of a percent where it has them, as one of 8 seeds has.

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
    """Write the median updates to solve, ``> budget`` where fewer than half were solved."""
    if row["n"] == 0:
        return "-"
    found = row["updates_to_solve"]
    return f"> {row['budget_updates']:.0f}" if pd.isna(found) else f"{found:.0f}"


def error_text(row: pd.Series, digits: int = 2) -> str:
    """Write the median error with the range of the seeds, whose ends have so many digits."""
    ends = f" [{number(row['error_min'], digits)}, {number(row['error_max'], digits)}]" if row["n"] > 1 else ""
    return number(row["error"], 2) + ends


RATE_REMARKS = {
    Basis.COARSE: "best of a coarse grid",
    Basis.EDGE: "last rate tried",
    Basis.NEIGHBOUR: "no rate found",
    Basis.NONE: "no rate found",
}
"""What is said of a learning rate that is not the best one in a fine grid."""


def rate_text(row: pd.Series) -> str:
    """Write the learning rate, with a remark where it is not the best one in a fine grid."""
    remark = RATE_REMARKS.get(row["rate_basis"])
    return axis_text("lr", row["lr"]) + (f" ({remark})" if remark else "")


def axis_text(name: str, value: object) -> str:
    """Write an axis' value for reading."""
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
"""What files say of a setting beside its axes, a text a column, from a row of `summarise`."""


def readable(study: StudyData, summary: pd.DataFrame) -> pd.DataFrame:
    """Turn a summary into texts, one column a thing to read; axes with one value are left out."""
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
    """Name the axes that have one value in the whole plan."""
    labels = {"task": style.task_label, "cell": style.cell_label, "clip": style.clip_label}
    said = [
        labels[name](str(value)) if name in labels else style.way_label(name, value)
        for name, value in shared_values(study).items()
        if value != ""
    ]
    return ", ".join(filter(None, said))


def _heading(study: StudyData) -> str:
    return f"{study.name}: {study.title}" if study.title else study.name


def _markdown(study: StudyData, summary: pd.DataFrame) -> str:
    table = readable(study, summary)
    axes = set(SETTING)
    lines = [f"# {_heading(study)}", "", f"{progress(study)}. Everywhere: {everywhere(study)}.", ""]
    lines += [f"> {note}\n" for note in [*notes(study), *reasons(study)]]
    lines += [f"- **{style.task_label(task)}.** {story}" for task, story in stories(study).items()]
    marks = [":--" if name in axes else "--:" for name in table]
    lines += ["", _row(list(table.columns)), _row(marks)]
    lines += [_row([cell.replace("|", "\\|") for cell in row]) for row in table.to_numpy().tolist()]
    told = f"{EXPLANATION} {REACH_EXPLANATION}" if "reach_1pct" in summary else EXPLANATION
    return "\n".join([*lines, "", told, ""])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _transfer_markdown(study: StudyData, found: pd.DataFrame) -> str:
    rows = [row for _, row in found.iterrows()]
    axes = [name for name in found if name in SETTING]
    trained = [f"{row['trained_from']}-{row['trained_to']}" for row in rows]
    table = pd.DataFrame(
        {name: [axis_text(name, value) for value in found[name]] for name in axes}
        | {
            "lags trained at": ["-".join(dict.fromkeys(text.split("-"))) for text in trained],
            "lag tested": [str(row["lag"]) for row in rows],
            "of the longest trained": [f"{row['times']:.2g}" for row in rows],
            "error": [error_text(row) for row in rows],
            "floor": [number(row["floor"]) for row in rows],
            "solved there": [f"{row['solved_count']}/{row['n']}" for row in rows],
        }
    )
    marks = [":--" if name in axes else "--:" for name in table]
    lines = [f"# {_heading(study)}: length transfer", "", _row(list(table.columns)), _row(marks)]
    lines += [_row([cell.replace("|", "\\|") for cell in row]) for row in table.to_numpy().tolist()]
    return "\n".join([*lines, "", TRANSFER_EXPLANATION, ""])


TRANSFER_EXPLANATION = (
    "Each network as its training ended, solved or not, on 1000 sequences of its task at another distance. Error: "
    "median and range of the seeds; diverged trials count as the floor of that distance. "
    "Solved there: seeds whose error is below what counts as solved at that distance; it is not confirmed again."
)


def escape_latex(text: str) -> str:
    r"""Write text so that LaTeX prints it.

    >>> print(escape_latex("5 % of cell_a"))
    5 \% of cell\_a
    """
    return "".join(_LATEX.get(character, character) for character in text)


def _latex(study: StudyData, summary: pd.DataFrame) -> str:
    table = readable(study, summary)
    axes = set(SETTING)
    columns = "".join("l" if name in axes else "r" for name in table)
    said = [f"% {line}" for line in (_heading(study), f"{progress(study)}; everywhere {everywhere(study)}")]
    said += [f"% {style.task_label(task)}: {story}" for task, story in stories(study).items()]
    lines = ["% needs \\usepackage{booktabs}", *said, "{\\footnotesize\\setlength{\\tabcolsep}{3pt}%"]
    lines += [f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines += [_latex_row([name.replace("_", " ") for name in table.columns]), "\\midrule"]
    tasks = summary["task"].tolist()
    for place, row in enumerate(table.to_numpy().tolist()):
        if place and tasks[place] != tasks[place - 1]:
            lines.append("\\midrule")
        lines.append(_latex_row(row))
    lines += ["\\bottomrule", "\\end{tabular}\\par}"]
    lines += [f"\\par\\smallskip\\noindent\\footnotesize {escape_latex(note)}" for note in (EXPLANATION, *notes(study))]
    return "\n".join(lines) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"

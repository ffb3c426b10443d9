"""Writes a study's tables: the summary as CSV (numbers), Markdown and LaTeX; the same bytes for the same results."""

from pathlib import Path

import pandas as pd

from longlag.report.failures import reasons
from longlag.report.figures import horizons, style
from longlag.report.figures.support.ladders import has_horizons, rungs
from longlag.report.figures.transfer import has_transfer, transfer_table
from longlag.report.lens.lines import REACH_EXPLANATION
from longlag.report.outcomes import SETTING, notes, progress, several
from longlag.report.paper.latex import escape
from longlag.report.paper.origin import origin_of
from longlag.report.paper.table import table_of, to_latex
from longlag.report.summary import shared_values, summarise
from longlag.report.text.summary_lines import stories
from longlag.report.text.tables import EXPLANATION, axis_text, error_text, everywhere, number, readable, to_csv
from longlag.store.results import StudyData

_SOMETIMES = ("timings.csv", "transfer.csv", "transfer.md", "rungs.csv", "horizons.csv", "horizons.md")
"""Tables that only some studies have."""


def write_tables(study: StudyData, folder: Path) -> list[Path]:
    """Write ``summary.csv``, ``.md`` and ``.tex``, and those tables of `_SOMETIMES` for which the study has numbers.

    A table that was written for an earlier plan, and for which this plan has no numbers, is removed.

    Args:
        study: The study.
        folder: The study's folder.

    Returns:
        The files written, in ``folder/tables``.
    """
    target = folder / "tables"
    target.mkdir(parents=True, exist_ok=True)
    summary = summarise(study)
    texts = {
        "summary.csv": to_csv(summary.drop(columns=list(shared_values(study)))),
        "summary.md": _markdown(study, summary),
        "summary.tex": _latex(study),
    }
    if "wall_seconds" in study.trials and study.trials["wall_seconds"].notna().any():
        names = ["key", *several(study.plan), "seed", "wall_seconds", "updates_per_second"]
        texts["timings.csv"] = to_csv(study.trials.reindex(columns=names).sort_values("key"))
    if has_transfer(study):
        transferred = transfer_table(study)
        texts["transfer.csv"] = to_csv(transferred)
        texts["transfer.md"] = _transfer_markdown(study, transferred)
    if has_horizons(study):
        fitted = horizons.horizons(rungs(study))
        texts |= {"rungs.csv": to_csv(rungs(study)), "horizons.csv": to_csv(fitted)}
        texts["horizons.md"] = f"# {_heading(study)}\n\n{progress(study)}. {horizons.markdown(fitted)}"
    for name in set(_SOMETIMES) - set(texts):
        (target / name).unlink(missing_ok=True)
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8", newline="\n")
    return [target / name for name in texts]


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
    explanation = f"{EXPLANATION} {REACH_EXPLANATION}" if "reach_1pct" in summary else EXPLANATION
    return "\n".join([*lines, "", explanation, ""])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _transfer_markdown(study: StudyData, transfers: pd.DataFrame) -> str:
    rows = [row for _, row in transfers.iterrows()]
    axes = [name for name in transfers if name in SETTING]
    trained = [f"{row['trained_from']}-{row['trained_to']}" for row in rows]
    table = pd.DataFrame(
        {name: [axis_text(name, value) for value in transfers[name]] for name in axes}
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


def _latex(study: StudyData) -> str:
    """Write the table for LaTeX: the report's sentences as comments, the table, and its caption below it."""
    table = table_of(study)
    comments = [f"% {_heading(study)}", f"% {progress(study)}"]
    comments += [f"% {style.task_label(task)}: {story}" for task, story in stories(study).items()]
    below = f"\\par\\smallskip\\noindent\\footnotesize {escape(table.caption)}"
    return "\n".join([*comments, to_latex(table, origin_of(study, "longlag")).rstrip(), below, ""])

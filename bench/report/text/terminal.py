"""Writes the summary for a terminal, to be read in ten seconds, and as JSON for programs."""

import json
import textwrap
from typing import Any

import pandas as pd

from longlag.report.failures import reasons
from longlag.report.figures import horizons, style
from longlag.report.figures.support.ladders import has_horizons, rungs
from longlag.report.matched_sizes import match_columns
from longlag.report.outcomes import LOST, WAYS, notes, outcomes, processors, progress, several
from longlag.report.summary import shared_values, summarise
from longlag.report.text import tables
from longlag.report.text.summary_lines import stories
from longlag.store.results import StudyData
from longlag.values.trial import Status

WIDTH = 100


def render_text(study: StudyData) -> str:
    """Return a heading, for each task a sentence and aligned rows, best first, and at the end notes."""
    summary = summarise(study)
    title = f"{study.name} · {study.title}" if study.title else study.name
    blocks = [_wrapped(f"{title} · {progress(study)}")]
    for task, sentence in stories(study).items():
        blocks.append(_task_block(task, sentence, summary[summary["task"] == task]))
    if has_horizons(study):
        blocks.append(horizons.render(horizons.horizons(rungs(study))).rstrip("\n"))
    shared = tables.everywhere(study)
    footer = [f"Everywhere: {shared}."] if shared else []
    charged = ", diverged and exploded trials at the floor" if outcomes(study)["status"].isin(LOST).any() else ""
    footer += [
        "95 %: exact interval of the solved share; updates: median until solved, unsolved trials censored; "
        f"error: median and range of the seeds{charged}; clipped: share of updates."
    ]
    blocks.append("\n".join(_wrapped(line) for line in [*footer, *notes(study)]))
    if why := reasons(study):
        blocks.append("\n".join(["Why trials have no result:", *(_wrapped(line, "  ") for line in why)]))
    return "\n\n".join(blocks) + "\n"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)


def _task_block(task: str, sentence: str, rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    heading = f"{style.task_label(task)} · lag {first['lag']:.0f} · floor {tables.number(first['floor'])}"
    spread = rows.groupby(["cell", "clip", "optimizer"])[list(WAYS)].nunique().max()
    shown = [name for name in several(rows, WAYS) if name in ("optimizer", "lr") or spread[name] > 1]
    columns: dict[str, list[str]] = {
        "cell": [style.cell_label(cell) for cell in rows["cell"]],
        "clip": [style.clip_label(clip) for clip in rows["clip"]],
        **{name: [tables.axis_text(name, value) for value in rows[name]] for name in shown},
    }
    settings = [row for _, row in rows.iterrows()]
    columns |= {
        "solved": [f"{row['solved_count']}/{row['n']}" for row in settings],
        "95 %": [tables.percent_range(row["solved_low"], row["solved_high"]) for row in settings],
        "updates": [tables.updates_text(row) for row in settings],
        "error": [tables.error_text(row, digits=1) for row in settings],
        "clipped": [tables.percent(row["clipped_fraction"]) for row in settings],
    }
    columns |= (matches := match_columns(rows))
    remarks = [_remarks(row) for row in settings]
    if any(remarks):
        columns["also"] = remarks
    return "\n".join([heading, _wrapped(sentence, "  "), *aligned(columns, {"cell", "clip", "also", *shown, *matches})])


def _remarks(row: pd.Series) -> str:
    words = ("diverged", "exploded", "failed", "timeout", "missing")
    counts = [f"{row[f'{word}_count']} {word}" for word in words if row[f"{word}_count"]]
    return ", ".join(filter(None, [*counts, tables.RATE_REMARKS.get(row["rate_basis"])]))


def aligned(columns: dict[str, list[str]], left: set[str]) -> list[str]:
    """Return a heading and rows of aligned text.

    Args:
        columns: The texts of each column, by heading.
        left: The headings of columns that are aligned to the left; others are aligned to the right.
    """
    widths = {name: max(map(len, [name, *texts])) for name, texts in columns.items()}
    lines = []
    for row in zip(*([name, *texts] for name, texts in columns.items()), strict=True):
        cells = zip(columns, row, strict=True)
        texts = [text.ljust(widths[name]) if name in left else text.rjust(widths[name]) for name, text in cells]
        lines.append("  " + "  ".join(texts).rstrip())
    return lines


def to_json(study: StudyData) -> str:
    """Return the study, a sentence for each task and a record for each setting as JSON; missing numbers are null."""
    frame, summary = outcomes(study), summarise(study)
    sentences = stories(study)
    tasks = [
        {"task": task, **_record(frame[frame["task"] == task].iloc[0]), "sentence": sentence}
        for task, sentence in sentences.items()
    ]
    content = {
        "study": study.name,
        "title": study.title,
        "planned": len(frame),
        "with_result": int(frame["counted"].sum()),
        "failed": int((frame["status"] == Status.FAILED).sum()),
        "timeout": int((frame["status"] == Status.TIMEOUT).sum()),
        "missing": int(frame["status"].isna().sum()),
        "outside": study.outside,
        "sources": list(study.sources),
        "mixed_source": len(study.sources) > 1,
        "processors": {str(name): int(count) for name, count in processors(study).sort_index().items()},
        "notes": notes(study),
        "reasons": reasons(study),
        "everywhere": {name: _plain(value) for name, value in shared_values(study).items()},
        "tasks": tasks,
        "settings": [{name: _plain(value) for name, value in row.items()} for _, row in summary.iterrows()],
    }
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _record(first: pd.Series) -> dict[str, Any]:
    names = {"lag": "lag", "min_lag": "min_lag", "floor": "baseline_error", "solved_below": "solved_below"}
    return {name: _plain(first[column]) for name, column in names.items()} | {"error_name": first["error_name"]}


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; a missing number is None."""
    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value

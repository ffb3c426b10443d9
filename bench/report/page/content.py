"""Gathers the contents of a page on one study as values, which the template only arranges."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from longlag.report.failures import reasons
from longlag.report.figures import horizons, style
from longlag.report.figures.support.ladders import has_horizons, rungs
from longlag.report.outcomes import SETTING, notes, outcomes, progress
from longlag.report.page.answers import answers
from longlag.report.page.commands import run_command
from longlag.report.page.lenses import gates_table
from longlag.report.page.pictures import Picture, headline, smaller
from longlag.report.page.table import Table, heading
from longlag.report.summary import summarise
from longlag.report.text.summary_lines import stories
from longlag.report.text.tables import EXPLANATION, everywhere, readable
from longlag.store.results import StudyData

MOST_ROWS = 1000
"""The most settings in the table of a page without scripts."""
_VERSIONS = ("python", "torch", "numpy", "numba", "blas", "cpu", "processor", "platform")


@dataclass(frozen=True)
class Sentence:
    """A sentence of the report, and the task that it is about; empty if it is about all tasks."""

    about: str
    text: str


@dataclass(frozen=True)
class Content:
    """The contents of a page on one study."""

    name: str
    title: str
    progress: str
    sentences: list[Sentence]
    headline: Picture | None
    pictures: list[Picture]
    notes: list[str]
    reasons: list[str]
    everywhere: str
    settings: Table
    explanation: str
    answers: Table | None
    gates: Table | None
    command: str | None
    sources: tuple[str, ...]
    made_with: list[tuple[str, str]]
    figures: str


def content_of(study: StudyData, folder: Path) -> Content:
    """Gather the contents of a page.

    Args:
        study: The study.
        folder: The study's folder, which holds its figures.
    """
    return Content(
        name=study.name,
        title=study.title,
        progress=progress(study),
        sentences=sentences(study),
        headline=headline(study) if len(study.trials) else None,
        pictures=smaller(study, folder / "figures"),
        notes=notes(study),
        reasons=reasons(study),
        everywhere=everywhere(study),
        settings=settings_table(study),
        explanation=EXPLANATION,
        answers=answers(study),
        gates=gates_table(study),
        command=run_command(study),
        sources=study.sources,
        made_with=made_with(study),
        figures=f"results/{study.name}/figures",
    )


def sentences(study: StudyData) -> list[Sentence]:
    """Return one sentence on all trials, one on the horizons of each ladder, and one on each task."""
    frame = outcomes(study)
    counted, solved = int(frame["counted"].sum()), int(frame["solved"].sum())
    tried = int(frame.loc[frame["counted"]].groupby(list(SETTING), dropna=False).ngroups) if counted else 0
    some = int(frame.loc[frame["solved"]].groupby(list(SETTING), dropna=False).ngroups) if solved else 0
    ends = sorted({int(frame["budget_updates"].min()), int(frame["budget_updates"].max())})
    within = f"within {' to '.join(map(str, ends))} updates"
    text = f"{solved} of {counted} trials solve their task {within}, in {some} of {tried} settings at least one seed."
    first = [Sentence("", text if counted else f"No results yet of {len(frame)} trials.")]
    far = horizons.horizons(rungs(study)) if has_horizons(study) else pd.DataFrame(columns=["task"])
    ladders = [Sentence(style.task_label(str(task)), _horizons(rows)) for task, rows in far.groupby("task", sort=False)]
    return first + ladders + [Sentence(style.task_label(task), story) for task, story in stories(study).items()]


def _horizons(rows: pd.DataFrame) -> str:
    """Write the horizons of a ladder as one sentence, in the words of the terminal."""
    heading, *lines = horizons.render(rows).strip().splitlines()
    entries = [" ".join(line.split()) for line in lines]
    return f"{heading.split(': ', 1)[1][:1].upper()}{heading.split(': ', 1)[1][1:]}: {'; '.join(entries)}."


def settings_table(study: StudyData, most: int | None = MOST_ROWS) -> Table:
    """Return the summary's table, best first within a task.

    Args:
        study: The study.
        most: The most rows; None for all.
    """
    table = readable(study, summarise(study))
    rows = table.head(len(table) if most is None else most).to_numpy().tolist()
    names = [heading(name) for name in table.columns]
    words = frozenset(name for name, column in zip(names, table.columns, strict=True) if column in SETTING)
    return Table(names, words, rows, len(table) - len(rows))


def made_with(study: StudyData) -> list[tuple[str, str]]:
    """Return all versions and processors with which the stored trials were made."""
    known = [json.loads(text) for text in study.trials.get("environment", pd.Series(dtype=str)).dropna().unique()]
    versions = {name: sorted({str(one[name]) for one in known if one.get(name)}) for name in _VERSIONS}
    return [(name, ", ".join(values)) for name, values in versions.items() if values]

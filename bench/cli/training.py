"""The command that trains a study, and what other commands train with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.planning import (
    TIMEOUT_SECONDS,
    as_bytes,
    checked_timeout,
    checked_workers,
    study_of,
    training_options,
    within,
)

if TYPE_CHECKING:
    from collections import Counter

    from longlag.plan.study import Study
    from longlag.store.results import StudyData
    from longlag.values.trial import Status

EXIT_SOME_FAILED = 3
CHECKED = "checked-plugins.txt"
"""In a study's folder: the plugins whose contract was checked, as trials hold them."""


@click.command()
@training_options
def run(
    study: str | None,
    name: str | None,
    workers: int | None,
    timeout: float,
    memory: str,
    fresh: bool,
    budget_minutes: float | None,
    keep_networks: bool,
    unchecked: bool,
    audit: str,
    results: Path,
    **options: Any,
) -> int:
    """Train what is missing of STUDY, or of the grid that the options span; then print and draw what came out.

    The same command again resumes. With a STUDY, options replace its values.
    """
    workers, timeout = checked_workers(workers), checked_timeout(timeout)
    found = within(study_of(study, name, options), workers, budget_minutes)
    ended = train_study(
        found,
        results,
        workers=workers,
        timeout_seconds=timeout,
        fresh=fresh,
        memory=as_bytes(memory),
        keep_networks=keep_networks,
        unchecked=unchecked,
        audit=audit,
    )
    write_reports(found.name, results)
    missing = sum(count for status, count in ended.items() if not status.is_result)
    return EXIT_SOME_FAILED if missing else 0


def train_study(
    study: "Study",
    results: Path,
    *,
    workers: int,
    timeout_seconds: float = TIMEOUT_SECONDS,
    fresh: bool = False,
    memory: int = 2**30,
    keep_networks: bool = False,
    unchecked: bool = False,
    audit: str = "evaluations",
) -> "Counter[Status]":
    """Train what is missing of a study, showing progress; return how its trials ended.

    Raises:
        UsageError: The study names something impossible, or a plugin that breaks a rule; nothing was written.
    """
    from longlag.cli.progress import Progress
    from longlag.run.plan import Retrain
    from longlag.run.run import RunOptions
    from longlag.run.run import run as run_study

    if not unchecked:
        check_plugins(study, results)
    with Progress(workers) as progress:
        options = RunOptions(
            workers, timeout_seconds, memory, Retrain(fresh, keep_networks), unchecked, audit == "every"
        )
        return run_study(study, results, options, progress)


def check_plugins(study: "Study", results: Path) -> None:
    """Check the contract of plugins that a study has not met as they are, in short, and note them beside its store.

    Raises:
        UsageError: One breaks a rule; nothing was written.
    """
    trials = study.trials()
    if not any(trial.plugins for trial in trials):
        return
    from longlag.checks.short import refuse_broken, used_by
    from longlag.run.plan import check

    check(study)
    path = results / study.name / CHECKED
    met = set(path.read_text(encoding="utf-8").split()) if path.is_file() else set[str]()
    used = used_by(trials)
    for label in sorted(used.keys() - met):
        refuse_broken(*used[label])
    if not used.keys() <= met:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{label}\n" for label in sorted(met | used.keys())), encoding="utf-8")


def write_reports(name: str, results: Path) -> None:
    """Print a study's summary and write its tables and figures; figures that stand as they would be are left alone."""
    from longlag.report.text.tables import write_tables
    from longlag.report.text.terminal import render_text
    from longlag.store.results import load_study

    data = load_study(name, results, verify=False)  # the run has looked for damage
    click.echo(render_text(data))
    written = write_tables(data, results / name) + figures_of(data, results / name)
    click.echo(f"{len(written)} files in {results / name / 'tables'} and {results / name / 'figures'}", err=True)
    name_transfer(name, results)


def figures_of(data: "StudyData", folder: Path) -> list[Path]:
    """Return the files of a study's figures, drawn where they do not stand as they would be drawn."""
    from longlag.report import drawn

    digest, target = drawn.digest_of(data), folder / "figures"
    if (standing := drawn.standing(digest, target)) is not None:
        return standing
    from longlag.report.figures.all import draw_figures  # loads what draws, which takes a second

    written = draw_figures(data, folder)
    drawn.note(digest, target, written)
    return written


def name_transfer(name: str, results: Path) -> None:
    """Say where the errors at other distances are, if there are any."""
    path = results / name / "tables" / "transfer.md"
    if path.is_file():
        click.echo(f"errors at other distances: {path}", err=True)

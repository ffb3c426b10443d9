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
    from longlag.values.trial import Status

EXIT_SOME_FAILED = 3


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
) -> "Counter[Status]":
    """Train what is missing of a study, showing progress; return how its trials ended."""
    from longlag.cli.progress import Progress
    from longlag.run.plan import Retrain
    from longlag.run.run import RunOptions
    from longlag.run.run import run as run_study

    with Progress(workers) as progress:
        options = RunOptions(workers, timeout_seconds, memory, Retrain(fresh, keep_networks))
        return run_study(study, results, options, progress)


def write_reports(name: str, results: Path) -> None:
    """Print a study's summary and write its tables and figures."""
    from longlag.report.figures.all import draw_figures
    from longlag.report.text.tables import write_tables
    from longlag.report.text.terminal import render_text
    from longlag.store.results import load_study

    data = load_study(name, results, verify=False)  # the run has looked for damage
    click.echo(render_text(data))
    written = write_tables(data, results / name) + draw_figures(data, results / name)
    click.echo(f"{len(written)} files in {results / name / 'tables'} and {results / name / 'figures'}", err=True)
    name_transfer(name, results)


def name_transfer(name: str, results: Path) -> None:
    """Say where the errors at other distances are, if there are any."""
    path = results / name / "tables" / "transfer.md"
    if path.is_file():
        click.echo(f"errors at other distances: {path}", err=True)

"""The command that trains a study, and what other commands train with."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import grid_options, results_option
from longlag.cli.planning import MOST_SECONDS, checked_workers, study_of, within
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter

    from longlag.plan.study import Study
    from longlag.values.trial import Status

EXIT_SOME_FAILED = 3
TIMEOUT_SECONDS = 3600.0


@click.command()
@click.argument("study", required=False)
@click.option("--name", help="Store under this name.  [default: the study's, or adhoc]")
@click.option("--workers", type=int, help="Training processes.  [default: all cores]")
@click.option(
    "--timeout", type=float, default=TIMEOUT_SECONDS, show_default=True, help="Seconds a trial; a cohort gets the sum."
)
@click.option("--memory", default="1GiB", show_default=True, help="For a worker's cohort: 512MiB, 2GiB.")
@click.option("--fresh", is_flag=True, help="Train rows again that other source code made.")
@click.option("--budget-minutes", type=float, metavar="M", help="Cut the seeds to as many as should fit.")
@click.option("--keep-networks", is_flag=True, help="Keep trained networks as safetensors, for `longlag probe`.")
@grid_options
@results_option
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
    workers = checked_workers(workers)
    if not 0 < timeout <= MOST_SECONDS:
        raise UsageError(f"--timeout must be above 0 and at most {MOST_SECONDS} seconds, not {timeout:g}")
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


def as_bytes(text: str) -> int:
    """Read an amount of memory.

    >>> as_bytes("512MiB") == 2**29, as_bytes("2GiB") == 2**31
    (True, True)

    Raises:
        UsageError: It is none, or out of range.
    """
    found = re.fullmatch(r"(\d{1,6})(MiB|GiB)", text)
    amount = int(found[1]) * {"MiB": 2**20, "GiB": 2**30}[found[2]] if found else 0
    if not 2**26 <= amount <= 2**44:
        raise UsageError(f"--memory must be a whole number of MiB or GiB, from 64MiB to 16384GiB, not {text!r}")
    return amount

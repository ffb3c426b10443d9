"""Commands that plan and train."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import grid_options, plugin_option, results_option
from bench.limits import first_line
from tasks.options import UsageError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from bench.study import Study
    from bench.trial import Status, Trial, TrialResult

EXIT_SOME_FAILED = 3
TIMEOUT_SECONDS = 3600.0
_MOST_WORKERS = 1024
_MOST_SECONDS = 10_000_000


def study_of(name: str | None, new_name: str | None, options: dict[str, Any]) -> "Study":
    """Return the named study with its values replaced, or an ad-hoc one made of options alone.

    Raises:
        UsageError: There is no such study, or an option is refused.
    """
    from dataclasses import replace

    from bench import study, study_file

    given = {key: value for key, value in options.items() if value is not None and value != ()}
    if name is not None:
        found = study_file.find(name).replaced(**given)
        return replace(found, name=new_name) if new_name else found
    if new_name in study_file.names():
        raise UsageError(f"--name {new_name}: a study file has that name; choose another, or run it by its name")
    return study.adhoc(new_name, **given)


@click.command()
@click.argument("study", required=False)
@click.option("--name", help="Store under this name.")
@click.option("--workers", type=int, help="Processes to estimate for.  [default: all cores]")
@click.option("--fresh", is_flag=True, help="Count rows that other source code made as missing.")
@click.option("--budget-minutes", type=float, metavar="M", help="Cut the seeds to as many as should fit.")
@click.option("--keep-networks", is_flag=True, help="Count rows without a kept network as missing.")
@grid_options
@results_option
def plan(
    study: str | None,
    name: str | None,
    workers: int | None,
    fresh: bool,
    budget_minutes: float | None,
    keep_networks: bool,
    results: Path,
    **options: Any,
) -> None:
    """Show what a run would train; train nothing."""
    from bench import runner
    from bench.cli.progress import minutes

    workers = checked_workers(workers)
    cut = within(study_of(study, name, options), workers, budget_minutes)
    found = runner.make_plan(cut, results, fresh, keep_networks)
    kept = len(found.trials) - len(found.missing)
    click.echo(f"study     {found.study.name}: {found.study.title}")
    click.echo(f"trials    {len(found.trials)}")
    click.echo(
        f"stored    {kept}" + (f", {found.other_source} made by other source code" if found.other_source else "")
    )
    if found.without_network:
        click.echo(f"networks  {found.without_network} stored trials lack theirs and are trained again")
    click.echo(f"to train  {len(found.missing)} in {len(found.cohorts(workers))} cohorts")
    click.echo(f"time      {minutes(found.seconds(workers))} at most, {workers} workers (estimated)")
    if found.outside:
        click.echo(f"outside   {found.outside} stored trials are not part of this plan")
    for line in matched_lines(found.study, found.trials):
        click.echo(line)


def matched_lines(study: "Study", trials: "Sequence[Trial]") -> list[str]:
    """Say which hidden sizes were picked and how near they come to the target, a line a network."""
    matches = study.matches()
    lines: dict[str, None] = {}
    for trial in trials:
        if (match := matches.get(trial.key)) is not None:
            layers = f", {trial.layers} layers" if trial.layers > 1 else ""
            reached = f"{match.reached} {match.quantity} ({match.distance:+.1%} of {match.target})"
            note = f": {match.note}" if match.note else ""
            lines[f"{trial.cell} on {trial.task}, hidden size {trial.hidden_size}{layers}: {reached}{note}"] = None
    return [f"{'matched' if not place else '':9} {line}" for place, line in enumerate(lines)]


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
    if not 0 < timeout <= _MOST_SECONDS:
        raise UsageError(f"--timeout must be above 0 and at most {_MOST_SECONDS} seconds, not {timeout:g}")
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


def within(study: "Study", workers: int, minutes: float | None) -> "Study":
    """Return the study cut to a number of seeds that should fit into so many minutes, if any are given.

    Raises:
        UsageError: It cannot fit.
    """
    from bench import runner

    if minutes is None:
        return study
    if not 0 < minutes <= _MOST_SECONDS:
        raise UsageError(f"--budget-minutes must be above 0 and at most {_MOST_SECONDS}, not {minutes:g}")
    return runner.fitted(study, workers, minutes)


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
    from bench import runner
    from bench.cli.progress import Progress

    with Progress(workers) as progress:
        return runner.run(
            study,
            results,
            workers=workers,
            timeout_seconds=timeout_seconds,
            fresh=fresh,
            observer=progress,
            memory=memory,
            keep_networks=keep_networks,
        )


def write_reports(name: str, results: Path) -> None:
    """Print a study's summary and write its tables and figures."""
    from bench.report.figures import draw_figures
    from bench.report.tables import write_tables
    from bench.report.text import render_text
    from bench.results import load_study

    data = load_study(name, results)
    click.echo(render_text(data))
    written = write_tables(data, results / name) + draw_figures(data, results / name)
    click.echo(f"{len(written)} files in {results / name / 'tables'} and {results / name / 'figures'}", err=True)


@click.command()
@click.argument("key")
@plugin_option
@results_option
def rerun(key: str, results: Path) -> None:
    """Train one stored trial again, alone, and show it beside its stored numbers.

    KEY is the key of a stored trial, or enough of its first digits.
    """
    from bench import provenance
    from bench.engines.worker import train_cohort

    stored = _find_result(key, results)
    need_plugins(stored.trial)
    found: list[TrialResult] = []
    try:
        train_cohort([stored.trial], found.append, provenance.environment())
    except Exception as error:
        if not stored.trial.plugins:
            raise
        raise UsageError(f"trial {stored.trial.key} with plugin {stored.trial.plugins}: {first_line(error)}") from error
    click.echo(f"{'':20} {'stored':>24} {'again':>24}")
    same = True
    for name in ("status", "error", "updates", "updates_to_solve", "diverged_at", "grad_norm_max", "clipped_fraction"):
        before, after = getattr(stored, name), getattr(found[0], name)
        same &= before == after
        click.echo(f"{name:20} {_shown(before):>24} {_shown(after):>24}")
    same &= stored.measurements == found[0].measurements and stored.transfer == found[0].transfer
    click.echo("every number of the curve is the same" if same else "the curves differ")
    if stored.environment != found[0].environment:
        names = stored.environment.keys() | found[0].environment.keys()
        differing = sorted(n for n in names if stored.environment.get(n) != found[0].environment.get(n))
        click.echo(f"the stored one was made with other {', '.join(differing)}")


def _find_result(key: str, results: Path) -> "TrialResult":
    from bench.store import Store

    found: dict[str, Path] = {}
    for path in sorted(results.glob("*/store.sqlite")):
        with Store.open_for_reading(path) as store:
            found |= {stored: path for stored in store.stored() if stored.startswith(key)}
    if len(found) != 1:
        what = "no stored trial has" if not found else f"{len(found)} stored trials have"
        raise UsageError(f"{what} a key that begins with {key!r} in {results}")
    (whole, path) = found.popitem()
    with Store.open_for_reading(path) as store:
        result = store.result(whole)
    assert result is not None
    return result


def need_plugins(trial: "Trial") -> None:
    """Refuse to train what was made with other plugins than those in use."""
    from bench import registry

    labels = {made.name: made.label for made in registry.used()}
    for label in filter(None, trial.plugins.split(",")):
        name = label.partition(":")[0]
        if name not in labels and not any(name in registry.offered(kind) for kind in ("task", "cell", "clip")):
            raise UsageError(f"trial {trial.key} was made with the plugin {label}: give its file by --plugin")
        if labels.get(name, label) != label:
            raise UsageError(f"trial {trial.key} was made with the plugin {label}: this file is {labels[name]}")


def _shown(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


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


def checked_workers(workers: int | None) -> int:
    """Return how many processes to use: as many as this process may use cores, unless said.

    Raises:
        UsageError: The number is out of range.
    """
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not 1 <= workers <= _MOST_WORKERS:
        raise UsageError(f"--workers must be a whole number from 1 to {_MOST_WORKERS}, not {workers}")
    return workers

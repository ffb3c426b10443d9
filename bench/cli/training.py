"""The command that trains a study, and functions that other commands use for training."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.ending import EXIT_SOME_FAILED, stopped_once
from longlag.cli.options import take_run_options, training_options
from longlag.cli.planning import study_of, with_lenses, within
from longlag.cli.shards import apart_options, command_words
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from longlag.plan.study import Study
    from longlag.run.run import RunOptions
    from longlag.store.results import StudyData
    from longlag.values.trial import Status

CHECKED = "checked-plugins.txt"
"""The file in a study's folder with the plugins whose contract was checked, as trials hold them."""


@click.command()
@apart_options
@training_options
def run(
    study: str | None,
    name: str | None,
    budget_minutes: float | None,
    lenses: tuple[str, ...],
    results: Path,
    shard: str | None,
    spool: Path | None,
    **options: Any,
) -> int:
    """Train the missing trials of STUDY, or of the grid that the options span; then print and draw the results.

    The same command again resumes. With a STUDY, options replace its values.
    """  # noqa: DOC501  (a command's help)
    from longlag.shards.file import shards_of

    if shard is not None and budget_minutes is not None:
        raise UsageError("--shard cannot go with --budget-minutes, which picks other seeds elsewhere; give --seeds")
    if shard is not None and spool is not None:
        raise UsageError("--shard cannot go with --spool: finished trials are in the shard at once")
    how = take_run_options(options)
    with_options = with_lenses(study_of(study, name, options), lenses)
    apart = Apart(shard, spool, command_words(click.get_current_context()))
    with _attached(how) as how:
        whole = within(with_options, how.workers, budget_minutes)
        ended = train_study(whole, results, how, apart)
    if shard is None:
        write_reports(whole.name, results)
    else:
        click.echo(f"share {shard} is in {shards_of(whole.name, results)}; longlag merge unites the shards", err=True)
    missing = sum(count for status, count in ended.items() if not status.is_result)
    return EXIT_SOME_FAILED if missing else 0


@contextmanager
def _attached(how: "RunOptions") -> "Iterator[RunOptions]":
    """Attach to the cluster, if one is given; the number of workers is the cluster's."""
    if how.cluster is None:
        yield how
        return
    from longlag.run.engines.cluster import attached

    with attached(how.cluster) as slots:
        yield replace(how, workers=slots)


@dataclass(frozen=True)
class Apart:
    """The destinations of finished trials other than the store.

    Attributes:
        shard: The share to train into a shard, ``NUMBER/COUNT``; None to train all trials into the store.
        spool: A folder in which workers also keep finished trials.
        command: The command's words, which a shard records.
    """

    shard: str | None = None
    spool: Path | None = None
    command: Sequence[str] = ()


def train_study(study: "Study", results: Path, how: "RunOptions", apart: Apart = Apart()) -> "Counter[Status]":
    """Train the missing trials of a study, or of a share of it, and show progress; return the counts of statuses.

    Args:
        study: The study to train, with its lenses.
        results: The folder of all studies.
        how: The options of training.
        apart: The destinations of finished trials other than the store.

    Raises:
        UsageError: The study cannot be trained here, or a plugin breaks a rule; nothing was written.
        StoreError: The store or the shard cannot be used, or the spool lacks trials; finished trials are kept.
    """
    from longlag.cli.progress import Progress
    from longlag.run.run import run as run_study
    from longlag.run.shard import run_shard
    from longlag.shards.header import Header, Share
    from longlag.shards.spool import Spool

    share = None if apart.shard is None else Share.read(apart.shard)
    if not how.unchecked:
        check_plugins(study, results)
    header = Header.of(study, apart.command, share) if share or apart.spool else None
    kept = Spool(apart.spool, header) if apart.spool and header else None
    if kept:
        kept.check()
    how = replace(how, retrain=replace(how.retrain, lenses=study.lenses), spool=kept)
    with stopped_once(), Progress(how.workers) as progress:
        if share and header:
            return run_shard(study, results, share, header, how, progress)
        ended = run_study(study, results, how, progress)
    if kept and kept.faults:
        raise StoreError(f"{len(kept.faults)} trials are stored, but not in the spool: {kept.faults[0]}")
    return ended


def check_plugins(study: "Study", results: Path) -> None:
    """Run the short check of plugins that are new to a study or have changed, and record them beside its store.

    Raises:
        UsageError: A plugin breaks a rule; nothing was written.
    """
    trials = study.trials()
    if not any(trial.plugins for trial in trials):
        return
    from longlag.checks.short import refuse_broken, used_by
    from longlag.run.plan import check

    check(study)
    path = results / study.name / CHECKED
    met = set(path.read_text(encoding="utf-8-sig").split()) if path.is_file() else set[str]()
    used = used_by(trials)
    for label in sorted(used.keys() - met):
        refuse_broken(*used[label])
    if not used.keys() <= met:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{label}\n" for label in sorted(met | used.keys())), encoding="utf-8")


def write_reports(name: str, results: Path) -> None:
    """Print a study's summary and write its tables, figures and page, except those that are up to date."""
    from longlag.report.text.files import write_tables
    from longlag.report.text.terminal import render_text
    from longlag.store.results import load_study

    data = load_study(name, results, verify=False)  # the run has looked for damage
    click.echo(render_text(data))
    written = write_tables(data, results / name) + figures_of(data, results / name)
    click.echo(f"{len(written)} files in {results / name / 'tables'} and {results / name / 'figures'}", err=True)
    name_transfer(name, results)
    click.echo(f"to look at: {page_of(data, results)}", err=True)


def page_of(data: "StudyData", results: Path) -> Path:
    """Return the file of a study's page, written again unless it is up to date."""
    from longlag.cli.reports.beside import kept
    from longlag.report.page import stamp

    path, others = results / data.name / stamp.FILE, kept([data], results)
    if not stamp.stands(stamp.digest_of([data], static=False, beside=others.digest), path):
        from longlag.report.page.page import write  # loads what draws, which takes a second

        write([data], results, path, kept=others)
    return path


def figures_of(data: "StudyData", folder: Path) -> list[Path]:
    """Return the files of a study's figures, drawn again unless they are up to date."""
    from longlag.report import drawn

    digest, target = drawn.digest_of(data), folder / "figures"
    if (standing := drawn.standing(digest, target)) is not None:
        return standing
    from longlag.report.figures.all import draw_figures  # importing it takes a second

    written = draw_figures(data, folder)
    drawn.note(digest, target, written)
    return written


def name_transfer(name: str, results: Path) -> None:
    """Print the file with the errors at other distances, if there are any."""
    path = results / name / "tables" / "transfer.md"
    if path.is_file():
        click.echo(f"errors at other distances: {path}", err=True)

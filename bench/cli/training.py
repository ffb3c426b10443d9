"""The command that trains a study, and what other commands train with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.ending import EXIT_SOME_FAILED
from longlag.cli.planning import (
    TIMEOUT_SECONDS,
    as_bytes,
    checked_timeout,
    checked_workers,
    study_of,
    training_options,
    with_lenses,
    within,
)
from longlag.cli.shards import apart_options, command_words
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from longlag.plan.study import Study
    from longlag.store.results import StudyData
    from longlag.values.trial import Status

CHECKED = "checked-plugins.txt"
"""In a study's folder: the plugins whose contract was checked, as trials hold them."""


@click.command()
@apart_options
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
    lenses: tuple[str, ...],
    unchecked: bool,
    audit: str,
    results: Path,
    shard: str | None,
    spool: Path | None,
    **options: Any,
) -> int:
    """Train what is missing of STUDY, or of the grid that the options span; then print and draw what came out.

    The same command again resumes. With a STUDY, options replace its values.
    """
    from longlag.shards.file import shards_of

    workers, timeout = checked_workers(workers), checked_timeout(timeout)
    if shard is not None and budget_minutes is not None:
        raise UsageError("--shard cannot go with --budget-minutes: other machines would cut other seeds; give --seeds")
    if shard is not None and spool is not None:
        raise UsageError("--shard cannot go with --spool: what is finished is in the shard at once")
    found = with_lenses(within(study_of(study, name, options), workers, budget_minutes), lenses)
    ended = train_study(
        found,
        results,
        workers=workers,
        timeout_seconds=timeout,
        fresh=fresh,
        memory=as_bytes(memory),
        keep_networks=keep_networks,
        unchecked=unchecked,
        shard=shard,
        spool=spool,
        command=command_words(click.get_current_context()),
        audit=audit,
    )
    if shard is None:
        write_reports(found.name, results)
    else:
        click.echo(f"share {shard} is in {shards_of(found.name, results)}; longlag merge unites the shards", err=True)
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
    shard: str | None = None,
    spool: Path | None = None,
    command: "Sequence[str]" = (),
    audit: str = "evaluations",
) -> "Counter[Status]":
    """Train what is missing of a study, or of a share of it, showing progress; return how its trials ended.

    Args:
        study: What to train.
        results: The folder of all studies.
        workers: Processes.
        timeout_seconds: The longest that a cohort may take.
        fresh: Train again what other source code made.
        memory: Bytes that a worker may take for a cohort.
        keep_networks: Keep each network beside its row.
        unchecked: Do not check the contract of plugins.
        audit: How often compiled clips are held against their promise: ``evaluations`` or ``every``.
        shard: The share to train, ``NUMBER/COUNT``; by default all, into the store.
        spool: A folder in which workers keep what they finish as well.
        command: The command's words, which a shard says of itself.

    Raises:
        UsageError: The study names something impossible, or a plugin that breaks a rule; nothing was written.
        StoreError: The store or the shard cannot be used, or the spool did not take all; what was finished is kept.
    """
    from longlag.cli.progress import Progress
    from longlag.run.plan import Retrain
    from longlag.run.run import RunOptions
    from longlag.run.run import run as run_study
    from longlag.run.shard import run_shard
    from longlag.shards.header import Header, Share
    from longlag.shards.spool import Spool

    share = None if shard is None else Share.read(shard)
    if not unchecked:
        check_plugins(study, results)
    header = Header.of(study, command, share) if share or spool else None
    kept = Spool(spool, header) if spool and header else None
    if kept:
        kept.check()
    with Progress(workers) as progress:
        options = RunOptions(
            workers,
            timeout_seconds,
            memory,
            Retrain(fresh, keep_networks, study.lenses),
            unchecked,
            kept,
            audit == "every",
        )
        if share and header:
            return run_shard(study, results, share, header, options, progress)
        ended = run_study(study, results, options, progress)
    if kept and kept.faults:
        raise StoreError(f"{len(kept.faults)} trials are stored, but not in the spool: {kept.faults[0]}")
    return ended


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
    met = set(path.read_text(encoding="utf-8-sig").split()) if path.is_file() else set[str]()
    used = used_by(trials)
    for label in sorted(used.keys() - met):
        refuse_broken(*used[label])
    if not used.keys() <= met:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{label}\n" for label in sorted(met | used.keys())), encoding="utf-8")


def write_reports(name: str, results: Path) -> None:
    """Print a study's summary and write its tables, figures and page; what stands as it would be is left alone."""
    from longlag.report.text.tables import write_tables
    from longlag.report.text.terminal import render_text
    from longlag.store.results import load_study

    data = load_study(name, results, verify=False)  # the run has looked for damage
    click.echo(render_text(data))
    written = write_tables(data, results / name) + figures_of(data, results / name)
    click.echo(f"{len(written)} files in {results / name / 'tables'} and {results / name / 'figures'}", err=True)
    name_transfer(name, results)
    click.echo(f"to look at: {page_of(data, results)}", err=True)


def page_of(data: "StudyData", results: Path) -> Path:
    """Return the file of a study's page, made where it does not stand as it would be made."""
    from longlag.report.page import stamp

    path = results / data.name / stamp.FILE
    if not stamp.stands(stamp.digest_of([data], static=False), path):
        from longlag.report.page.page import write  # loads what draws, which takes a second

        write([data], results, path)
    return path


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

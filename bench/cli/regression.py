"""Commands that hold a study's results against accepted ones."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import name_of, plugin_option, results_option, study_argument
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.plan.study import Study
    from longlag.regression.judge.entries import Entry
    from longlag.regression.judge.verdict import Confirm
    from longlag.regression.show.report import Invariant, Report

_KINDS = {"markdown": "a Markdown summary", "junit": "JUnit XML", "json": "JSON"}

baseline_option = click.option(
    "--baseline",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Baseline.  [default: RESULTS/reference/STUDY.json, else the package's own]",
)


def _files(command: Callable[..., Any]) -> Callable[..., Any]:
    for kind, what in reversed(_KINDS.items()):
        command = click.option(
            f"--{kind}", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=f"Write {what}."
        )(command)
    return command


@click.group()
def baseline() -> None:
    """Accept what a study's results are held against."""


@baseline.command()
@study_argument()
@click.option("--reason", required=True, metavar="TEXT", help="Why, in one line; kept in the file.")
@baseline_option
@plugin_option
@results_option
def accept(study: str, reason: str, file: Path | None, results: Path) -> None:
    """Accept the stored results of STUDY as its baseline: at least 50 seeds, finished, made by the present source."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from longlag.cli.planning import checked_workers
    from longlag.process import provenance
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.judge.entries import current
    from longlag.store.results import load_study
    from longlag.values.rules import word

    told = word(reason, "--reason")
    path = _own(study, file, results)
    entries = current(load_study(study, results), provenance.source_hash(), accepted.training_command(study))
    accepted.checked(entries, study)
    _need_plugins(entries)
    before = accepted.read(path, study).accepted if path.exists() else ()
    entries = _measured(entries, checked_workers(None))
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    new = accepted.Acceptance(when, told, version("longlag"), entries[0].sources[0], accepted.summary_of(entries))
    made = accepted.Baseline(study, tuple(entries), (*before, new))
    accepted.write(made, path)
    click.echo(f"{path}: {len(entries)} entries, {len(made.seeds)} seeds, baseline {made.hash}")


@click.command()
@study_argument(required=False)
@click.option("--no-confirm", is_flag=True, help="Train nothing: what looks worse is inconclusive.")
@click.option("--strict", is_flag=True, help="Exit with 5 where something is inconclusive.")
@click.option("--self-test", is_flag=True, help="Measure the procedure's false alarms and power on stored outcomes.")
@click.option("--workers", type=int, help="Processes of the confirmation and the self-test.  [default: all cores]")
@_files
@baseline_option
@plugin_option
@results_option
def check(
    study: str | None,
    no_confirm: bool,
    strict: bool,
    self_test: bool,
    workers: int | None,
    file: Path | None,
    results: Path,
    **written: Path | None,
) -> int:
    """Say whether STUDY's stored results are worse than its baseline; the exit code is the verdict.

    Run it after `longlag run STUDY --fresh`. 0: no regression, 1: regressed, 2: not comparable, 5: inconclusive, with
    --strict. What looks worse is trained again on 30 fresh seeds, which alone decide.
    """
    from longlag.cli.planning import checked_workers
    from longlag.process import provenance
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.judge.entries import current
    from longlag.regression.judge.verdict import confirmation_seeds, decide
    from longlag.regression.show.render import render_text
    from longlag.regression.show.report import Report
    from longlag.store.results import load_study

    if self_test:
        return _self_test(study or "ci", file, results, checked_workers(workers))
    if study is None:
        raise UsageError("check needs a STUDY: longlag check ci")
    _need_folders(written)
    workers = checked_workers(workers)
    against = accepted.read(_path(study, file, results), study)
    entries = current(load_study(study, results), provenance.source_hash(), f"longlag run {study} --fresh")
    _need_plugins(entries)
    entries = _measured(entries, workers)
    invariants = _invariants(entries)
    confirms = not no_confirm and all(rule.holds for rule in invariants)
    confirm = _confirmation(study, results, workers) if confirms else None
    verdicts = decide(against.entries, entries, confirm, confirmation_seeds(against.hash, against.seeds))
    report = Report(study, against, tuple(verdicts), invariants, strict, confirms)
    click.echo(render_text(report), nl=False)
    for path in _write(report, written, results):
        click.echo(path, err=True)
    return report.exit_code


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@results_option
def compare(before: str, after: str, as_json: bool, results: Path) -> None:
    """Hold B against A: the statistics of `check`, no verdict. Each is a study, a store's file or a baseline's file."""
    from longlag.regression.judge.matching import matched
    from longlag.regression.show.formats import comparisons_json
    from longlag.regression.show.render import render_comparisons

    pairs = matched(_side(before, results), _side(after, results))
    click.echo(comparisons_json(pairs) if as_json else render_comparisons(pairs), nl=False)


@click.command()
@study_argument()
@baseline_option
@results_option
def history(study: str, file: Path | None, results: Path) -> None:
    """Print what was accepted when, why and by which version, and the checks since; draw how entries moved."""
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.show.history import draw, read, render

    against = accepted.read(_path(study, file, results), study)
    checks = read(results / study)
    click.echo(render(against, checks), nl=False)
    folder = results / study / "history"
    folder.mkdir(parents=True, exist_ok=True)
    for path in draw(against, checks).save(folder, "trend"):
        click.echo(path, err=True)


def _self_test(study: str, file: Path | None, results: Path, workers: int) -> int:
    """Count what the procedure says of stored outcomes: 0 where it does what it promises, else 1."""
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.selftest import self_test
    from longlag.regression.selftest.plants import PLANTS
    from longlag.regression.selftest.pool import read_outcomes

    entries = accepted.read(_path(study, file, results), study).entries
    outcomes = read_outcomes(_or_shipped(results / "reference" / f"{study}-outcomes.csv.gz"))
    harmful = {name: plant.worse for name, plant in PLANTS.items()}
    found = self_test.self_test(entries, outcomes, harmful, workers=workers)
    click.echo(self_test.render(found, {name: plant.what for name, plant in PLANTS.items()}), nl=False)
    return 1 if found.failures() else 0


def _own(study: str, file: Path | None, results: Path) -> Path:
    """Return where a study's baseline is written."""
    from longlag.plan.grid import checked_name

    return file or results / "reference" / f"{checked_name(study)}.json"


def _path(study: str, file: Path | None, results: Path) -> Path:
    """Return the baseline that a study is held against: its own or, where it has none, the one in the package."""
    own = _own(study, file, results)
    return own if file is not None else _or_shipped(own)


def _or_shipped(own: Path) -> Path:
    """Return a file of ``results/reference``; where it does not exist, its namesake that comes with the package."""
    from importlib.resources import files

    shipped = Path(str(files("longlag.reference") / own.name))
    return shipped if shipped.is_file() and not own.exists() else own


def _need_folders(written: Mapping[str, Path | None]) -> None:
    for kind, path in written.items():
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"--{kind} {path}: there is no folder {path.parent}")


def _side(word: str, results: Path) -> "list[Entry]":
    from longlag.regression.judge import baseline
    from longlag.regression.judge.entries import entries_of
    from longlag.store.results import load_store, load_study

    if word.endswith(".json"):
        return list(baseline.read(Path(word)).entries)
    data = load_store(Path(word)) if word.endswith(".sqlite") else load_study(name_of(word), results)
    return entries_of(data.trials)


def _invariants(entries: "Sequence[Entry]") -> "tuple[Invariant, ...]":
    from longlag.regression.judge.invariants import check_invariants
    from longlag.regression.show.report import Invariant

    found = check_invariants([entry.setting for entry in entries])
    return tuple(Invariant(finding.rule, bool(finding.ok), finding.detail) for finding in found)


def _measured(entries: "Sequence[Entry]", workers: int) -> "list[Entry]":
    """Return the entries with the memory that a gradient of theirs takes on this machine, so many measured at once."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace

    from longlag import registry
    from longlag.perf.memory import trial_bytes
    from longlag.regression.judge.entries import MEMORY_SEQUENCES

    files = [made.path for made in registry.used()]
    with ThreadPoolExecutor(workers) as pool:  # each waits for a process of its own
        found = pool.map(lambda one: trial_bytes(one.setting, files, MEMORY_SEQUENCES), entries)
        return [replace(entry, memory_bytes=taken) for entry, taken in zip(entries, found, strict=True)]


def _need_plugins(entries: "Sequence[Entry]") -> None:
    """Refuse to judge what was made with other plugins than those in use, or without them."""
    from longlag.cli.rerun import need_plugins

    for entry in entries:
        need_plugins(entry.setting)


def _confirmation(study: str, results: Path, workers: int) -> "Confirm":
    """Return what trains fresh seeds of flagged entries, as a study beside the one that is checked."""
    from longlag.cli.training import train_study
    from longlag.regression.judge.entries import entries_of
    from longlag.store.results import load_study

    def confirm(flagged: "Sequence[Entry]", seeds: Sequence[int]) -> "Sequence[Entry]":
        what = "entry looks" if len(flagged) == 1 else "entries look"
        click.echo(f"{len(flagged)} {what} worse: training each on {len(seeds)} fresh seeds", err=True)
        plan = _plan_of(f"{study}.confirm", flagged, seeds)
        train_study(plan, results, workers=workers, fresh=True)
        return entries_of(load_study(plan.name, results).trials)

    return confirm


def _plan_of(name: str, entries: "Sequence[Entry]", seeds: Sequence[int]) -> "Study":
    """Return a study of a few entries at some seeds."""
    from dataclasses import fields

    from longlag.plan.grid import SPANNED, Grid
    from longlag.plan.study import Study
    from longlag.values.trial import Trial

    shared = {item.name for item in fields(Grid)} & {item.name for item in fields(Trial)}
    grids = []
    for entry in entries:
        values = {key: getattr(entry.setting, key) for key in shared}
        axes = {key: (values[key],) for key in SPANNED}
        grids.append(Grid(**(values | axes), seeds=tuple(seeds)))
    return Study(name, "Fresh seeds of entries that looked worse", tuple(grids))


def _write(report: "Report", written: Mapping[str, Path | None], results: Path) -> list[Path]:
    """Write what was asked for, the figure, and a line for the history."""
    from longlag.regression.show.figure import draw_report
    from longlag.regression.show.formats import as_json, as_junit
    from longlag.regression.show.history import note
    from longlag.regression.show.render import render_markdown

    paths = []
    for kind, render in {"markdown": render_markdown, "junit": as_junit, "json": as_json}.items():
        path = written[kind]
        if path is not None:
            path.write_text(render(report), encoding="utf-8")
            paths.append(path)
    folder = results / report.study
    note(report, folder)
    (folder / "check").mkdir(exist_ok=True)
    return paths + draw_report(report).save(folder / "check", "effects")

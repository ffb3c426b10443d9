"""Commands that hold a study's results against accepted ones."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import name_of, plugin_option, results_option, study_argument
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.regression.judge.baseline import Baseline
    from longlag.regression.judge.commands import Commands
    from longlag.regression.judge.entries import Entry
    from longlag.regression.show.report import Invariant, Report
    from longlag.store.results import StudyData

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


@click.group(no_args_is_help=False)
def baseline() -> None:
    """Accept what a study's results are held against."""


@baseline.command()
@click.argument("study")
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
    from longlag.regression.judge.commands import USUAL_SEEDS
    from longlag.regression.judge.entries import current, source_of
    from longlag.store.results import load_study
    from longlag.values.rules import word

    told = word(reason, "--reason")
    again, study = _commands(study, file, results).run(USUAL_SEEDS), name_of(study)
    path = _own(study, file, results)
    entries = current(_known(load_study(study, results)), provenance.source_hash(), again)
    accepted.checked(entries, study, again)
    _need_plugins(entries)
    before = accepted.read(path, study).accepted if path.exists() else ()
    entries = _measured(entries, checked_workers(None))
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    new = accepted.Acceptance(when, told, version("longlag"), source_of(entries), accepted.summary_of(entries))
    made = accepted.Baseline(study, tuple(entries), (*before, new))
    accepted.write(made, path)
    click.echo(f"{path}: {len(entries)} entries, {len(made.seeds)} seeds, baseline {made.hash}")


@click.command()
@click.argument("study", required=False)
@click.option("--margin", type=int, metavar="POINTS", help="Drop of the solved share that `same` must exclude, in %.")
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
    margin: int | None,
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
    --strict. What looks worse is trained again on 30 fresh seeds, which alone decide. With --margin what has not
    enough seeds to exclude such a drop is trained on as many fresh ones as that takes.
    """
    from longlag.cli.confirmation import confirmation
    from longlag.cli.planning import checked_workers
    from longlag.process import provenance
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.judge.entries import current
    from longlag.regression.judge.procedure import CONFIRM_SEEDS, MOST_FRESH_SEEDS, confirmation_seeds, decide
    from longlag.regression.judge.verdict import without_trust
    from longlag.regression.show.render import render_text
    from longlag.regression.show.report import Report
    from longlag.store.results import load_study

    if self_test:
        return _self_test(study or "ci", file, results, checked_workers(workers))
    if study is None:
        raise UsageError("check needs a STUDY: longlag check ci")
    _need_folders(written)
    if margin is not None and not 1 <= margin <= 99:
        raise UsageError(f"--margin {margin} must be from 1 to 99 percentage points")
    workers = checked_workers(workers)
    commands, study = _commands(study, file, results), name_of(study)
    against = accepted.read(_path(study, file, results), study, commands)
    entries = current(_known(load_study(study, results)), provenance.source_hash(), commands.run())
    _need_plugins(entries)
    entries = _measured(entries, workers)
    invariants = _invariants(entries)
    confirms = not no_confirm and all(rule.holds for rule in invariants)
    confirm = confirmation(study, results, workers) if confirms else None
    count = CONFIRM_SEEDS if margin is None else MOST_FRESH_SEEDS
    seeds = confirmation_seeds(against.hash, _taken(against, entries), count)
    verdicts = decide(against.entries, entries, confirm, seeds, None if margin is None else margin / 100)
    if not all(rule.holds for rule in invariants):
        verdicts = without_trust(verdicts)
    report = Report(study, against, tuple(verdicts), invariants, strict, confirms, margin, commands)
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


def _known(study: "StudyData") -> "StudyData":
    """Return a study whose rows tell by their source alone whether the present code made them.

    Rows of plugins whose code no hash covers lose their fingerprint: they may be like the baseline to the last digit
    and yet be made by other code, so that they are never unchanged without a test.
    """
    import json
    from dataclasses import replace

    import numpy as np

    from longlag.process import provenance

    rows = study.trials
    environments = [json.loads(environment) for environment in rows["environment"]]
    present = [
        bool(environment.keys() & {provenance.LATER, provenance.UNHASHED})
        and provenance.is_present(source, environment)
        for source, environment in zip(rows["source"].tolist(), environments, strict=True)
    ]
    unhashed = [provenance.UNHASHED in environment for environment in environments]
    sources = rows["source"].mask(np.array(present, dtype=bool), provenance.source_hash())
    marks = rows["fingerprint"].mask(np.array(unhashed, dtype=bool))
    return replace(study, trials=rows.assign(source=sources, fingerprint=marks))


def _self_test(study: str, file: Path | None, results: Path, workers: int) -> int:
    """Count what the procedure says of stored outcomes: 0 where it does what it promises, else 1."""
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.selftest import self_test
    from longlag.regression.selftest.plants import PLANTS
    from longlag.regression.selftest.pool import read_outcomes
    from longlag.regression.selftest.render import render

    entries = accepted.read(_path(study, file, results), study).entries
    outcomes = read_outcomes(_or_shipped(results / "reference" / f"{study}-outcomes.csv.gz"))
    harmful = {name: plant.worse for name, plant in PLANTS.items()}
    found = self_test.self_test(entries, outcomes, harmful, workers=workers)
    click.echo(render(found, {name: plant.what for name, plant in PLANTS.items()}), nl=False)
    return 1 if found.failures() else 0


def _commands(study: str, file: Path | None, results: Path) -> "Commands":
    """Return the commands to suggest to who gave these arguments and the plugins in use."""
    from longlag import registry
    from longlag.regression.judge.commands import Commands

    plugins = dict.fromkeys(_as_typed(made.path) for made in registry.used())
    folder = "" if results == Path("results") else str(results)
    return Commands(study, tuple(plugins), folder, "" if file is None else str(file))


def _as_typed(path: str) -> str:
    """Return a path from the present folder, where it lies in there."""
    whole, here = Path(path), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else path


def _taken(against: "Baseline", entries: "Sequence[Entry]") -> list[int]:
    """Return the seeds that are not fresh: those of the baseline, and any others of what is checked."""
    return [*against.seeds, *(outcome.seed for entry in entries for outcome in entry.outcomes)]


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

    counts = [(entry.solved, entry.n) for entry in entries if entry.n]
    found = check_invariants([entry.setting for entry in entries], counts)
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
    """Refuse to judge what was made with other plugins than those in use, or without them, or on other data."""
    from longlag.cli.rerun import need_plugins
    from longlag.run.engines.worker import need_data

    for entry in entries:
        need_plugins(entry.setting)
        need_data(entry.setting)


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

"""The command that checks whether a study's results are worse than its baseline."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli import baselines
from longlag.cli.options import name_of, need_study, plugin_option, results_option, subject_of
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.regression.judge.baseline import Baseline
    from longlag.regression.judge.entries import Entry
    from longlag.regression.show.report import Invariant, Report

_KINDS = {"markdown": "a Markdown summary", "junit": "JUnit XML", "json": "JSON"}


def _files(command: Callable[..., Any]) -> Callable[..., Any]:
    for kind, what in reversed(_KINDS.items()):
        command = click.option(
            f"--{kind}", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=f"Write {what}."
        )(command)
    return command


@click.command()
@click.argument("study", required=False)
@click.option("--margin", type=int, metavar="POINTS", help="Drop of the solved share that `same` must exclude, in %.")
@click.option("--no-confirm", is_flag=True, help="Train nothing: entries that look worse are inconclusive.")
@click.option("--strict", is_flag=True, help="Exit with 5 if an entry is inconclusive.")
@click.option("--self-test", is_flag=True, help="Measure the procedure's false alarms and power on stored outcomes.")
@click.option("--workers", type=int, help="Processes of the confirmation and the self-test.  [default: all cores]")
@_files
@baselines.baseline_option
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
    """Check whether STUDY's stored results are worse than its baseline; the exit code is the verdict.

    Run it after `longlag run STUDY --fresh`. 0: no regression, 1: regressed, 2: not comparable, 5: inconclusive, with
    --strict. Entries that look worse are trained on 30 fresh seeds, which alone decide. With --margin entries that have
    too few seeds to exclude such a drop are trained on as many fresh ones as needed.
    """  # noqa: DOC501  (a command's help)
    from longlag.cli.confirmation import confirmation
    from longlag.cli.options import checked_workers
    from longlag.process import provenance
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.judge.entries import current
    from longlag.regression.judge.procedure import CONFIRM_SEEDS, MOST_FRESH_SEEDS, confirmation_seeds, decide
    from longlag.regression.judge.verdict import without_trust
    from longlag.regression.show.render import render_text
    from longlag.regression.show.report import Report

    if self_test:
        return _self_test(study or "ci", file, results, checked_workers(workers))
    if study is None:
        raise UsageError("check needs a STUDY: longlag check ci")
    _need_folders(written)
    if margin is not None and not 1 <= margin <= 99:
        raise UsageError(f"--margin {margin} must be from 1 to 99 percentage points")
    workers = checked_workers(workers)
    subject_of(study)  # first, so that an unreadable file is reported rather than a missing baseline of its name
    commands, given, study = baselines.commands_for(study, file, results), study, name_of(study)
    place = baselines.baseline_path(study, file, results)
    if file is None and given == study and not place.is_file():
        need_study(study, results)
    against = accepted.read(place, study, commands)
    entries = current(baselines.judged(given, results), provenance.source_hash(), commands.run())
    baselines.need_origins(entries)
    entries = baselines.measured(entries, workers)
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


def _self_test(study: str, file: Path | None, results: Path, workers: int) -> int:
    """Run the procedure on stored outcomes; return 0 if its error rates are as promised, else 1."""
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.selftest import self_test
    from longlag.regression.selftest.plants import PLANTS
    from longlag.regression.selftest.pool import read_outcomes
    from longlag.regression.selftest.render import render

    entries = accepted.read(baselines.baseline_path(study, file, results), study).entries
    outcomes = read_outcomes(baselines.or_shipped(results / "reference" / f"{study}-outcomes.csv.gz"))
    harmful = {name: plant.worse for name, plant in PLANTS.items()}
    outcome = self_test.self_test(entries, outcomes, harmful, workers=workers)
    click.echo(render(outcome, {name: plant.what for name, plant in PLANTS.items()}), nl=False)
    return 1 if outcome.failures() else 0


def _taken(against: "Baseline", entries: "Sequence[Entry]") -> list[int]:
    """Return the seeds that are not fresh: those of the baseline and of the checked entries."""
    return [*against.seeds, *(outcome.seed for entry in entries for outcome in entry.outcomes)]


def _need_folders(written: Mapping[str, Path | None]) -> None:
    for kind, path in written.items():
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"--{kind} {path}: there is no folder {path.parent}")


def _invariants(entries: "Sequence[Entry]") -> "tuple[Invariant, ...]":
    from longlag.regression.judge.invariants import check_invariants
    from longlag.regression.show.report import Invariant

    counts = [(entry.solved, entry.n) for entry in entries if entry.n]
    findings = check_invariants([entry.setting for entry in entries], counts)
    return tuple(Invariant(finding.rule, bool(finding.ok), finding.detail) for finding in findings)


def _write(report: "Report", written: Mapping[str, Path | None], results: Path) -> list[Path]:
    """Write the requested formats, the figure and a line of the history."""
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

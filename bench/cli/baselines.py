"""Commands for baselines, and functions that `check` shares with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import name_of, need_study, plugin_option, results_option, subject_of

if TYPE_CHECKING:
    from longlag.regression.judge.commands import Commands
    from longlag.regression.judge.entries import Entry
    from longlag.store.results import StudyData

baseline_option = click.option(
    "--baseline",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Baseline.  [default: RESULTS/reference/STUDY.json, else the package's own]",
)


@click.group(no_args_is_help=False)
def baseline() -> None:
    """Accept the results against which a study is checked."""


@baseline.command()
@click.argument("study")
@click.option("--reason", required=True, metavar="TEXT", help="The reason, in one line; kept in the file.")
@baseline_option
@plugin_option
@results_option
def accept(study: str, reason: str, file: Path | None, results: Path) -> None:
    """Accept the stored results of STUDY as its baseline: at least 50 seeds, finished, made by the present source."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from longlag.cli.options import checked_workers
    from longlag.process import provenance
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.judge.commands import USUAL_SEEDS
    from longlag.regression.judge.entries import current, source_of
    from longlag.values.rules import word

    line = word(reason, "--reason")
    again, stored = commands_for(study, file, results).run(USUAL_SEEDS), judged(study, results)
    study = stored.name
    path = _own(study, file, results)
    entries = current(stored, provenance.source_hash(), again)
    accepted.checked(entries, study, again)
    need_origins(entries)
    before = accepted.read(path, study).accepted if path.exists() else ()
    entries = measured(entries, checked_workers(None))
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    new = accepted.Acceptance(when, line, version("longlag"), source_of(entries), accepted.summary_of(entries))
    made = accepted.Baseline(study, tuple(entries), (*before, new))
    accepted.write(made, path)
    click.echo(f"{path}: {len(entries)} entries, {len(made.seeds)} seeds, baseline {made.hash}")


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugin_option
@results_option
def compare(before: str, after: str, as_json: bool, results: Path) -> None:
    """Compare B with A by the statistics of `check`, without a verdict.

    Each is a study, by its name or its file, a store's file or a baseline's file.
    """
    from longlag.regression.judge.matching import matched
    from longlag.regression.show.formats import comparisons_json
    from longlag.regression.show.render import render_comparisons

    pairs = matched(_side(before, results), _side(after, results))
    click.echo(comparisons_json(pairs) if as_json else render_comparisons(pairs), nl=False)


@click.command()
@click.argument("study")
@baseline_option
@plugin_option
@results_option
def history(study: str, file: Path | None, results: Path) -> None:
    """Print a baseline's acceptances and checks, with times, reasons and versions; draw its entries over time.

    If STUDY is a file, only the entries of that file are shown.
    """
    from longlag.regression.judge import baseline as accepted
    from longlag.regression.show.history import draw, of_trials, read, render

    meant, name = subject_of(study), name_of(study)
    place = baseline_path(name, file, results)
    if file is None and isinstance(meant, str) and not place.is_file():
        need_study(name, results)
    against = accepted.read(place, name)
    accepted_before, checks = against.accepted, tuple(read(results / name))
    if not isinstance(meant, str):
        accepted_before, checks = of_trials(accepted_before, meant.trials()), of_trials(checks, meant.trials())
    click.echo(render(against, accepted_before, checks), nl=False)
    folder = results / name / "history"
    folder.mkdir(parents=True, exist_ok=True)
    for path in draw(name, accepted_before, checks).save(folder, "trend"):
        click.echo(path, err=True)


def judged(study: str, results: Path) -> "StudyData":
    """Load the trials to judge: those of the last run of a named study, or those of a study's file.

    If a file was last run with more seeds than it has (``--seeds``), all of these are judged.

    Raises:
        UsageError: The file is refused, or nothing is stored under its name.
        StoreError: The store cannot be used.
    """
    from longlag.store.results import load_study

    meant = subject_of(study)
    if not isinstance(meant, str):
        ran = load_study(meant.name, results).plan
        more = meant.replaced(seeds=ran["seed"].nunique())
        if {trial.key for trial in meant.trials()} <= {trial.key for trial in more.trials()} == set(ran["key"]):
            meant = more
    return known(load_study(meant, results))


def known(study: "StudyData") -> "StudyData":
    """Return a study whose source hashes alone show whether the present code made the rows.

    Rows of plugins whose code no hash covers lose their fingerprint: other code may have made them even if they equal
    the baseline to the last digit, so that they always need a test.
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


def commands_for(study: str, file: Path | None, results: Path) -> "Commands":
    """Return the commands to suggest, with the given arguments and the plugins in use."""
    from longlag import registry
    from longlag.regression.judge.commands import Commands

    plugins = dict.fromkeys(_as_typed(made.path) for made in registry.used())
    folder = "" if results == Path("results") else str(results)
    return Commands(study, tuple(plugins), folder, "" if file is None else str(file))


def _as_typed(path: str) -> str:
    """Return a path relative to the working directory, if it lies in it."""
    whole, here = Path(path), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else path


def _own(study: str, file: Path | None, results: Path) -> Path:
    """Return the file to which a study's baseline is written."""
    from longlag.plan.grid import checked_name

    return file or results / "reference" / f"{checked_name(study)}.json"


def baseline_path(study: str, file: Path | None, results: Path) -> Path:
    """Return the file of a study's baseline: its own or, if it has none, the one in the package."""
    own = _own(study, file, results)
    return own if file is not None else or_shipped(own)


def or_shipped(own: Path) -> Path:
    """Return a file of ``results/reference``, or, if it does not exist, the package's file of that name."""
    from importlib.resources import files

    shipped = Path(str(files("longlag.reference") / own.name))
    return shipped if shipped.is_file() and not own.exists() else own


def _side(word: str, results: Path) -> "list[Entry]":
    from longlag.regression.judge import baseline
    from longlag.regression.judge.entries import entries_of
    from longlag.store.results import load_store, load_study

    if word.endswith(".json"):
        return list(baseline.read(Path(word)).entries)
    data = load_store(Path(word)) if word.endswith(".sqlite") else load_study(subject_of(word), results)
    return entries_of(data.trials)


def measured(entries: "Sequence[Entry]", workers: int) -> "list[Entry]":
    """Return entries with the memory of a gradient on this machine; ``workers`` entries are measured at once."""
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace

    from longlag import registry
    from longlag.perf.memory import trial_bytes
    from longlag.regression.judge.entries import MEMORY_SEQUENCES

    files = [made.path for made in registry.used()]
    with ThreadPoolExecutor(workers) as pool:  # each waits for a process of its own
        measured_bytes = pool.map(lambda one: trial_bytes(one.setting, files, MEMORY_SEQUENCES), entries)
        return [replace(entry, memory_bytes=taken) for entry, taken in zip(entries, measured_bytes, strict=True)]


def need_origins(entries: "Sequence[Entry]") -> None:
    """Check that entries were made with the plugins in use and the present data.

    Raises:
        UsageError: An entry was made with other plugins or other data.
    """
    from longlag.cli.rerun import need_plugins
    from longlag.run.engines.cohort import need_data

    for entry in entries:
        need_plugins(entry.setting)
        need_data(entry.setting)

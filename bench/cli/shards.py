"""Options and commands for studies that many processes or machines train: shares, and merging them."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.ending import EXIT_CONFLICT, EXIT_SOME_FAILED
from longlag.cli.options import Command, name_of, plugin_option, results_option, subject_of
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.plan.study import Study
    from longlag.shards.gathering import Held
    from longlag.values.trial import Trial

_MOST_SHARES_LISTED, _MOST_FAULTS = 8, 5
_NOT_REPEATED = ("shard", "spool", "retry")


def apart_options(command: Command) -> Command:
    """Add ``--shard`` and ``--spool``, which let a run write its trials to a shard, or to a spool as well."""
    spool = click.Path(path_type=Path, file_okay=False)
    summary = "Train one of COUNT shares of the study, into a shard: see `longlag merge`."
    summary_of_spool = "Folder in which workers also keep finished trials."
    command = click.option("--spool", type=spool, metavar="DIR", help=summary_of_spool)(command)
    return click.option("--shard", metavar="NUMBER/COUNT", help=summary)(command)


def command_words(context: click.Context) -> list[str]:
    """Return the words of the given command, without the options for where its trials are written."""
    words = ["longlag", context.info_name or ""]
    for parameter in context.command.params:
        given = context.params.get(parameter.name or "")
        is_given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if not is_given or parameter.name in _NOT_REPEATED:
            continue
        if isinstance(parameter, click.Argument):
            words.append(str(given))
        elif given is True:
            words.append(parameter.opts[0])
        else:
            every = given if isinstance(given, tuple) else (given,)
            words += [word for one in every for word in (parameter.opts[0], str(one))]
    from longlag import registry

    return words + [word for plugin in registry.used() for word in ("--plugin", plugin.path)]


def _shards(command: Command) -> Command:
    """Add STUDY, SHARDS, ``--plugin`` and ``--results``."""
    places = click.argument("shards", nargs=-1, type=click.Path(path_type=Path))
    return click.argument("study")(places(plugin_option(results_option(command))))


@click.command()
@click.option("--require-same-processor", is_flag=True, help="Refuse results of several types of processor.")
@_shards
def merge(study: str, shards: tuple[Path, ...], require_same_processor: bool, results: Path) -> int:
    """Merge SHARDS of STUDY into its store, and print which trials are missing.

    SHARDS are files, or folders of them; by default those in the study's folder. Exits with 1 if a trial has several
    results, which are set aside, and with 3 if trials have none.
    """
    from longlag.shards.merge import merge as unite

    merged, held = _read(study, shards, results)
    done = unite(merged, held, results, require_same_processor)
    _print_faults(held)
    finished = len(merged.trials()) - len(done.missing)
    click.echo(
        f"study {merged.name}: {finished} of {len(merged.trials())} trials have results, {done.written} rows are new"
    )
    if len(done.processors) > 1:
        counted = ", ".join(f"{name} {count}" for name, count in sorted(done.processors.items()))
        click.echo(f"mixed processors: {counted}; between them the same trial may round differently")
    if done.conflicts:
        what = "1 trial has" if len(done.conflicts) == 1 else f"{len(done.conflicts)} trials have"
        conflict = f"{what} several results, such as {done.conflicts[0]}; none is stored, all are kept in {done.aside}"
        click.echo(f"{conflict}; merge the right shards alone once you have removed that file", err=True)
    _print_missing(merged, done.missing, held, done.statuses.total() - finished)
    if done.conflicts:
        return EXIT_CONFLICT
    return EXIT_SOME_FAILED if done.missing else 0


@click.command()
@_shards
def status(study: str, shards: tuple[Path, ...], results: Path) -> None:
    """Show the progress of SHARDS of STUDY; nothing is written.

    SHARDS are files, or folders of them; by default those in the study's folder.
    """
    from longlag.run.costs import expected_seconds
    from longlag.run.plan import MOST_FAILED_RUNS
    from longlag.run.shares import shares
    from longlag.shards.header import Share

    shared, held = _read(study, shards, results)
    counts = {Share.read(one.shard.header.share).count for one in held if one.shard.header.share}
    dealt = {count: shares(shared.trials(), count) for count in counts}
    click.echo(f"study     {shared.name}: {shared.title}")
    for one in held:
        lost = len(one.trials) - one.results
        given_up = sum(runs >= MOST_FAILED_RUNS for runs in one.runs_failed.values())
        notes = [f"{lost} failed"] if lost else []
        notes += [f"{given_up} of them in {MOST_FAILED_RUNS} runs and skipped until --retry"] if given_up else []
        notes += [f"{len(one.faults)} damaged"] if one.faults else []
        total_text = ""
        if one.shard.header.share:
            share = Share.read(one.shard.header.share)
            total_text = f" of {len(dealt[share.count][share.number - 1])}"
        click.echo(f"{'shard':9} {one.shard.path}: {', '.join([f'{one.results}{total_text} trials', *notes])}")
    finished = {key for one in held for key, trial in one.trials.items() if trial.is_result}
    missing = [trial for trial in shared.trials() if trial.key not in finished]
    total = sum(map(expected_seconds, shared.trials()))
    part = 1 - sum(map(expected_seconds, missing)) / total
    click.echo(f"together  {len(finished)} of {len(shared.trials())} trials, {part:.0%} of the expected cost")
    _print_faults(held)
    _print_missing(shared, missing, held, 0)


def _print_faults(held: "Sequence[Held]") -> None:
    for one in held:
        for line in one.faults[:_MOST_FAULTS]:
            click.echo(line, err=True)
        if (left := len(one.faults) - _MOST_FAULTS) > 0:
            click.echo(f"{one.shard.path}: {left} more lines are left out", err=True)


def _read(study: str, given: tuple[Path, ...], results: Path) -> "tuple[Study, list[Held]]":
    """Read shards; print those that are still empty.

    Raises:
        UsageError: There are no shards, or they do not belong to the study.
        StoreError: A shard cannot be read.
    """
    from longlag.plan.grid import checked_name
    from longlag.plan.study import Study
    from longlag.shards.file import shards_of
    from longlag.shards.gathering import read_shard, shards_in, study_of

    name, wanted = checked_name(name_of(study)), subject_of(study)
    folder = shards_of(name, results)
    if not given and not folder.is_dir():
        raise UsageError(f"there are no shards in {folder}: longlag run {study} --shard 1/N makes the first of N")
    shards, empty = shards_in(given or [folder])
    for line in empty:
        click.echo(line, err=True)
    shared = study_of(name, shards, wanted if isinstance(wanted, Study) else None)
    keys = {trial.key for trial in shared.trials()}
    return shared, [read_shard(shard, keys) for shard in shards]


def _print_missing(study: "Study", missing: "Sequence[Trial]", held: "Sequence[Held]", failed: int) -> None:
    """Print the number of trials without a result, and the commands that train them."""
    if not missing:
        return
    without = f", {failed} of them failed or timed out" if failed else ""
    click.echo(f"missing   {len(missing)} trials{without}, such as {missing[0].key}; commands that train them:")
    again = shlex.join(next((one.shard.header.command for one in held if one.shard.header.command), ["longlag", "run"]))
    for line in _of_shares(study, missing, held):
        click.echo(f"          {again} --shard {line}")
    click.echo(f"          {again}  # here, all of them, once the shards are merged")


def _of_shares(study: "Study", missing: "Sequence[Trial]", held: "Sequence[Held]") -> list[str]:
    """Return a line for each share with missing trials, or one line for many shares."""
    from longlag.run.shares import shares
    from longlag.shards.header import Share

    known = [Share.read(one.shard.header.share).count for one in held if one.shard.header.share]
    if not known:
        return []
    count = Counter(known).most_common(1)[0][0]
    keys = {trial.key for trial in missing}
    lost = {
        number: number_of
        for number, share in enumerate(shares(study.trials(), count), 1)
        if (number_of := sum(trial.key in keys for trial in share))
    }
    if len(lost) > _MOST_SHARES_LISTED:
        return [f"NUMBER/{count}  # NUMBER: {_ranges(lost)}"]
    return [f"{number}/{count}  # {number_of} trials" for number, number_of in lost.items()]


def _ranges(numbers: "Sequence[int] | dict[int, int]") -> str:
    """Return ascending numbers in the notation of job arrays.

    >>> _ranges([1, 2, 3, 7, 9, 10])
    '1-3,7,9-10'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)

"""Makes the study of a command line, and defines the command that shows its plan."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import MOST_SECONDS, take_run_options, training_options
from longlag.cli.shards import apart_options
from longlag.tasks.support.errors import UsageError

if TYPE_CHECKING:
    from longlag.plan.study import Study
    from longlag.run.plan import Plan


def study_of(name: str | None, new_name: str | None, options: dict[str, Any]) -> "Study":
    """Return the named study with values replaced by options, or an ad-hoc study of options alone.

    Raises:
        UsageError: There is no such study, or an option is refused.
    """
    from longlag.plan import files, study

    given = {key: value for key, value in options.items() if value is not None and value != ()}
    if name is not None:
        named = files.find(name).replaced(**given)
        return named if new_name is None else replace(named, name=new_name)
    if not given.keys() & {"task", "cell"}:
        raise UsageError(f"no study is named: give one of {', '.join(files.names())}, or --task and --cell")
    check_free(new_name)
    return study.adhoc(new_name, **given)


def check_free(name: str | None) -> None:
    """Check that an ad-hoc study is not stored under the name of a study file.

    Raises:
        UsageError: A file has the name.
    """
    from longlag.plan import files

    if name in files.names():
        raise UsageError(f"--name {name}: a study file has that name; choose another, or run it by its name")


def within(study: "Study", workers: int, minutes: float | None) -> "Study":
    """Return the study, with a number of seeds that should fit into a time limit if one is given.

    Raises:
        UsageError: No number of seeds fits.
    """
    from longlag.run.plan import fitted

    if minutes is None:
        return study
    if not 0 < minutes <= MOST_SECONDS:
        raise UsageError(f"--budget-minutes must be above 0 and at most {MOST_SECONDS}, not {minutes:g}")
    return fitted(study, workers, minutes)


@click.command()
@training_options
@apart_options
def plan(
    study: str | None,
    name: str | None,
    budget_minutes: float | None,
    lenses: tuple[str, ...],
    results: Path,
    shard: str | None,
    spool: Path | None,
    **options: Any,
) -> None:
    """Show what `longlag run` with the same options would train; train nothing."""
    from longlag.plan.lags import moved_lines
    from longlag.run.plan import make_plan

    how = take_run_options(options)
    cut = with_lenses(within(study_of(study, name, options), how.workers, budget_minutes), lenses)
    retrain = replace(how.retrain, lenses=cut.lenses)
    if shard is None:
        planned = make_plan(cut, results, retrain)
    else:
        from longlag.run.shard import plan_shard
        from longlag.shards.header import Share

        planned = plan_shard(cut, results, Share.read(shard), retrain)
    click.echo(f"study     {planned.study.name}: {planned.study.title}")
    click.echo(f"trials    {len(planned.trials)}")
    other_source = f", {planned.other_source} made by other source code" if planned.other_source else ""
    click.echo(f"stored    {planned.stored}{other_source}")
    if planned.skipped:
        click.echo(f"skipped   {planned.skipped_line}")
    if planned.unhashed:
        click.echo(f"unhashed  {planned.unhashed} stored trials used plugins that no hash covers: --fresh trains them")
    if planned.without_network:
        click.echo(f"networks  {planned.without_network} stored trials lack their network and are trained again")
    if cut.lenses:
        click.echo(f"lenses    {', '.join(cut.lenses)}{_unseen(planned)}")
    click.echo(f"to train  {len(planned.missing)} in {len(planned.cohorts(how.workers, how.memory))} cohorts")
    click.echo(f"time      {time_line(planned, how.workers)}")
    if planned.outside:
        click.echo(f"outside   {planned.outside} stored trials are not part of this plan")
    for line in moved_lines(planned.trials):
        click.echo(f"tests     {line}")
    for line in matched_lines(planned.study):
        click.echo(line)


def with_lenses(study: "Study", lenses: tuple[str, ...]) -> "Study":
    """Return the study with further lenses.

    Raises:
        UsageError: A lens is unknown, or applies to no network of the study.
    """
    from longlag.plan.lenses import checked_lenses

    added = checked_lenses(lenses, "--lens")
    if added:
        from longlag.lens.support.asked import check_asked

        check_asked(added, study.trials())
    return replace(study, lenses=checked_lenses([*study.lenses, *added], "--lens"))


def _unseen(plan: "Plan") -> str:
    """Return, as text, what a run does with stored trials that lack frames of lenses."""
    retrained = f"; {plan.without_lens} stored trials lack them and are trained again" if plan.without_lens else ""
    kept = len(plan.from_networks)
    return retrained + (f"; lenses run on the kept networks of {kept} stored trials" if kept else "")


def time_line(plan: "Plan", workers: int) -> str:
    """Return the estimated time of a plan, and the machine that the estimate is for."""
    from longlag.cli.progress import minutes

    if plan.pace:
        basis = f": {plan.pace.times:.1f} times a server's, as {plan.pace.trials} of its stored trials took here"
    else:
        basis = " for a server with AVX-512; elsewhere up to three times as long"
    return f"{minutes(plan.seconds_here(workers))} if no trial stops early, {workers} workers (estimated{basis})"


def matched_lines(study: "Study") -> list[str]:
    """Return a line per network with the hidden size that was picked, and its distance from the target."""
    lines: dict[str, None] = {}
    for trial, match, _ in study.planned:
        if match is not None:
            reached = f"{match.reached} {match.quantity} ({match.distance:+.1%} of {match.target})"
            note = f": {match.note}" if match.note else ""
            network = ", ".join(
                [f"{trial.cell} on {trial.task}", f"hidden size {trial.hidden_size}", *trial.wiring.words]
            )
            lines[f"{network}: {reached}{note}"] = None
    return [f"{'matched' if not place else '':9} {line}" for place, line in enumerate(lines)]

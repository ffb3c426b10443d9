"""The command that tests the lecture's claims."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import results_option

if TYPE_CHECKING:
    from longlag.claims.base import Claim
    from longlag.claims.support.answering import Train


@click.command()
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--tier", type=int, default=10, show_default=True, help="10, 60 or 600: minutes on two cores, roughly.")
@click.option("--plan", "only_plan", is_flag=True, help="Show the plan; train nothing.")
@click.option("--explain", is_flag=True, help="Show each rule, its source and its falsification.")
@click.option("--new-rules", is_flag=True, help="Judge claims again whose rules have changed; old verdicts are kept.")
@click.option("--workers", type=int, help="Training processes.  [default: all cores]")
@results_option
def claims(
    numbers: tuple[int, ...],
    tier: int,
    only_plan: bool,
    explain: bool,
    new_rules: bool,
    workers: int | None,
    results: Path,
) -> int:
    """Test the lecture's claims, all or those of the NUMBERs, each by a rule that was fixed before the results.

    Trials go to the folder `claims` of the results; the same command again resumes. A higher tier has more seeds.
    """
    from longlag.claims.support import named
    from longlag.claims.support.answering import FOLDER
    from longlag.cli.options import checked_workers

    chosen, tier, count = named.asked(numbers), named.checked_tier(tier), checked_workers(workers)
    folder = results / FOLDER
    if explain:
        click.echo("\n".join(_explained(claim) for claim in chosen), nl=False)
        return 0
    if only_plan:
        _show_plan(chosen, tier, folder, count)
        return 0
    return _answer(chosen, tier, folder, count, new_rules)


def _answer(chosen: "Sequence[Claim]", tier: int, folder: Path, workers: int, new_rules: bool) -> int:
    """Answer claims one by one, store each answer, and return the exit code."""
    from longlag.claims.support import named, stored, told
    from longlag.claims.support.answering import Bench, answer
    from longlag.cli.ending import EXIT_SOME_FAILED
    from longlag.report.claims import table

    held, times, failed = stored.read(folder), dict[int, float](), False
    if not new_rules:
        stored.check_rules(held, chosen, folder)
    bench = Bench(folder, tier, _trainer(folder, workers))
    for claim in [claim for claim in chosen if claim.asked_in(tier)]:
        click.echo(f"claim {claim.number()}: {claim.sentence}", err=True)
        answered = answer(claim, bench)
        if answered is None:
            failed = True
            click.echo(f"claim {claim.number()}: some trials failed, so there is no verdict", err=True)
            continue
        held = stored.joined(held, stored.entries_of(answered, tier))
        stored.write(held, folder)
        if told.highest(held)[claim.number()] == tier:
            stored.write_rows(answered, folder)
            times = stored.write_times({claim.number(): answered.seconds}, folder)
            told.draw(answered, told.frame_of(held, told.highest(held), times), folder)
    times = stored.write_times({}, folder)
    if held:
        every = told.frame_of(held, told.highest(held), times)
        click.echo(told.write_page(named.claims(), every, folder), err=True)
    verdicts = told.frame_of(held, {claim.number(): tier for claim in chosen}, times)
    click.echo(table.terminal(verdicts, told.not_told(chosen, verdicts, tier)), nl=False)
    return EXIT_SOME_FAILED if failed else 0


def _trainer(folder: Path, workers: int) -> "Train":
    from longlag.cli.training import train_study
    from longlag.plan.study import Study
    from longlag.run.run import RunOptions

    def train(study: Study) -> bool:
        ended = train_study(study, folder, RunOptions(workers, audit_every=True))
        return all(status.is_result for status in ended)

    return train


def _show_plan(chosen: "Sequence[Claim]", tier: int, folder: Path, workers: int) -> None:
    from longlag.claims.support.answering import AROUND_THE_BEST, planned
    from longlag.claims.support.told import NOT_ASKED
    from longlag.cli.progress import minutes
    from longlag.run.plan import make_plan

    whole = 0.0
    for claim in chosen:
        click.echo(f"{claim.number():>2}  {claim.sentence}")
        if not claim.asked_in(tier):
            click.echo(f"    {NOT_ASKED}")
            continue
        studies, searches = planned(claim, tier), {study.name for study in claim.searches(tier).values()}
        if not studies:
            click.echo("    computed, nothing is trained")
        for study in studies:
            plan = make_plan(study, folder)
            is_search = study.name in searches
            seconds = plan.seconds_here(workers) * (1 + AROUND_THE_BEST * is_search)
            whole += seconds
            how = "with further trials around the best rates" if is_search else "if none stops early"
            click.echo(f"    {study.name}: {len(plan.trials)} trials, {plan.stored} stored, {minutes(seconds)} {how}")
    click.echo(f"about {minutes(whole)} on {workers} workers, and a minute for computed claims")


def _explained(claim: "Claim") -> str:
    """Return the lines on what was fixed before the results: sentence, source and rules."""
    from longlag.claims.base import LECTURE
    from longlag.claims.support.fixed import rule_hash

    lines = [f"{claim.number()}. {claim.sentence}", f"  lecture    {LECTURE}", f"  paper      {claim.paper}"]
    lines += [f"  of what    {claim.boundary}", f"  hash       {rule_hash(claim)}"]
    for rule in claim.rules:
        tier = "" if rule.lowest == 10 else f" (from tier {rule.lowest} on)"
        lines += [f"  {rule.name}  {rule.asks}{tier}", f"     rule       {rule.decides}"]
        if rule.minimum is not None:
            lines.append(f"     minimum    {rule.minimum:.3g} ({rule.unit}), at level {claim.bar(rule).level:.2g}")
        lines.append(f"     falsified  by {rule.falsified}")
    return "\n".join([*lines, ""])

"""The command that measures which thresholds and learning rates are safe."""

from pathlib import Path
from typing import Any

import click

from longlag.cli.options import plugin_option, results_option


@click.command()
@click.option("--task", required=True, metavar="SPEC", help="Task.")
@click.option("--cell", "cells", multiple=True, required=True, metavar="SPEC", help="Cell; repeatable.")
@click.option("--clip", "kind", default="norm", show_default=True, metavar="KIND", help="Kind of clip that is swept.")
@click.option(
    "--threshold", "thresholds", multiple=True, type=float, help="Its thresholds; repeatable.  [default: seven]"
)
@click.option("--lr", type=float, default=3e-3, show_default=True, help="Rate of the sweep over thresholds.")
@click.option(
    "--rate", "rates", multiple=True, type=float, help="Rates swept; repeatable.  [default: seven around --lr]"
)
@click.option("--seeds", type=int, default=10, show_default=True, help="Seeds of each setting.")
@click.option("--updates", type=int, default=2000, show_default=True, help="Budget of every trial.")
@click.option("--eval-every", type=int, metavar="N", help="Updates between evaluations.")
@click.option("--hidden-size", type=int)
@click.option("--batch-size", type=int)
@click.option("--optimizer", metavar="SPEC")
@click.option("--name", default="window", show_default=True, help="Store under this name.")
@click.option("--workers", type=int, help="Training processes.  [default: all cores]")
@click.option("--plan", "only_plan", is_flag=True, help="Show what is swept; train nothing.")
@plugin_option
@results_option
def window(
    task: str,
    cells: tuple[str, ...],
    kind: str,
    thresholds: tuple[float, ...],
    lr: float,
    rates: tuple[float, ...],
    seeds: int,
    name: str,
    workers: int | None,
    only_plan: bool,
    results: Path,
    **options: Any,
) -> int:
    """Draw the safe clip window: solved share and updates to solve against threshold and learning rate.

    Thresholds are swept from tight to loose, and on to no clip, at the rate --lr; rates are swept without a clip and
    with the middle threshold. The same command again resumes.
    """
    from longlag.cli.planning import check_free, checked_workers, time_told
    from longlag.cli.training import EXIT_SOME_FAILED, train_study
    from longlag.experiments import clip_window as sweeps
    from longlag.report.figures import windows
    from longlag.run.plan import make_plan
    from longlag.store import results as stored

    check_free(name)
    given = {key: value for key, value in options.items() if value is not None}
    swept = sweeps.Window(
        name, task, cells, kind, sweeps.swept(kind, thresholds), lr, sweeps.rates_around(lr, rates), seeds, given
    )
    study, count = swept.study(), checked_workers(workers)
    plan = make_plan(study, results)
    if only_plan:
        click.echo(f"clips     {', '.join(swept.clips)} at a rate of {lr:g}")
        click.echo(f"rates     {', '.join(f'{rate:g}' for rate in swept.rates)} under {' and '.join(swept.beside)}")
        click.echo(f"trials    {len(plan.trials)}, {len(plan.trials) - len(plan.missing)} stored")
        click.echo(f"time      {time_told(plan, count)}")
        return 0
    ended = train_study(study, results, workers=count)
    trials = stored.load(name, results)
    rows = sweeps.measured(swept, trials)
    click.echo(windows.render(swept, rows), nl=False)
    for path in windows.write(swept, rows, trials, results / name / "window"):
        click.echo(path, err=True)
    return EXIT_SOME_FAILED if any(not status.is_result for status in ended) else 0

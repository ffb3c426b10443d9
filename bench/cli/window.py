"""The command that measures which thresholds and learning rates are safe."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longlag.cli.options import plugin_option, results_option

if TYPE_CHECKING:
    from longlag.experiments.clip_window import Window


@click.command()
@click.option("--task", required=True, metavar="SPEC", help="Task.")
@click.option("--cell", "cells", multiple=True, required=True, metavar="SPEC", help="Cell; repeatable.")
@click.option("--clip", default="norm", show_default=True, metavar="KIND", help="Kind of clip that is swept.")
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
@click.option("--plan", "only_plan", is_flag=True, help="Show the sweeps; train nothing.")
@plugin_option
@results_option
def window(workers: int | None, only_plan: bool, results: Path, **options: Any) -> int:
    """Draw the safe clip window: solved share and updates to solve against threshold and learning rate.

    Thresholds are swept from tight to loose, and on to no clip, at the rate --lr; rates are swept without a clip and
    with the middle threshold. The same command again resumes.
    """
    from longlag.cli.ending import EXIT_SOME_FAILED
    from longlag.cli.options import checked_workers
    from longlag.cli.planning import check_free, time_line
    from longlag.cli.training import train_study
    from longlag.experiments.clip_window import measured
    from longlag.report.figures import clip_windows
    from longlag.report.text import windows
    from longlag.run.plan import make_plan
    from longlag.run.run import RunOptions
    from longlag.store import results as stored

    check_free(options["name"])
    swept = _window(options)
    study, count = swept.study(), checked_workers(workers)
    plan = make_plan(study, results)
    if only_plan:
        click.echo(f"clips     {', '.join(swept.clips)} at a rate of {swept.lr:g}")
        click.echo(f"rates     {', '.join(f'{rate:g}' for rate in swept.rates)} under {' and '.join(swept.beside)}")
        click.echo(f"trials    {len(plan.trials)}, {plan.stored} stored")
        click.echo(f"time      {time_line(plan, count)}")
        return 0
    ended = train_study(study, results, RunOptions(count))
    trials = stored.load(swept.name, results)
    rows = measured(swept, trials)
    click.echo(windows.render(swept, rows), nl=False)
    for path in clip_windows.write(swept, rows, trials, results / swept.name / "window"):
        click.echo(path, err=True)
    return EXIT_SOME_FAILED if any(not status.is_result for status in ended) else 0


def _window(options: dict[str, Any]) -> "Window":
    """Make a window from the command's options: fields of `Window`, and further keys of a grid."""
    from longlag.experiments.clip_window import Window, rates_around, swept

    own = {item.name for item in fields(Window)}
    window = {key: value for key, value in options.items() if key in own}
    window["thresholds"] = swept(options["clip"], options["thresholds"])
    window["rates"] = rates_around(options["lr"], options["rates"])
    return Window(
        **window, options={key: value for key, value in options.items() if key not in own and value is not None}
    )

"""Commands that measure how far back networks remember."""

from pathlib import Path
from typing import Any

import click

from longlag.cli.options import plugin_option, results_option
from longlag.tasks.support.errors import UsageError

_COMMON = [
    click.option("--cell", "cells", multiple=True, required=True, metavar="SPEC", help="Cell; repeatable."),
    click.option("--clip", "clips", multiple=True, default=("none",), metavar="SPEC", help="Clip; repeatable."),
    click.option(
        "--lr", "rates", multiple=True, type=float, help="Rates to choose from on each rung.  [default: 3e-3 1e-2 3e-2]"
    ),
    click.option("--seeds", type=int, default=10, show_default=True, help="Seeds reported on each rung."),
    click.option("--longest", type=float, default=1024.0, show_default=True, help="The largest distance of a rung."),
    click.option("--updates", type=int, default=2000, show_default=True, help="Budget of every trial."),
    click.option("--hidden-size", type=int),
    click.option("--optimizer", metavar="SPEC"),
    click.option("--workers", type=int, help="Training processes.  [default: all cores]"),
    click.option("--plan", "only_plan", is_flag=True, help="Show the ladder; train nothing."),
]
_RATES = (3e-3, 1e-2, 3e-2)


def _common(command: Any) -> Any:
    for option in reversed(_COMMON):
        command = option(command)
    return plugin_option(results_option(command))


@click.command()
@click.option(
    "--task", "tasks", multiple=True, required=True, metavar="SPEC", help="Task whose dial is turned; repeatable."
)
@click.option("--name", default="climb", show_default=True, help="Store under this name.")
@_common
def horizon(tasks: tuple[str, ...], name: str, results: Path, **options: Any) -> int:
    """Find the lag at which half of the seeds that learn at all still solve, for each task, cell and clip.

    Climbs a ladder of distances by a factor of √2 until no seed solves on two rungs in a row. If there are several
    rates, the best is chosen on every rung, on other seeds. The same command again resumes.
    """
    from longlag.report.figures import horizons

    rungs = _climb(name, tasks, results, options)
    if rungs is None:
        return 0
    if rungs["n"].any():
        click.echo(horizons.render(horizons.horizons(rungs)), nl=False)
        for path in horizons.write(rungs, results / name / "horizon"):
            click.echo(path, err=True)
    return _exit_code(rungs, options)


@click.command()
@click.option(
    "--items", multiple=True, type=int, default=(1, 2, 4, 8), show_default=True, help="Items to carry; repeatable."
)
@click.option("--name", default="frontier", show_default=True, help="Store under this name.")
@_common
def frontier(items: tuple[int, ...], name: str, results: Path, **options: Any) -> int:
    """Map the number of items that copy memory carries against the distance, and the bits per number of the state."""
    from longlag.report.figures import frontier as report

    rungs = _climb(name, tuple(f"copy:items={count}" for count in items), results, options)
    if rungs is None:
        return 0
    if rungs["n"].any():
        click.echo(report.render(report.edges(rungs)), nl=False)
        for path in report.write(rungs, results / name / "frontier"):
            click.echo(path, err=True)
    return _exit_code(rungs, options)


def _exit_code(rungs: Any, options: dict[str, Any]) -> int:
    from longlag.cli.ending import EXIT_SOME_FAILED

    return EXIT_SOME_FAILED if (rungs["n"] < options["seeds"]).any() else 0


def _climb(name: str, tasks: tuple[str, ...], results: Path, options: dict[str, Any]) -> Any:
    """Climb and return the rungs; with ``--plan``, only show the ladder and return None.

    Raises:
        UsageError: The name is taken, or an option is refused.
        StoreError: The store cannot be used.
    """
    from longlag.cli.options import checked_workers
    from longlag.cli.planning import check_free, time_line
    from longlag.cli.training import train_study
    from longlag.experiments import horizon
    from longlag.run.plan import make_plan
    from longlag.run.run import RunOptions

    check_free(name)
    workers = checked_workers(options["workers"])
    if not 1 <= options["seeds"] <= horizon.TUNING_SEEDS[0]:
        raise UsageError(f"--seeds must be a whole number from 1 to {horizon.TUNING_SEEDS[0]}, not {options['seeds']}")
    given = {key: options[key] for key in ("updates", "hidden_size") if options[key] is not None}
    if options["optimizer"]:
        given["optimizer"] = (options["optimizer"],)
    rates = options["rates"] or _RATES
    climb = horizon.Climb(
        name, tasks, options["cells"], options["clips"], rates, options["seeds"], options["longest"], given
    )
    first = horizon.first_study(climb).replaced(lr=rates, **given)
    first.trials()
    if options["only_plan"]:
        tuned = len(rates) * len(horizon.TUNING_SEEDS) if climb.chooses else 0
        a_rung = len(climb.cells) * len(climb.clips) * (tuned + climb.seeds)
        for spec in tasks:
            lags = [task.min_lag for task in horizon.rungs(spec, climb.longest)]
            click.echo(f"{spec}: {', '.join(map(str, lags))} (smallest window); up to {a_rung} trials per rung")
        plan = make_plan(horizon.whole_ladder(climb), results)
        click.echo(f"time to climb to the end: {time_line(plan, workers)}")
        return None
    return horizon.run(climb, results, lambda study: train_study(study, results, RunOptions(workers)))

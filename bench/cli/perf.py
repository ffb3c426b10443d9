"""Commands that measure speed and the costs of cells."""

from pathlib import Path

import click

from longlag.cli.options import plugin_option, results_option
from longlag.tasks.support.errors import UsageError

PARTS = ("kernels", "updates", "study", "lenses", "studies", "scaling", "storage")
_REPEATS, _QUICK_REPEATS = 9, 3
_MOST = {"hidden_size": 4096, "length": 100_000, "batch_size": 4096}


@click.command()
@click.option("--quick", is_flag=True, help="The most important lines, in under a minute.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this part; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@results_option
def perf(quick: bool, parts: tuple[str, ...], as_json: bool, results: Path) -> None:
    """Measure speed on this machine, as ratios against PyTorch's own modules and an ordinary training loop.

    Everything is timed in turns and repeatedly in one run; table and figures go to RESULTS/perf.
    """
    from longlag.perf import report, suite
    from longlag.process import provenance

    figures = []
    for one in suite.measure(parts or PARTS, quick):
        figures.append(one)
        if not as_json:
            click.echo(report.line(one))
    written = report.write(figures, provenance.environment(), results / "perf")
    if as_json:
        click.echo(report.as_json(figures, provenance.environment()), nl=False)
    click.echo(f"{len(written)} files in {results / 'perf'}", err=True)


@click.command()
@click.option("--cell", "cells", multiple=True, metavar="SPEC", help="Cell; repeatable.  [default: all]")
@click.option("--length", type=int, default=100, show_default=True, help="Time steps of a sequence.")
@click.option("--batch-size", type=int, default=32, show_default=True)
@click.option("--hidden-size", type=int, default=64, show_default=True)
@click.option("--quick", is_flag=True, help=f"{_QUICK_REPEATS} rounds in place of {_REPEATS}.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@plugin_option
@results_option
def cost(
    cells: tuple[str, ...], quick: bool, as_json: bool, results: Path, length: int, batch_size: int, hidden_size: int
) -> None:
    """Measure parameters, state, time per step and memory of cells, relative to an lstm of the same size.

    The time is that of one trial's forward and backward pass on its usual path, each cell in turn with the lstm. Memory
    is the peak that the pass adds to a separate process. Table and figure go to RESULTS/perf.
    """  # noqa: DOC501  (a command's help)
    for name, value in {"length": length, "batch_size": batch_size, "hidden_size": hidden_size}.items():
        least = 2 if name == "length" else 1
        if not least <= value <= _MOST[name]:
            label = f"--{name.replace('_', '-')}"
            raise UsageError(f"{label} must be a whole number from {least} to {_MOST[name]}, not {value}")
    from longlag import registry
    from longlag.perf import cells as measured
    from longlag.perf import cells_report as report
    from longlag.process import provenance

    specs = list(dict.fromkeys(registry.cell(spec).spec for spec in cells or _every_cell()))
    workload = measured.Workload(length, batch_size, hidden_size)
    costs = measured.measure(specs, workload, _QUICK_REPEATS if quick else _REPEATS)
    environment = provenance.environment()
    click.echo(report.as_json(costs, workload, environment) if as_json else report.render(costs, workload), nl=False)
    written = report.write(costs, workload, environment, results / "perf")
    click.echo(f"{len(written)} files in {results / 'perf'}", err=True)


def _every_cell() -> list[str]:
    """Return the cells that can run; print those that need a library which is not installed."""
    from longlag import registry

    specs = []
    for name in registry.names("cell"):
        try:
            specs.append(registry.cell(name).spec)
        except UsageError as error:
            click.echo(f"left out: {error}", err=True)
    return specs

"""The command that measures speed."""

from pathlib import Path

import click

from longlag.cli.options import results_option

PARTS = ("kernels", "updates", "study", "studies", "scaling", "storage")


@click.command()
@click.option("--quick", is_flag=True, help="The most telling lines, in under a minute.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Only this part; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@results_option
def perf(quick: bool, parts: tuple[str, ...], as_json: bool, results: Path) -> None:
    """Measure speed on this machine, as ratios against PyTorch's own modules and an ordinary training loop.

    Everything is timed in turns and repeatedly in one run; table and figures go to RESULTS/perf.
    """
    from longlag.perf import report, suite
    from longlag.process import provenance

    found = []
    for one in suite.measure(parts or PARTS, quick):
        found.append(one)
        if not as_json:
            click.echo(report.line(one))
    written = report.write(found, provenance.environment(), results / "perf")
    if as_json:
        click.echo(report.as_json(found, provenance.environment()), nl=False)
    click.echo(f"{len(written)} files in {results / 'perf'}", err=True)

"""Commands that read what is stored."""

import sys
from pathlib import Path

import click

from longlag.cli.ending import write_as_files
from longlag.cli.options import asked, plugin_option, report_options, results_option
from longlag.tasks.support.errors import UsageError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_options
def show(study: str, as_json: bool, results: Path) -> None:
    """Print a study's summary table."""
    from longlag.cli.training import name_transfer
    from longlag.report.text.terminal import render_text, to_json
    from longlag.store.results import load_study

    data = load_study(asked(study), results)
    if as_json:
        write_as_files()
    click.echo(to_json(data) if as_json else render_text(data))
    name_transfer(data.name, results)


@click.command()
@report_options
def figures(study: str, results: Path) -> None:
    """Redraw a study's figures from its store."""
    from longlag.report.figures.all import draw_figures
    from longlag.store.results import load_study

    data = load_study(asked(study), results)
    for path in draw_figures(data, results / data.name):
        click.echo(path)


@click.command()
@report_options
def tables(study: str, results: Path) -> None:
    """Rewrite a study's tables from its store."""
    from longlag.report.text.tables import write_tables
    from longlag.store.results import load_study

    data = load_study(asked(study), results)
    for path in write_tables(data, results / data.name):
        click.echo(path)


@click.command()
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; by default report.html, of two studies against-FIRST.html, in the last one's folder.",
)
@click.option("--static", is_flag=True, help="Leave out the explorer and its scripts: a page of under 1.5 MB.")
@plugin_option
@results_option
def report(studies: tuple[str, ...], out: Path | None, static: bool, results: Path) -> None:
    """Write a study's page, or two side by side: one HTML file to look at, without a network."""
    from longlag.report.page import stamp
    from longlag.report.page.page import write
    from longlag.store.results import load_study

    if len(studies) > 2:
        raise UsageError(f"a page shows one study or two side by side, not {len(studies)}")
    if len(set(studies)) < len(studies):
        raise UsageError(f"study {studies[0]} cannot stand beside itself")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    shown = [load_study(asked(study), results) for study in studies]
    file = stamp.FILE if len(shown) == 1 else f"against-{shown[0].name}.html"
    path = out or results / shown[-1].name / file
    write(shown, results, path, static)
    click.echo(path)


@click.command()
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; CSV goes to stdout without."
)
@click.option("--timings", is_flag=True, help="Add durations, the only columns that differ between runs.")
@click.option("--curves", is_flag=True, help="One row an evaluation instead of one row a trial.")
@click.option("--transfer", is_flag=True, help="One row a trial and test lag instead of one row a trial.")
@click.option("--lens", metavar="NAME", help="What a lens found, one row a trial, phase and lag.")
@report_options
def export(
    study: str,
    form: str,
    out: Path | None,
    timings: bool,
    curves: bool,
    transfer: bool,
    lens: str | None,
    results: Path,
) -> None:
    """Write a study's rows, one a trial, sorted by key."""
    from longlag.plan.lenses import checked_lenses
    from longlag.store.results import load, load_curves, load_lens, load_transfer, write_csv, write_parquet

    if form == "parquet" and out is None:
        raise UsageError("--format parquet needs --out FILE")
    given = [name for name, asked in (("curves", curves), ("transfer", transfer), ("lens", lens)) if asked]
    if len(given) > 1:
        told = " and ".join(f"--{name}" for name in given)
        raise UsageError(f"{told} are different rows: export them one after the other")
    checked_lenses([lens] if lens is not None else [], "--lens")
    if given and timings:
        raise UsageError("--timings belongs to rows of trials; curves have none")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if curves:
        frame = load_curves(asked(study), results)
    elif lens is not None:
        frame = load_lens(lens, asked(study), results)
    else:
        frame = load_transfer(asked(study), results) if transfer else load(asked(study), results, timings=timings)
    if form == "parquet":
        assert out is not None
        write_parquet(frame, out)
    else:
        write_as_files()
        write_csv(frame, sys.stdout if out is None else out)

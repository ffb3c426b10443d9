"""Commands that read stored results."""

import sys
from pathlib import Path

import click

from longlag.cli.ending import write_as_files
from longlag.cli.options import in_its_order, report_options, subject_of
from longlag.tasks.support.errors import UsageError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@report_options
def show(study: str, as_json: bool, results: Path) -> None:
    """Print a study's summary table."""
    from longlag.cli.training import name_transfer
    from longlag.report.text.terminal import render_text, to_json
    from longlag.store.results import load_study

    subject = subject_of(study)
    data = load_study(subject, results)
    if as_json:
        write_as_files()
    with in_its_order(subject):
        click.echo(to_json(data) if as_json else render_text(data))
    name_transfer(data.name, results)


@click.command()
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout, for CSV]"
)
@click.option("--timings", is_flag=True, help="Add durations, the only columns that differ between runs.")
@click.option("--environment", is_flag=True, help="Add the versions and the processor with which a trial was trained.")
@click.option("--curves", is_flag=True, help="One row per evaluation instead of one per trial.")
@click.option("--transfer", is_flag=True, help="One row per trial and test lag instead of one per trial.")
@click.option("--lens", metavar="NAME", help="Results of a lens, one row per trial, phase and lag.")
@report_options
def export(
    study: str,
    form: str,
    out: Path | None,
    timings: bool,
    environment: bool,
    curves: bool,
    transfer: bool,
    lens: str | None,
    results: Path,
) -> None:
    """Write a study's rows, one per trial, sorted by key."""  # noqa: DOC501  (a command's help)
    from longlag.plan.lenses import checked_lenses
    from longlag.store.results import load, load_curves, load_lens, load_transfer, write_csv, write_parquet

    if form == "parquet" and out is None:
        raise UsageError("--format parquet needs --out FILE")
    given = [name for name, value in (("curves", curves), ("transfer", transfer), ("lens", lens)) if value]
    if len(given) > 1:
        options = " and ".join(f"--{name}" for name in given)
        raise UsageError(f"{options} export different rows: give one of them at a time")
    checked_lenses([lens] if lens is not None else [], "--lens")
    if given and timings:
        raise UsageError(f"--timings adds columns to rows of trials: it cannot go with --{given[0]}")
    if given and environment:
        raise UsageError(f"--environment adds columns to rows of trials: it cannot go with --{given[0]}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    subject = subject_of(study)
    if curves:
        frame = load_curves(subject, results)
    elif lens is not None:
        frame = load_lens(lens, subject, results)
    else:
        frame = load_transfer(subject, results) if transfer else load(subject, results, timings, environment)
    if form == "parquet":
        assert out is not None
        write_parquet(frame, out)
    else:
        write_as_files()
        write_csv(frame, sys.stdout if out is None else out)

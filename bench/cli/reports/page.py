"""The command that writes a study's page."""

from pathlib import Path

import click

from longlag.cli.baselines import baseline_option
from longlag.cli.options import plugin_option, results_option, subject_of
from longlag.tasks.support.errors import UsageError


@click.command()
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: report.html or, of two studies, against-FIRST.html, in the last one's folder]",
)
@click.option("--static", is_flag=True, help="Leave out the explorer and its scripts: a page of under 1.5 MB.")
@baseline_option
@plugin_option
@results_option
def report(studies: tuple[str, ...], out: Path | None, static: bool, file: Path | None, results: Path) -> None:
    """Write a page of one study, or of two side by side: one HTML file that works offline."""  # noqa: DOC501
    from longlag.cli.reports.beside import kept
    from longlag.regression.judge import baseline
    from longlag.report.page import stamp
    from longlag.report.page.page import write
    from longlag.store.results import load_study

    if len(studies) > 2:
        raise UsageError(f"a page shows one study or two side by side, not {len(studies)}")
    if len(set(studies)) < len(studies):
        raise UsageError(f"a page compares two different studies, not {studies[0]} with itself")
    if file is not None and len(studies) > 1:
        raise UsageError(f"--baseline {file} belongs to one study, and this page shows two; leave it out")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    loaded = [load_study(subject_of(study), results) for study in studies]
    if file is not None:
        baseline.read(file, loaded[0].name)  # an unusable file is refused if it was given, else the page says so
    name = stamp.FILE if len(loaded) == 1 else f"against-{loaded[0].name}.html"
    path = out or results / loaded[-1].name / name
    write(loaded, results, path, static, kept(loaded, results, file))
    click.echo(path)

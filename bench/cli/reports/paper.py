"""The commands: figures, tables, methods, paper."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import asked, report_options
from longlag.cli.reports.choosing import command_line, selection_options, style_options

if TYPE_CHECKING:
    from longlag.report.paper.figures import Wanted
    from longlag.report.paper.selection import Selection

out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write. [results/STUDY/paper]"
)


@click.command()
@style_options
@selection_options
@out_option
@report_options
def figures(study: str, wanted: "Wanted | None", selection: "Selection", out: Path | None, results: Path) -> None:
    """Redraw a study's figures from its store, or draw those of a paper.

    With none but STUDY: the figures that a run draws. With any other option: figures in the size and letters of a
    venue, each as PDF, PNG and SVG beside its numbers and its caption.
    """
    from longlag.report.figures.all import draw_figures
    from longlag.report.paper.figures import Wanted, write_figures
    from longlag.report.paper.origin import origin_of
    from longlag.report.paper.styles import style_of
    from longlag.store.results import load_study

    data = load_study(asked(study), results)
    if wanted is None and out is None and not (selection.axes or selection.labels or selection.looks):
        written = draw_figures(data, results / data.name)
    else:
        chosen = selection.of(data)
        with selection.worn(data):
            written = write_figures(
                chosen,
                wanted or Wanted(style_of("plain")),
                out or results / data.name / "paper",
                origin_of(chosen, command_line()),
            )
    for path in written:
        click.echo(path)

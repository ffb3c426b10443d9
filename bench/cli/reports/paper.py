"""The commands: figures, tables, methods, paper."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longlag.cli.options import in_its_order, name_of, plugin_option, report_options, results_option, subject_of
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

    With STUDY alone: the figures that a run draws. With any other option: figures in the size and typeface of a venue,
    each as PDF, PNG and SVG with its numbers and its caption.
    """
    from longlag.report.figures.all import draw_figures
    from longlag.report.paper.figures import Wanted, write_figures
    from longlag.report.paper.origin import origin_of
    from longlag.report.paper.styles import style_of
    from longlag.store.results import load_study

    subject = subject_of(study)
    data = load_study(subject, results)
    if wanted is None and out is None and not (selection.axes or selection.labels or selection.looks):
        with in_its_order(subject):
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


FORMATS = ("markdown", "latex", "html", "csv")


@click.command()
@click.option("--columns", metavar="NAMES", help="Axes and results, separated by commas.")
@click.option("--group", metavar="AXIS", help="Axis whose values head groups of rows. [task]")
@click.option("--format", "form", metavar="NAME", help="Format to print: markdown, latex, html, csv. [markdown]")
@selection_options
@out_option
@report_options
def tables(
    study: str,
    columns: str | None,
    group: str | None,
    form: str | None,
    selection: "Selection",
    out: Path | None,
    results: Path,
) -> None:
    """Rewrite a study's tables from its store, or make one for a paper.

    With STUDY alone: the tables that a run writes. With any other option one table is printed, or written in every
    format with --out; it has at most eight columns unless they are named.
    """  # noqa: DOC501  (a command's help)
    from longlag.report.paper.origin import origin_of
    from longlag.report.paper.table import table_of, written_as
    from longlag.report.text.files import write_tables
    from longlag.store.results import load_study
    from longlag.tasks.support.errors import UsageError, near

    if form is not None and form not in FORMATS:
        raise UsageError(f"no format is called {form!r}{near(form, FORMATS)}; there are {', '.join(FORMATS)}")
    subject = subject_of(study)
    data = load_study(subject, results)
    if not (columns or group or form or out or selection.axes or selection.labels or selection.looks):
        with in_its_order(subject):
            written = write_tables(data, results / data.name)
        for path in written:
            click.echo(path)
        return
    chosen = selection.of(data)
    with selection.worn(data):
        names = [name.strip() for name in columns.split(",") if name.strip()] if columns else []
        table = table_of(chosen, names, group or "task")
        texts = written_as(chosen, table, origin_of(chosen, command_line()))
    if out is None:
        click.echo("\n".join(texts[form or "markdown"].values()), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in chain.from_iterable(files.items() for files in texts.values()):
        (out / name).write_text(text, encoding="utf-8", newline="\n")
        click.echo(out / name)


@click.command()
@click.option("--format", "form", metavar="NAME", help="Format to print: markdown, latex, bibtex. [markdown]")
@selection_options
@out_option
@report_options
def methods(study: str, form: str | None, selection: "Selection", out: Path | None, results: Path) -> None:
    """Describe a study's methods for a paper: a paragraph, a table of settings, a bibliography.

    They are printed in one format, or written in all with --out.
    """  # noqa: DOC501  (a command's help)
    from longlag.report.paper.methods import methods_files
    from longlag.report.paper.origin import origin_of
    from longlag.store.results import load_study
    from longlag.tasks.support.errors import UsageError, near

    files = {"markdown": "methods.md", "latex": "methods.tex", "bibtex": "methods.bib"}
    if form is not None and form not in files:
        raise UsageError(f"no format is called {form!r}{near(form, files)}; there are {', '.join(files)}")
    data = load_study(subject_of(study), results)
    chosen = selection.of(data)
    with selection.worn(data):
        texts = methods_files(chosen, origin_of(chosen, command_line()))
    if out is None:
        click.echo(texts[files[form or "markdown"]], nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
        click.echo(out / name)


@click.command()
@click.argument("studies", nargs=-1)
@click.option("--manifest", type=click.Path(path_type=Path, dir_okay=False), help="File of a paper's choices.")
@style_options
@click.option("--columns", metavar="NAMES", help="Columns of the tables, separated by commas.")
@click.option("--group", metavar="AXIS", help="Axis whose values head groups of rows. [task]")
@selection_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write. [paper]")
@plugin_option
@results_option
def paper(
    studies: tuple[str, ...],
    manifest: Path | None,
    wanted: "Wanted | None",
    columns: str | None,
    group: str | None,
    selection: "Selection",
    out: Path | None,
    results: Path,
) -> None:
    """Write all figures, tables and methods of some studies in the size of a venue.

    Each study has a folder; manifest.json records the study, digest and command behind every file. With --manifest all
    choices come from a file.
    """  # noqa: DOC501  (a command's help)
    from longlag.report.paper.bundle import Part, write_paper
    from longlag.report.paper.choices import read_choices
    from longlag.report.paper.figures import Wanted
    from longlag.report.paper.styles import style_of
    from longlag.store.results import load_study
    from longlag.tasks.support.errors import UsageError

    chosen = bool(wanted or columns or group or selection.axes or selection.labels or selection.looks)
    if manifest is not None and (studies or chosen):
        raise UsageError(f"--manifest {manifest} has all choices: leave out studies and other options")
    if manifest is not None:
        parts, folder = read_choices(manifest)
    elif studies:
        names = [name.strip() for name in columns.split(",") if name.strip()] if columns else []
        style = wanted or Wanted(style_of("plain"))
        parts = [Part(name_of(study), selection, style, names, group or "task") for study in dict.fromkeys(studies)]
        folder = Path("paper")
    else:
        raise UsageError("longlag paper needs the names of studies, or --manifest FILE")
    if len({part.place for part in parts}) < len(parts):
        raise UsageError(f"two parts of {manifest} would be written to one folder: give one of them folder = NAME")
    loaded = [(part, load_study(part.study, results)) for part in parts]
    for path in write_paper(loaded, out or folder, command_line()):
        click.echo(path)

"""Writes the figures of a paper: for each its images, the numbers that it shows, and its caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longlag.report.paper.catalogue import FIGURES, checked_figures
from longlag.report.paper.latex import escape
from longlag.report.paper.origin import Origin
from longlag.report.paper.sheet import Page, numbered, pages
from longlag.report.paper.styles import Style, savable
from longlag.report.text.tables import to_csv
from longlag.store.results import StudyData
from longlag.tasks.support.errors import UsageError, near

FORMATS = ("pdf", "png", "svg")


@dataclass(frozen=True)
class Wanted:
    """The figures that are wanted, and how they are drawn.

    Attributes:
        style: The venue's style.
        only: Names of figures, in order; if empty, all for which the study has numbers.
        formats: Names of `FORMATS`.
    """

    style: Style
    only: Sequence[str] = ()
    formats: Sequence[str] = FORMATS

    def __post_init__(self) -> None:
        checked_figures(list(self.only))
        for kind in self.formats:
            if kind not in FORMATS:
                raise UsageError(f"no format is called {kind!r}{near(kind, FORMATS)}; there are {', '.join(FORMATS)}")


def write_figures(study: StudyData, wanted: Wanted, folder: Path, origin: Origin) -> list[Path]:
    """Draw the figures of a study in the size of a venue; the same numbers and command give the same bytes.

    Args:
        study: The study, reduced to the settings that are shown.
        wanted: The figures and their style.
        folder: The folder of the files.
        origin: What made the files, which they name.

    Returns:
        The files: images, ``FIGURE.csv`` and ``FIGURE.caption.tex``.

    Raises:
        UsageError: The study has no numbers for a figure that was chosen.
    """
    numbers = {name: FIGURES[name].numbers(study) for name in checked_figures(list(wanted.only))}
    for name in wanted.only:
        if numbers[name].empty:
            known = [other for other in FIGURES if not FIGURES[other].numbers(study).empty]
            raise UsageError(f"study {study.name} has no numbers for {name}; it has them for {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, data in numbers.items():
        if len(data):
            for title, page in numbered(name, pages(name, data, wanted.style)):
                written += _write(page, folder / title, wanted, origin)
    return written


def _write(page: Page, path: Path, wanted: Wanted, origin: Origin) -> list[Path]:
    files = [path.with_name(f"{path.name}.{kind}") for kind in (*wanted.formats, "csv", "caption.tex")]
    with wanted.style.used():
        for file, kind in zip(files, wanted.formats, strict=False):
            page.figure.savefig(file, **savable(kind))
    files[-2].write_text(to_csv(page.data), encoding="utf-8", newline="\n")
    files[-1].write_text(f"% {origin.line}\n{escape(page.caption)}\n", encoding="utf-8", newline="\n")
    return files

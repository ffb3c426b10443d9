"""Writes a paper's folder: figures, tables and methods of some studies, and a manifest of what made each file."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from longlag.report.figures.support.looks import kept_apart
from longlag.report.paper.figures import Wanted, write_figures
from longlag.report.paper.methods import methods_files
from longlag.report.paper.origin import Origin, origin_of, versions
from longlag.report.paper.selection import Selection
from longlag.report.paper.styles import style_of
from longlag.report.paper.table import table_of, written_as
from longlag.store.results import StudyData

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """The part of a paper that comes from one study.

    Attributes:
        study: The study's name.
        selection: The settings that are shown, and their labels and looks.
        wanted: The figures and their style.
        columns: The columns of the table.
        group: The axis by whose values the table's rows are grouped.
        folder: The folder of the files, below the paper's folder.
    """

    study: str
    selection: Selection = field(default_factory=Selection)
    wanted: Wanted = field(default_factory=lambda: Wanted(style_of("plain")))
    columns: Sequence[str] = ()
    group: str = "task"
    folder: str = ""

    @property
    def place(self) -> str:
        """The folder's name: by default the study's name."""
        return self.folder or self.study


def write_paper(parts: Sequence[tuple[Part, StudyData]], out: Path, command: str) -> list[Path]:
    """Write the parts of a paper into a folder each, and a manifest of all files.

    Files that an earlier manifest names and that this call does not write are removed, and no others. All choices are
    checked before the first file is written.

    Args:
        parts: The parts, each with all numbers of its study.
        out: The paper's folder.
        command: The command line, which the files name.

    Returns:
        The files written.

    Raises:
        UsageError: A study lacks a chosen value, column or figure.
    """
    made = [(part, data, origin_of(part.selection.of(data), command)) for part, data in parts]
    with kept_apart(*(data.plan for _, data in parts)):
        for part, data, _ in made:
            with part.selection.worn(data):
                table_of(part.selection.of(data), part.columns, part.group)
        files = [entry for one in made for entry in _write(*one, out)]
    known = {str(path.relative_to(out)): _entry(path, origin) for path, origin in files}
    for name in sorted(set(_earlier(out)) - set(known)):
        (out / name).unlink(missing_ok=True)
    text = json.dumps({"written_by": versions(), "files": known}, indent=1, ensure_ascii=False)
    (out / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")
    return [*(path for path, _ in files), out / MANIFEST]


def _write(part: Part, data: StudyData, origin: Origin, out: Path) -> Iterator[tuple[Path, Origin]]:
    chosen = part.selection.of(data)
    folder = out / part.place
    with part.selection.worn(data):
        for path in write_figures(chosen, part.wanted, folder, origin):
            yield path, origin
        table = table_of(chosen, part.columns, part.group)
        texts = [*written_as(chosen, table, origin).values(), methods_files(chosen, origin)]
        for name, text in chain.from_iterable(files.items() for files in texts):
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            yield folder / name, origin


def _entry(path: Path, origin: Origin) -> dict[str, str]:
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"study": origin.study, "digest": origin.digest, "command": origin.command, "sha256": content}


def _earlier(out: Path) -> list[str]:
    """Return the files below the folder that an earlier manifest names."""
    try:
        files: dict[str, Any] = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in files if ".." not in Path(name).parts and not Path(name).is_absolute()]

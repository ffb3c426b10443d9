"""All of a paper: figures, tables and methods of some studies in a folder, and what made each file."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    """What a paper has of one study.

    Attributes:
        study: Its name.
        selection: What of it, under which names.
        wanted: Which figures, and how.
        columns: Of its table.
        group: The axis whose values head groups of its rows.
        folder: Where its files go, below the paper's folder.
    """

    study: str
    selection: Selection = field(default_factory=Selection)
    wanted: Wanted = field(default_factory=lambda: Wanted(style_of("plain")))
    columns: Sequence[str] = ()
    group: str = "task"
    folder: str = ""

    @property
    def place(self) -> str:
        """The folder's name: the study's unless another is given."""
        return self.folder or self.study


def write_paper(parts: Sequence[tuple[Part, StudyData]], out: Path, command: str) -> list[Path]:
    """Write what a paper has of its studies, a folder each, and a manifest of all files.

    What the manifest of an earlier call names, and this call has not written, is removed; nothing else is. All
    choices are looked at before the first file is written.

    Args:
        parts: What is wanted of each study, and all of its numbers.
        out: The paper's folder.
        command: What was called.

    Returns:
        The files written.

    Raises:
        UsageError: Something that was chosen is not in a study.
    """
    made = [(part, data, origin_of(part.selection.of(data), command)) for part, data in parts]
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
        texts = dict(written_as(chosen, table, origin).values()) | methods_files(chosen, origin)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            yield folder / name, origin


def _entry(path: Path, origin: Origin) -> dict[str, str]:
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"study": origin.study, "digest": origin.digest, "command": origin.command, "sha256": content}


def _earlier(out: Path) -> list[str]:
    """Return the files that an earlier manifest names, those below the folder only."""
    try:
        found: dict[str, Any] = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [name for name in found if ".." not in Path(name).parts and not Path(name).is_absolute()]

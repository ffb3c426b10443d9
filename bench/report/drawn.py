"""Tells whether a study's figures are up to date, by a digest of everything they were drawn from, stored beside them.

Without it, a run with nothing left to train would spend most of its time on drawing the same bytes again. The digest
covers the study's numbers, the code that draws and the versions of its libraries. Files are checked by their contents,
so that a figure that was changed or removed is drawn again.
"""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from longlag.process.sources import closure, modules
from longlag.report.memo import once
from longlag.store.results import StudyData

DRAWS = "longlag.report.figures.all"
"""The module whose source, with all that it imports, draws the figures."""
NOTE = "drawn.json"
"""The name of the file with the digest, in the folder of the figures."""
_LIBRARIES = ("matplotlib", "numpy", "pandas", "seaborn")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""The errors of a note that is missing, or that longlag did not write."""


def digest_of(study: StudyData) -> str:
    """Return a hash of everything that a study's figures depend on."""
    digest = hashlib.sha256(f"{platform.python_version()} {[version(name) for name in _LIBRARIES]}\n".encode())
    files = modules()
    for name in sorted(closure([DRAWS], files)):
        data = sorted(files[name].parent.glob("*.toml")) if files[name].name == "__init__.py" else []
        for path in (files[name], *data):
            digest.update(f"{name} {path.name}\n".encode() + path.read_bytes())
    digest.update(_numbers(study))
    return digest.hexdigest()


@once
def _numbers(study: StudyData) -> bytes:
    """Return a hash of all numbers of a study."""
    digest = hashlib.sha256(f"{study.name}\n{study.title}\n{study.outside} {study.sources}\n".encode())
    for frame in (study.plan, study.trials, study.curves, study.slices, study.examples, study.transfer, study.lenses):
        digest.update(frame.to_csv(index=False).encode())
    return digest.digest()


def standing(digest: str, folder: Path) -> list[Path] | None:
    """Return the files of the figures in a folder if they were drawn from data with this digest; else None."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        files = {folder / name: content for name, content in note["files"].items()}
        same = note["drawn_from"] == digest and all(_content(path) == content for path, content in files.items())
    except _UNREADABLE:
        return None
    return list(files) if same else None


def note(digest: str, folder: Path, written: Sequence[Path]) -> None:
    """Store the digest of the data from which the files of a folder were drawn.

    Args:
        digest: The digest.
        folder: The folder of the figures.
        written: Their files.
    """
    files = {path.name: _content(path) for path in written}
    text = json.dumps({"drawn_from": digest, "files": files}, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOTE).write_text(text + "\n", encoding="utf-8")


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

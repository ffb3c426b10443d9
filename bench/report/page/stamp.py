"""From what a page was made: a digest that stands in its head, so that one that stands is not made again."""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from longlag.process.sources import closure, modules
from longlag.report import drawn
from longlag.store.results import StudyData

FILE = "report.html"
"""The page of a study, in its folder."""
MAKES = "longlag.report.page.page"
"""The module that makes pages."""
_LIBRARIES = ("jinja2", "plotly")
_IN_HEAD = re.compile(r'<meta name="longlag-made-from" content="([0-9a-f]{64})">')
_HEAD = 4000
"""Bytes of a page in which its digest stands."""


def digest_of(studies: Sequence[StudyData], static: bool) -> str:
    """Return a hash of all that a page follows from.

    Args:
        studies: What it shows.
        static: Whether it has no explorer.
    """
    digest = hashlib.sha256(f"{static} {[version(name) for name in _LIBRARIES]}\n".encode())
    files = modules()
    parts = sorted(path for path in files[MAKES].parent.rglob("*") if path.suffix in (".html", ".css", ".js"))
    for path in [*(files[name] for name in sorted(closure([MAKES], files))), *parts]:
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for study in studies:
        digest.update(drawn.digest_of(study).encode())
    return digest.hexdigest()


def stands(digest: str, page: Path) -> bool:
    """Whether a page was made from what has this digest."""
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    found = _IN_HEAD.search(head)
    return found is not None and found.group(1) == digest

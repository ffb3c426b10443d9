"""Tells whether a page is up to date: a digest in its head covers everything that it was made from."""

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from longlag.process.sources import closure, modules
from longlag.report import drawn
from longlag.store.results import StudyData

FILE = "report.html"
"""The name of a study's page in its folder."""
MAKES = "longlag.report.page.page"
"""The module whose source, with all that it imports, makes pages."""
_LIBRARIES = ("jinja2", "plotly")
_IN_HEAD = re.compile(r'<meta name="longlag-made-from" content="([0-9a-f]{64})">')
_HEAD = 4000
"""How many bytes of a page are searched for its digest, which is in its head."""


def digest_of(studies: Sequence[StudyData], static: bool, beside: str = "") -> str:
    """Return a hash of everything that a page depends on.

    Args:
        studies: The studies that it shows.
        static: Whether the page has no explorer.
        beside: The digest of the claims and baselines that it shows beside them.
    """
    digest = hashlib.sha256(f"{static} {[version(name) for name in _LIBRARIES]} {beside}\n".encode())
    files = modules()
    parts = sorted(path for path in files[MAKES].parent.rglob("*") if path.suffix in (".html", ".css", ".js"))
    for path in [*(files[name] for name in sorted(closure([MAKES], files))), *parts]:
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for study in studies:
        digest.update(drawn.digest_of(study).encode())
    return digest.hexdigest()


def stands(digest: str, page: Path) -> bool:
    """Return whether a page exists and was made from data with this digest."""
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return False
    match = _IN_HEAD.search(head)
    return match is not None and match.group(1) == digest

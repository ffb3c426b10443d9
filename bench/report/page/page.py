"""Makes the page of a study from templates, and writes it as a whole or not at all."""

import hashlib
import os
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from longlag.report.page import compare, stamp
from longlag.report.page.compare import side_by_side
from longlag.report.page.content import content_of
from longlag.report.page.data import block
from longlag.store.results import StudyData

SCRIPTS = ("state.js", "tables.js", "charts.js", "explorer.js")
"""In the order in which they run, after that of the charts."""
_HERE = Path(__file__).parent


def render(studies: Sequence[StudyData], results: Path, digest: str = "", static: bool = True) -> str:
    """Return a page; the same studies give the same bytes.

    Args:
        studies: One, or two that are set side by side.
        results: The folder of all studies.
        digest: From what the page is made, as `stamp.digest_of` says it.
        static: Leave out the explorer and its scripts.
    """
    scripts = [] if static else [Markup(get_plotlyjs()), *map(asset, SCRIPTS)]
    loader = jinja2.FileSystemLoader(_HERE / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        title=" and ".join(study.name for study in studies),
        numbered=[(number, content_of(study, results / study.name)) for number, study in enumerate(studies, start=1)],
        compared=side_by_side(*studies) if len(studies) == 2 else None,
        compare_explanation=compare.EXPLANATION,
        style=asset("page.css"),
        policy=policy(scripts),
        scripts=scripts,
        data="" if static else Markup(block(studies)),
        digest=digest,
    )


def asset(name: str) -> Markup:
    """Return a style or script of this package as it stands in a page."""
    return Markup((_HERE / "assets" / name).read_text(encoding="utf-8"))


def policy(scripts: Sequence[str]) -> str:
    """Return a content-security policy: no network, and no script but these very ones."""
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{found}'" for found in hashes) or "'none'"
    rules = {"default-src": "'none'", "script-src": allowed, "style-src": "'unsafe-inline'", "img-src": "data: blob:"}
    rules |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def write(studies: Sequence[StudyData], results: Path, out: Path, static: bool = False) -> bool:
    """Write a page unless it stands as it would be made.

    Args:
        studies: As of `render`.
        results: The folder of all studies.
        out: The file.
        static: Leave out the explorer and its scripts.

    Returns:
        Whether it was written.

    Raises:
        OSError: It cannot be written; what was there is as it was.
    """
    digest = stamp.digest_of(studies, static)
    if stamp.stands(digest, out):
        return False
    page, begun = render(studies, results, digest, static), out.with_name(f".{out.name}.{os.getpid()}")
    try:
        begun.write_text(page, encoding="utf-8", newline="\n")
        begun.replace(out)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        begun.unlink(missing_ok=True)
    return True

"""Makes the page of a study from templates, and writes it whole or not at all."""

import hashlib
import os
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from longlag.report.page import answers, compare, lenses, stamp
from longlag.report.page.beside import Beside, Kept
from longlag.report.page.compare import side_by_side
from longlag.report.page.content import content_of
from longlag.report.page.data import block
from longlag.store.results import StudyData

SCRIPTS = ("state.js", "tables.js", "charts.js", "explorer.js")
"""The scripts in the order in which they run, after the library of charts."""
NOTHING, NOT_KEPT = Beside(), Kept()
_HERE = Path(__file__).parent


def render(
    studies: Sequence[StudyData], results: Path, digest: str = "", static: bool = True, beside: Beside = NOTHING
) -> str:
    """Return a page; the same studies give the same bytes.

    Args:
        studies: One study, or two that are compared.
        results: The folder of all studies.
        digest: The digest of the page's data, from `stamp.digest_of`.
        static: Whether to leave out the explorer and its scripts.
        beside: The claims and baselines that the page shows beside the studies.
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
        answers_explanation=answers.EXPLANATION,
        gates_explanation=lenses.GATES,
        claims=beside.claims,
        pasts={study.name: beside.pasts.get(study.name) for study in studies},
        style=asset("page.css"),
        policy=policy(scripts),
        scripts=scripts,
        data="" if static else Markup(block(studies)),
        digest=digest,
    )


def asset(name: str) -> Markup:
    """Return a style sheet or script of this package."""
    return Markup((_HERE / "assets" / name).read_text(encoding="utf-8"))


def policy(scripts: Sequence[str]) -> str:
    """Return a content-security policy that allows no network, and no scripts except these."""
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    rules = {"default-src": "'none'", "script-src": allowed, "style-src": "'unsafe-inline'", "img-src": "data: blob:"}
    rules |= {"base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def write(studies: Sequence[StudyData], results: Path, out: Path, static: bool = False, kept: Kept = NOT_KEPT) -> bool:
    """Write a page unless the file is up to date.

    Args:
        studies: One study, or two that are compared.
        results: The folder of all studies.
        out: The file.
        static: Whether to leave out the explorer and its scripts.
        kept: The source of the claims and baselines that the page shows beside the studies.

    Returns:
        Whether the page was written.

    Raises:
        OSError: The page cannot be written; an earlier one is left as it was.
    """
    digest = stamp.digest_of(studies, static, kept.digest)
    if stamp.stands(digest, out):
        return False
    page, begun = render(studies, results, digest, static, kept.read()), out.with_name(f".{out.name}.{os.getpid()}")
    try:
        begun.write_text(page, encoding="utf-8", newline="\n")
        begun.replace(out)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        begun.unlink(missing_ok=True)
    return True

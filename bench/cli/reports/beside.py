"""Finds what a page shows beside its studies, and hands it over: reports know neither claims nor `check`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.cli import baselines

if TYPE_CHECKING:
    from longlag.report.page.beside import Claims, Kept, Past
    from longlag.store.results import StudyData

_VERDICTS = ("claims/claims.json", "claims.json")
"""Where verdicts lie in the folder of results: beside the studies, or, of the studies of claims, among them."""
_NOTED = "checks.jsonl"
"""Where checks are noted in a study's folder. Names stand here, too, since what writes the files is slow to load."""
_JUDGES = ("longlag.claims.*", "longlag.claims.support.*")
_CHECKS = ("longlag.regression.show.on_page",)


def kept(studies: "Sequence[StudyData]", results: Path, file: Path | None = None) -> "Kept":
    """Return where what stands on a page beside its studies comes from.

    Args:
        studies: The studies.
        results: The folder of all studies.
        file: The baseline of the study; None for those that its studies have.
    """
    from longlag.report.page.beside import Beside, Kept

    judged = next((results / name for name in _VERDICTS if (results / name).is_file()), None)
    places = {study.name: baselines.baseline_path(study.name, file, results) for study in studies}
    places = {name: place for name, place in places.items() if place.is_file()}
    if judged is None and not places:
        return Kept()
    files = [*places.values(), *(results / name / _NOTED for name in places), *([judged] if judged else [])]
    roots = [*(_CHECKS if places else ()), *(_JUDGES if judged else ())]
    digest = hashlib.sha256(b"".join(map(_bytes, files)) + _sources(roots))

    def read() -> Beside:
        pasts = {study.name: _past(study, places[study.name], results) for study in studies if study.name in places}
        return Beside(_claims(judged) if judged else None, pasts)

    return Kept(digest.hexdigest(), read)


def _claims(file: Path) -> "Claims":
    """Return the verdicts of a file; of one that cannot be used a line says why."""
    from longlag.claims.support import named, on_page, stored
    from longlag.report.page.beside import Claims
    from longlag.store.file import StoreError

    try:
        return on_page.on_page(stored.read(file.parent), named.claims())
    except (StoreError, OSError) as error:
        return Claims(on_page.ABOUT, [_without_folder(error, file)], [])


def _past(study: "StudyData", place: Path, results: Path) -> "Past":
    """Return a study's baseline and former checks; a line says why a baseline cannot be used."""
    from longlag.regression.judge import baseline
    from longlag.regression.show import history, on_page
    from longlag.report.page.beside import Past
    from longlag.store.file import StoreError
    from longlag.tasks.support.errors import UsageError

    try:
        return on_page.past(baseline.read(place, study.name), history.read(results / study.name), study.trials)
    except (UsageError, StoreError, OSError) as error:
        return Past("", "", [_without_folder(error, place)])


def _without_folder(error: Exception, file: Path) -> str:
    """Describe a file's fault in words that do not depend on where results lie."""
    said = f"{file} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
    return said.replace(str(file), file.name)


def _bytes(path: Path) -> bytes:
    """Return a file's bytes after their number; of one that cannot be read, why."""
    try:
        content = path.read_bytes()
    except OSError as error:
        content = str(error.strerror).encode()
    return f"{len(content)}\n".encode() + content


def _sources(roots: Sequence[str]) -> bytes:
    """Return the sources of some modules with all that these import."""
    from longlag.process.sources import closure, modules

    files = modules()
    return b"".join(f"{name}\n".encode() + files[name].read_bytes() for name in sorted(closure(roots, files)))

"""Finds the verdicts and checks that a page shows beside its studies: reports know neither claims nor `check`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.cli import baselines

if TYPE_CHECKING:
    from longlag.report.page.beside import Claims, Kept, Past
    from longlag.store.results import StudyData

_VERDICTS = ("claims/claims.json", "claims.json")
"""The files of verdicts in the folder of results: the first beside studies, the second in the folder of claims."""
_HISTORY = "checks.jsonl"
"""The file of checks in a study's folder. Both names stand here, since what writes the files loads slowly."""
_JUDGES = ("longlag.claims.*", "longlag.claims.support.*")
_CHECKS = ("longlag.regression.show.on_page",)


def kept(studies: "Sequence[StudyData]", results: Path, file: Path | None = None) -> "Kept":
    """Return the source of the verdicts and checks that a page shows beside its studies.

    Args:
        studies: The studies.
        results: The folder of all studies.
        file: The baseline of the study; None for each study's own.
    """
    from longlag.report.page.beside import Beside, Kept

    judged = next((results / name for name in _VERDICTS if (results / name).is_file()), None)
    places = {study.name: baselines.baseline_path(study.name, file, results) for study in studies}
    places = {name: place for name, place in places.items() if place.is_file()}
    if judged is None and not places:
        return Kept()
    files = [*places.values(), *(results / name / _HISTORY for name in places), *([judged] if judged else [])]
    roots = [*(_CHECKS if places else ()), *(_JUDGES if judged else ())]
    digest = hashlib.sha256(b"".join(map(_bytes, files)) + _sources(roots))

    def read() -> Beside:
        pasts = {study.name: _past(study, places[study.name], results) for study in studies if study.name in places}
        return Beside(_claims(judged) if judged else None, pasts)

    return Kept(digest.hexdigest(), read)


def _claims(file: Path) -> "Claims":
    """Return the verdicts in a file; if it cannot be used, a line that says why."""
    from longlag.claims.support import named, on_page, stored
    from longlag.report.page.beside import Claims
    from longlag.store.file import StoreError

    try:
        return on_page.on_page(stored.read(file.parent), named.claims())
    except (StoreError, OSError) as error:
        return Claims(on_page.ABOUT, [_without_folder(error, file)], [])


def _past(study: "StudyData", place: Path, results: Path) -> "Past":
    """Return a study's baseline and earlier checks; if the baseline cannot be used, a line that says why."""
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
    """Return the message of a file's error, with the file's name in place of its path."""
    message = f"{file} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
    return message.replace(str(file), file.name)


def _bytes(path: Path) -> bytes:
    """Return a file's bytes after their number; if it cannot be read, the reason in their place."""
    try:
        content = path.read_bytes()
    except OSError as error:
        content = str(error.strerror).encode()
    return f"{len(content)}\n".encode() + content


def _sources(roots: Sequence[str]) -> bytes:
    """Return the sources of some modules and of all modules that they import."""
    from longlag.process.sources import closure, modules

    files = modules()
    return b"".join(f"{name}\n".encode() + files[name].read_bytes() for name in sorted(closure(roots, files)))

"""What is named by a study, where it is from, and the entries that BibTeX needs for it."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

_NAME = r"(?:van der |De )?[A-Z][\w-]+(?: Chowdhury| Roux)?"
_CITED = re.compile(
    rf"(?<![A-Za-z])((?:Le )?{_NAME}(?:, {_NAME})*(?: & (?:Le )?{_NAME}| et al\.)?) ((?:19|20)\d{{2}})\b(?!\.)"
)
"""Authors and year, as references write them: ``Le, Jaitly & Hinton 2015``, ``Cho et al. 2014``, ``Elman 1990``."""
ALWAYS = ("Clopper & Pearson 1934", "Kaplan & Meier 1958")
"""What the statistics of every study are from."""


class Source(NamedTuple):
    """What something shipped is."""

    summary: str
    reference: str


@cache
def sources() -> dict[tuple[str, str], Source]:
    """Return what everything shipped is, by kind and name."""
    told = tomllib.loads(_read("sources.toml"))
    return {(kind, name): Source(**of) for kind, names in told.items() for name, of in names.items()}


def source_of(kind: str, spec: str) -> Source | None:
    """Return what a spec's name is; None of a plugin."""
    name = re.split(r"[:+]", spec)[0]
    known = sources()
    return known.get((kind, name)) or (known.get(("architecture", name)) if kind == "cell" else None)


def cited(reference: str) -> list[str]:
    """Return the works that a reference names.

    >>> cited("Hochreiter & Schmidhuber 1997; chrono: Tallec & Ollivier 2018, section 2")
    ['Hochreiter & Schmidhuber 1997', 'Tallec & Ollivier 2018']
    """
    return [f"{names} {year}" for names, year in _CITED.findall(reference)]


@cache
def entries() -> dict[str, str]:
    """Return the entries of the bibliography, by each of the forms in which a work is cited."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=@)", _read("references.bib").strip()):
        forms = re.search(r"^  cited = \{(.*)\},\n", entry, re.MULTILINE)
        if forms:
            text = entry.replace(forms.group(0), "").strip()
            found |= dict.fromkeys(forms.group(1).split("; "), text)
    return found


def key_of(work: str) -> str | None:
    """Return the BibTeX key of a work; None where there is no entry."""
    entry = entries().get(work)
    return entry[entry.index("{") + 1 : entry.index(",")] if entry else None


def bibliography(works: Iterable[str]) -> str:
    """Return the entries of some works, each once, in the order of their keys."""
    found = {entries()[work] for work in works if work in entries()}
    return "\n\n".join(sorted(found)) + "\n"


def cite(works: Sequence[str]) -> str:
    r"""Return ``\citep{...}`` of those works that have an entry; nothing where none has."""
    keys = list(dict.fromkeys(filter(None, map(key_of, works))))
    return f"\\citep{{{','.join(keys)}}}" if keys else ""


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

"""The sources of tasks, cells, clips and statistics, and their entries for BibTeX."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import NamedTuple

from longlag.tasks.support.spelling import split_spec

_NAME = r"(?:van der |De )?[A-Z][\w-]+(?: Chowdhury| Roux)?"
_CITED = re.compile(
    rf"(?<![A-Za-z])((?:Le )?{_NAME}(?:, {_NAME})*(?: & (?:Le )?{_NAME}| et al\.)?) ((?:19|20)\d{{2}})\b(?!\.)"
)
"""Authors and year, as in ``Le, Jaitly & Hinton 2015``, ``Cho et al. 2014``, ``Elman 1990``."""
ALWAYS = ("Clopper & Pearson 1934", "Kaplan & Meier 1958")
"""The sources of the statistics that every study uses."""


class Source(NamedTuple):
    """The description and the reference of a shipped task, cell, clip, optimiser or schedule.

    Attributes:
        summary: The description.
        reference: The works it comes from; ``chrono: Tallec & Ollivier 2018`` is the source of an option or its value.
        options: The options and their defaults, as users write them.
        words: The words that options may be set to.
    """

    summary: str
    reference: str
    options: Mapping[str, str] = MappingProxyType({})
    words: Sequence[str] = ()


@cache
def sources() -> dict[tuple[str, str], Source]:
    """Return the sources of everything that is shipped, by kind and name."""
    tables = tomllib.loads(_read("sources.toml"))
    return {(kind, name): Source(**fields) for kind, names in tables.items() for name, fields in names.items()}


def source_of(kind: str, spec: str) -> Source | None:
    """Return the source of a spec; None for a plugin."""
    name = re.split(r"[:+]", spec)[0]
    known = sources()
    return known.get((kind, name)) or (known.get(("architecture", name)) if kind == "cell" else None)


def options_of(kind: str, spec: str) -> dict[str, str]:
    """Return the options of a spec, those that it leaves out included; none for a plugin.

    >>> options_of("optimizer", "sgd:momentum=0.9")
    {'momentum': '0.9', 'nesterov': 'false'}
    """
    source = source_of(kind, spec)
    return {**source.options, **split_spec(spec, kind)[1]} if source else {}


def works_of(kind: str, spec: str) -> tuple[str, ...]:
    """Return the works that a spec rests on; the works of an option only if the spec sets that option.

    >>> works_of("cell", "rnn"), works_of("cell", "rnn:init=identity,nonlinearity=relu")
    (('Elman 1990',), ('Elman 1990', 'Le, Jaitly & Hinton 2015'))
    """
    source = source_of(kind, spec)
    if source is None:
        return ()
    if kind == "clip":
        return tuple(cited(source.reference))
    known = {*source.options, *source.words}
    options = options_of(kind, spec)
    in_use = {*options.values()} | {name for name, value in options.items() if _set(value, source.options.get(name))}
    clauses = [
        clause
        for clause in source.reference.split("; ")
        if not (named := set(clause.rpartition(": ")[0].split(", "))) <= known or named & in_use
    ]
    return tuple(cited("; ".join(clauses)))


def _set(value: str, default: str | None) -> bool:
    """Return whether an option is in use: it is true, or a number that is not its default."""
    return value == "true" or (value != "false" and value != default)


def cited(reference: str) -> list[str]:
    """Return the works that a reference cites.

    >>> cited("Hochreiter & Schmidhuber 1997; chrono: Tallec & Ollivier 2018, section 2")
    ['Hochreiter & Schmidhuber 1997', 'Tallec & Ollivier 2018']
    """
    return [f"{names} {year}" for names, year in _CITED.findall(reference)]


@cache
def entries() -> dict[str, str]:
    """Return the entries of the bibliography, by every form in which their works are cited."""
    by_work: dict[str, str] = {}
    for entry in re.split(r"\n(?=@)", _read("references.bib").strip()):
        forms = re.search(r"^  cited = \{(.*)\},\n", entry, re.MULTILINE)
        if forms:
            text = entry.replace(forms.group(0), "").strip()
            by_work |= dict.fromkeys(forms.group(1).split("; "), text)
    return by_work


def key_of(work: str) -> str | None:
    """Return the BibTeX key of a work; None if the bibliography has no entry."""
    entry = entries().get(work)
    return entry[entry.index("{") + 1 : entry.index(",")] if entry else None


def bibliography(works: Iterable[str]) -> str:
    """Return the entries of some works, each once, in the order of their keys."""
    texts = {entries()[work] for work in works if work in entries()}
    return "\n\n".join(sorted(texts)) + "\n"


def cite(works: Sequence[str]) -> str:
    r"""Return ``\citep{...}`` for the works that have an entry; empty if none has."""
    keys = list(dict.fromkeys(filter(None, map(key_of, works))))
    return f"\\citep{{{','.join(keys)}}}" if keys else ""


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

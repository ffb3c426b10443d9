"""Reads minimal pairs: two sentences of which only one is grammatical and should be more probable.

The first characters of a file decide its format: a table with tabs or commas, with the columns ``condition,
grammatical, ungrammatical`` (as in Marvin & Linzen 2018) or those of a header line; or JSON with ``sentence_good`` and
``sentence_bad`` (BLiMP, Warstadt et al. 2020), an object per line or one list. A line that is not a pair becomes a
`Problem`; all others are kept.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from longlag.tasks.support.errors import UsageError

HEADER = ["condition", "grammatical", "ungrammatical"]
_ALSO = {"sentence_good": "grammatical", "sentence_bad": "ungrammatical", "uid": "construction"}
"""Other names of columns, as in BLiMP, and the names used here."""
_NUMBERS = ("sing", "plur")

Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class MinimalPair:
    """A minimal pair.

    Attributes:
        construction: BLiMP's ``UID`` or a column ``construction``; otherwise the file's name without its ending.
        attractors: How many nouns differ in number from the subject, by the condition's name; None if it does not say.
        good: The words of the grammatical sentence.
        bad: The words of the ungrammatical sentence.
    """

    construction: str
    attractors: int | None
    good: tuple[str, ...]
    bad: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """A line that is not a pair: its file, its number from 1 (in a JSON list, that of the entry), and the reason."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


def words_of(sentence: str) -> tuple[str, ...]:
    """Split a sentence into words in lower case; a final punctuation mark becomes a separate full stop.

    >>> words_of("The author laughs."), words_of("the author laughs")
    (('the', 'author', 'laughs', '.'), ('the', 'author', 'laughs'))
    """
    text = sentence.strip().lower()
    return (*text[:-1].split(), ".") if text.endswith((".", "?", "!")) else tuple(text.split())


def attractors_in(condition: str) -> int | None:
    """Count the nouns that differ in number from the subject, the first noun that a condition names.

    >>> attractors_in("sing_MS_MV_plur_ES"), attractors_in("plur_MS_MV"), attractors_in("other")
    (1, 0, None)
    """
    numbers = [part for part in condition.split("_") if part in _NUMBERS]
    return sum(number != numbers[0] for number in numbers[1:]) if numbers else None


def read_pairs(path: Path) -> tuple[list[MinimalPair], list[Problem]]:
    """Read the pairs of a file, and the problems in it.

    Raises:
        UsageError: The file is not text, is empty, holds no pair, or has a header line without the columns.
    """
    text = _text(path)
    if not text.strip():
        raise UsageError(f"{path}: the file is empty; a line is {', '.join(HEADER)}, or BLiMP's JSON")
    pairs: list[MinimalPair] = []
    problems: list[Problem] = []
    for number, read in _rows(text, path):
        try:
            pairs.append(_pair(read(), path.stem))
        except ValueError as error:
            problems.append(Problem(str(path), number, str(error)))
    if not pairs:
        raise UsageError(str(problems[0]) if problems else f"{path} contains no pair of sentences")
    return pairs, problems


def _rows(text: str, path: Path) -> Iterator[tuple[int, Callable[[], Mapping[str, object]]]]:
    """Yield the line of each pair (in a list, its index) and a function that reads its fields by column.

    Raises:
        UsageError: The file is a list in JSON that cannot be read, or a header lacks a column.
    """
    if text.lstrip().startswith("["):
        for number, item in enumerate(_listed(text, path), 1):
            yield number, partial(_from_json, item)
        return
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if lines[0][1].lstrip().startswith("{"):
        for number, line in lines:
            yield number, partial(_from_line, line)
        return
    split = _splitter(lines[0][1])
    columns = [_ALSO.get(name, name) for name in (field.strip().lower() for field in split(lines[0][1]))]
    no_sentence = all(len(name.split()) < 2 for name in columns)  # hence a header, perhaps with unknown names
    headed = no_sentence or bool(set(columns) & {*HEADER, *_ALSO.values()})
    if headed and not all(columns.count(name) == 1 for name in HEADER[1:]):
        needed = " and ".join(HEADER[1:])
        raise UsageError(f"{path}: its header line must name {needed} once each, not {', '.join(columns)}")
    for number, line in lines[headed:]:
        yield number, partial(_from_table, line, split, columns if headed else HEADER)


def _splitter(first: str) -> Split:
    """Return the function that splits a table's lines: at tabs if the first line has one, else at commas, as CSV."""
    by_comma = "\t" not in first and len(_split_csv(first)) >= len(HEADER) - 1
    return _split_csv if by_comma else lambda line: line.split("\t")


def _split_csv(line: str) -> list[str]:
    return next(csv.reader([line], skipinitialspace=True))


def _listed(text: str, path: Path) -> list[object]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{path} begins like a JSON list, but is not valid JSON") from None
    assert isinstance(entries, list)
    return entries


def _text(path: Path) -> str:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the files in it")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _from_table(line: str, split: Split, columns: Sequence[str]) -> Mapping[str, object]:
    fields = split(line)
    if len(fields) != len(columns):
        raise ValueError(f"{len(fields)} fields instead of {', '.join(columns)}, separated by tabs or commas")
    return dict(zip(columns, fields, strict=True))


def _from_line(line: str) -> Mapping[str, object]:
    try:
        return _from_json(json.loads(line))
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("not valid JSON") from None


def _from_json(entry: object) -> Mapping[str, object]:
    values = entry if isinstance(entry, dict) else {}
    if not all(isinstance(values.get(name), str) for name in ("sentence_good", "sentence_bad")):
        raise ValueError("sentence_good and sentence_bad must be text")
    return {_ALSO.get(str(name).lower(), str(name)): value for name, value in values.items()}


def _pair(row: Mapping[str, object], name: str) -> MinimalPair:
    construction, condition = row.get("construction"), row.get("condition", "")
    pair = MinimalPair(
        construction if isinstance(construction, str) and construction else name,
        attractors_in(str(condition).strip()),
        words_of(str(row["grammatical"])),
        words_of(str(row["ungrammatical"])),
    )
    if min(len(pair.good), len(pair.bad)) < 2:
        raise ValueError("a sentence has fewer than two words")
    if pair.good == pair.bad:
        raise ValueError("both sentences are the same")
    return pair


def read_all(paths: Sequence[Path]) -> tuple[dict[str, list[MinimalPair]], list[Problem]]:
    """Read files; return the pairs of each, by the file's path, and all problems.

    Raises:
        UsageError: A file cannot be used, or two have the same name.
    """
    pairs: dict[str, list[MinimalPair]] = {}
    problems: list[Problem] = []
    names: dict[str, Path] = {}
    for path in paths:
        if path.stem in names:
            raise UsageError(f"{path} and {names[path.stem]}: two files are called {path.stem}")
        names[path.stem] = path
        pairs[str(path)], odd = read_pairs(path)
        problems += odd
    return pairs, problems

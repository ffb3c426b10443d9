"""Reads minimal pairs: two sentences that differ in grammaticality only, of which one should be more probable.

Two forms are read, told apart by their first line: tab-separated ``condition, grammatical, ungrammatical`` (as in
Marvin & Linzen 2018, a header line or none), and JSON lines with ``sentence_good`` and ``sentence_bad`` (BLiMP,
Warstadt et al. 2020). A line that is neither is a `Problem`; all others are kept.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longlag.tasks.support.errors import UsageError

HEADER = ["condition", "grammatical", "ungrammatical"]
_NUMBERS = ("sing", "plur")


@dataclass(frozen=True)
class MinimalPair:
    """A minimal pair.

    Attributes:
        construction: The file's name without its ending, or BLiMP's ``UID``.
        attractors: Nouns whose number is not the subject's, as the condition says; None where it says nothing.
        good: The words of the grammatical sentence.
        bad: Those of the other.
    """

    construction: str
    attractors: int | None
    good: tuple[str, ...]
    bad: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """A line that is no pair: the file, the line's number from 1, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


def words_of(sentence: str) -> tuple[str, ...]:
    """Split a sentence into words in lower case, its final mark a full stop of its own.

    >>> words_of("The author laughs."), words_of("the author laughs")
    (('the', 'author', 'laughs', '.'), ('the', 'author', 'laughs'))
    """
    text = sentence.strip().lower()
    return (*text[:-1].split(), ".") if text.endswith((".", "?", "!")) else tuple(text.split())


def attractors_in(condition: str) -> int | None:
    """Count the nouns that differ in number from the subject, which a condition names first.

    >>> attractors_in("sing_MS_MV_plur_ES"), attractors_in("plur_MS_MV"), attractors_in("other")
    (1, 0, None)
    """
    numbers = [part for part in condition.split("_") if part in _NUMBERS]
    return sum(number != numbers[0] for number in numbers[1:]) if numbers else None


def read_pairs(path: Path) -> tuple[list[MinimalPair], list[Problem]]:
    """Read a file.

    Raises:
        UsageError: It cannot be read as text, is empty, or holds no pair at all.
    """
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(_text(path).split("\n"), 1) if line.strip()]
    if not lines:
        raise UsageError(
            f"{path}: the file is empty; a line is {', '.join(HEADER)}, tabs between them, or BLiMP's JSON"
        )
    of_json = lines[0][1].lstrip().startswith("{")
    if not of_json and [part.strip().lower() for part in lines[0][1].split("\t")] == HEADER:
        del lines[0]
    pairs: list[MinimalPair] = []
    problems: list[Problem] = []
    for number, line in lines:
        try:
            pairs.append(_from_json(line, path.stem) if of_json else _from_tabs(line, path.stem))
        except ValueError as error:
            problems.append(Problem(str(path), number, str(error)))
    if not pairs:
        raise UsageError(str(problems[0]) if problems else f"{path}: there is no pair below the header line")
    return pairs, problems


def _text(path: Path) -> str:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the files in it")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _from_tabs(line: str, name: str) -> MinimalPair:
    parts = line.split("\t")
    if len(parts) != len(HEADER):
        raise ValueError(f"{len(parts)} fields instead of {', '.join(HEADER)}, tabs between them")
    return _pair(name, attractors_in(parts[0].strip()), *parts[1:])


def _from_json(line: str, name: str) -> MinimalPair:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    values = found if isinstance(found, dict) else {}
    good, bad, uid = (values.get(key) for key in ("sentence_good", "sentence_bad", "UID"))
    if not isinstance(good, str) or not isinstance(bad, str):
        raise ValueError("sentence_good and sentence_bad must be text")
    return _pair(uid if isinstance(uid, str) and uid else name, None, good, bad)


def _pair(construction: str, attractors: int | None, good: str, bad: str) -> MinimalPair:
    pair = MinimalPair(construction, attractors, words_of(good), words_of(bad))
    if min(len(pair.good), len(pair.bad)) < 2:
        raise ValueError("a sentence has fewer than two words")
    if pair.good == pair.bad:
        raise ValueError("both sentences are the same")
    return pair


def read_all(paths: Sequence[Path]) -> tuple[dict[str, list[MinimalPair]], list[Problem]]:
    """Read files; return the pairs of each, by the file's path, and all problems.

    Raises:
        UsageError: A file cannot be used, or two have one name.
    """
    found: dict[str, list[MinimalPair]] = {}
    problems: list[Problem] = []
    names: dict[str, Path] = {}
    for path in paths:
        if path.stem in names:
            raise UsageError(f"{path} and {names[path.stem]}: two files are called {path.stem}")
        names[path.stem] = path
        found[str(path)], odd = read_pairs(path)
        problems += odd
    return found, problems

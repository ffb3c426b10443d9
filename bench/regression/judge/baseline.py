"""The accepted outcomes of a study, as a text file made for diffs: sorted, one line per seed.

It changes only by acceptances, each with a reason. Its hash covers all other content, so that edits are detected.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from longlag.regression.judge.commands import Commands
from longlag.regression.judge.entries import Entry, Outcome, place
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, Trial

FORMAT = "longlag baseline"
SCHEMA = 1
FEWEST_SEEDS = 50
LARGEST = 1_000_000
"""The largest size of the file, in bytes."""


@dataclass(frozen=True)
class Acceptance:
    """An acceptance of outcomes.

    Attributes:
        when: Its time in UTC, to the second.
        reason: Its reason, one line.
        version: The version of longlag.
        source: Hash of the source that made the outcomes, and the plugins with their hashes.
        summary: By label: solved seeds, all seeds, median updates to solve (None if fewer than half solved).
    """

    when: str
    reason: str
    version: str
    source: str
    summary: Mapping[str, tuple[int, int, int | None]]


@dataclass(frozen=True)
class Baseline:
    """The accepted outcomes of a study.

    Attributes:
        study: The study's name.
        entries: The entries, sorted by setting.
        accepted: Every acceptance, the oldest first.
    """

    study: str
    entries: tuple[Entry, ...]
    accepted: tuple[Acceptance, ...]

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits, a hash of everything in it."""
        return _hash(_plain(self))

    @property
    def seeds(self) -> list[int]:
        """Every seed of any entry, sorted."""
        return sorted({outcome.seed for entry in self.entries for outcome in entry.outcomes})


def summary_of(entries: Sequence[Entry]) -> dict[str, tuple[int, int, int | None]]:
    """Return the summary of entries for `Acceptance.summary`."""
    return {entry.label: (entry.solved, entry.n, entry.median_updates) for entry in entries}


def checked(entries: Sequence[Entry], study: str, again: str) -> None:
    """Check that entries can be a baseline.

    Args:
        entries: The entries to accept.
        study: The study's name.
        again: The command that trains enough seeds.

    Raises:
        UsageError: There are too few seeds, or trials that failed or timed out.
    """
    for entry in entries:
        lost = len(entry.outcomes) - entry.n
        if lost:
            raise UsageError(f"study {study}: {lost} trials of {entry.label} failed or timed out; {again}")
        if entry.n < FEWEST_SEEDS:
            few = f"{entry.label} has {entry.n} seeds, a baseline needs at least {FEWEST_SEEDS}"
            raise UsageError(f"study {study}: {few}; {again}")


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline; the file is replaced whole or not at all.

    Raises:
        UsageError: It would be too large to be kept in a repository.
    """
    text = as_text(baseline)
    if len(text.encode()) > LARGEST:
        size = f"{len(text.encode()) / 1e6:.1f} MB"
        raise UsageError(f"{path} would have {size}, a baseline has at most {LARGEST / 1e6:.0f} MB: take fewer seeds")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def as_text(baseline: Baseline) -> str:
    """Return the file's text: sorted keys, one line per acceptance, per entry's setting and per seed."""
    content = _plain(baseline)
    lines = ["{", '"accepted": [', *_comma_separated([_line(item) for item in content["accepted"]]), "],"]
    lines += ['"entries": [']
    for number, entry in enumerate(content["entries"], 1):
        head = _line({name: value for name, value in entry.items() if name != "outcomes"})
        outcomes = _comma_separated([_line(outcome) for outcome in entry["outcomes"]])
        lines += [f'{head[:-1]}, "outcomes": [', *outcomes, "]}" + ("," if number < len(content["entries"]) else "")]
    rest = {"format": content["format"], "hash": _hash(content), "schema": SCHEMA, "study": content["study"]}
    lines += ["],", *_comma_separated([f"{_line(name)}: {_line(value)}" for name, value in rest.items()]), "}"]
    return "\n".join(lines) + "\n"


def read(path: Path, study: str | None = None, commands: Commands | None = None) -> Baseline:
    """Read a baseline.

    Args:
        path: The file.
        study: The study that it must belong to, if any.
        commands: The commands that make a baseline, for the message if there is none.

    Raises:
        UsageError: There is none, it has another format or study, or it was edited.
        StoreError: It cannot be read, was cut short, or is newer than this program.
    """
    if not path.is_file():
        again = (commands or Commands(study or "STUDY")).train_and_accept()
        raise UsageError(f"there is no baseline {path}; {again}")
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise StoreError(f"{path} cannot be read: it is cut short, or not JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{path} is not a baseline of longlag")
    version = content.get("schema")
    if not isinstance(version, int) or version > SCHEMA:
        raise StoreError(f"{path} was written by a newer longlag (baseline schema {version}, this one knows {SCHEMA})")
    if not _fits(content.pop("hash", None), content):
        raise UsageError(f"{path} was edited: its hash does not fit; restore it, only `baseline accept` changes it")
    if study is not None and content.get("study") != study:
        raise UsageError(f"{path} is the baseline of study {content.get('study')}, not of {study}")
    return _from_plain(content, path)


def _plain(baseline: Baseline) -> dict[str, Any]:
    return {
        "accepted": [
            {
                "reason": of.reason,
                "source": of.source,
                "summary": {label: list(numbers) for label, numbers in sorted(of.summary.items())},
                "version": of.version,
                "when": of.when,
            }
            for of in baseline.accepted
        ],
        "entries": [_plain_entry(entry) for entry in sorted(baseline.entries, key=place)],
        "format": FORMAT,
        "schema": SCHEMA,
        "study": baseline.study,
    }


def _plain_entry(entry: Entry) -> dict[str, Any]:
    held = {item.name: (getattr(entry.setting, item.name), item.default) for item in fields(Trial)}
    memory = {} if entry.memory_bytes is None else {"memory_bytes": entry.memory_bytes}
    return memory | {
        "contexts": [dict(context) for context in entry.contexts],
        "floor": entry.floor,
        "outcomes": [[of.seed, of.status, of.error, of.updates_to_solve, of.fingerprint] for of in entry.outcomes],
        "seconds_per_update": entry.seconds_per_update,
        "setting": {name: value for name, (value, default) in held.items() if name != "seed" and value != default},
        "solved_below": entry.solved_below,
        "sources": list(entry.sources),
    }


def _from_plain(content: dict[str, Any], path: Path) -> Baseline:
    try:
        accepted = tuple(
            Acceptance(of["when"], of["reason"], of["version"], of["source"], _summary(of["summary"]))
            for of in content["accepted"]
        )
        if not accepted:
            raise ValueError("nothing was accepted")
        return Baseline(content["study"], tuple(_entry(plain) for plain in content["entries"]), accepted)
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # its hash is right, but it has fields that are unknown here
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} is not a baseline of this version of longlag: {reason}") from None


def _summary(plain: dict[str, list[Any]]) -> dict[str, tuple[int, int, int | None]]:
    return {label: counts(*numbers) for label, numbers in plain.items()}


def counts(solved: int, n: int, median: int | None) -> tuple[int, int, int | None]:
    """Return the numbers of a summary, which a file may hold as something else.

    Raises:
        ValueError: One is no whole number.
        TypeError: One is not even a number.
    """
    return int(solved), int(n), None if median is None else int(median)


def _entry(plain: dict[str, Any]) -> Entry:
    return Entry(
        Trial(seed=0, **plain["setting"]),
        tuple(
            Outcome(seed, Status(status).value, status == Status.SOLVED, error, updates, fingerprint)
            for seed, status, error, updates, fingerprint in plain["outcomes"]
        ),
        solved_below=plain["solved_below"],
        floor=plain["floor"],
        contexts=tuple(tuple(context.items()) for context in plain["contexts"]),
        sources=tuple(plain["sources"]),
        seconds_per_update=plain["seconds_per_update"],
        memory_bytes=plain.get("memory_bytes"),
    )


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(_line(content).encode()).hexdigest()[:16]


def _fits(stored: Any, content: dict[str, Any]) -> bool:
    """Return whether a stored hash is the content's, which may be invalid: NaN, half of a surrogate pair."""
    try:
        return bool(stored == _hash(content))
    except (ValueError, RecursionError):
        return False


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _comma_separated(lines: Sequence[str]) -> list[str]:
    return [f"{line}," for line in lines[:-1]] + list(lines[-1:])

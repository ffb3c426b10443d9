"""Collects each trial's results in all shards, by place and digest, to see whether they are one result or several."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longlag.plan.study import Study
from longlag.process.provenance import processor_of, source_hash
from longlag.shards.file import ENDING, NotBegunError, count_line, read_header, read_lines
from longlag.shards.header import Header, plan_digest
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import TrialResult

_BESIDE = ("wall_seconds", "environment")
"""The fields of a result that say how it was made; they may differ between equal results."""
_APART = ("frames",)
"""The fields that are stored in further tables, which not every run of a trial fills."""
_NO_NUMBER = (None, "nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished trial in a shard or in the store: what a merge may choose for its key.

    Attributes:
        path: The shard; None for a row of the store.
        offset: Bytes before its line.
        is_result: Whether it has a result, and did not fail or time out.
        present: Whether the present source code made it.
        content: Digest of its result, without the fields that say how it was made.
        whole: Digest of all its fields; it decides between equal contents.
        processor: The type of processor that made it.
    """

    path: Path | None
    offset: int
    is_result: bool
    present: bool
    content: bytes
    whole: bytes
    processor: str

    @classmethod
    def of(
        cls, result: TrialResult, plain: Mapping[str, Any], path: Path | None = None, offset: int = 0
    ) -> "Candidate":
        """Return the candidate for a result; numbers that are not finite count as missing, as in a store.

        Args:
            result: The result.
            plain: The result as `to_plain` writes it.
            path: The shard; None for a row of the store.
            offset: Bytes before its line.
        """
        content = _digest(_settled({name: value for name, value in plain.items() if name not in _BESIDE + _APART}))
        beside = [plain.get(name) for name in _BESIDE]
        present = result.environment.get("source") == source_hash()
        whole = content + _digest(beside)
        return cls(path, offset, result.status.is_result, present, content, whole, processor_of(result.environment))


def _settled(value: Any) -> Any:
    """Return a value without entries that are None or not finite."""
    if isinstance(value, dict):
        return {name: _settled(one) for name, one in value.items() if one not in _NO_NUMBER}
    return [_settled(one) for one in value] if isinstance(value, list) else value


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Shard:
    """A shard to read.

    Attributes:
        path: The file.
        header: Its first line.
    """

    path: Path
    header: Header


@dataclass
class Held:
    """The content of one shard.

    Attributes:
        shard: The shard.
        trials: The line that counts for each trial, by key.
        runs_failed: The runs in a row in which a trial failed or ran out of time, by key.
        faults: A message for each line that cannot be used.
    """

    shard: Shard
    trials: dict[str, Candidate] = field(default_factory=dict)
    runs_failed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def results(self) -> int:
        """The number of trials with a result."""
        return sum(line.is_result for line in self.trials.values())


def shards_in(places: Iterable[Path]) -> tuple[list[Shard], list[str]]:
    """Return the shards among files and in folders, each once, and a message for each that holds nothing yet.

    Raises:
        UsageError: There are none, or a file is missing.
        StoreError: A file is not a shard, is newer than this program, or its first line is damaged.
    """
    places = list(places)
    files = [file for place in places for file in (sorted(place.glob(f"*{ENDING}")) if place.is_dir() else [place])]
    shards: dict[Path, Shard] = {}
    empty = []
    for file in files:
        try:
            shards.setdefault(file.resolve(), Shard(file, read_header(file)))
        except NotBegunError as error:
            empty.append(str(error))
    if not shards:
        where = ", ".join(map(str, places))
        raise UsageError(f"there are no shards in {where}: longlag run STUDY --shard 1/N makes the first of N")
    return list(shards.values()), empty


def study_of(name: str, shards: Sequence[Shard], wanted: Study | None = None) -> Study:
    """Return the study that all shards belong to.

    Args:
        name: The name that it must have.
        shards: The shards.
        wanted: The study that it must equal, if one is given.

    Raises:
        UsageError: A shard belongs to another study or another plan of it, or the plan cannot be made here.
    """
    first = shards[0]
    for path, header in ((shard.path, shard.header) for shard in shards):
        if header.study != name:
            raise UsageError(f"{path} belongs to study {header.study}, not {name}")
        if header.plan != first.header.plan:
            rule = "shards of one study are made with the same options and versions"
            raise UsageError(f"{path} belongs to another plan of study {name} than {first.path}: {rule}")
    if wanted is not None and plan_digest(wanted.trials()) != first.header.plan:
        raise UsageError(f"{first.path} belongs to another plan of study {name} than {wanted.origin}")
    return first.header.make_study(str(first.path))


def read_shard(shard: Shard, keys: Iterable[str]) -> Held:
    """Read the content of a shard.

    Args:
        shard: The shard.
        keys: The keys of the plan's trials.
    """
    planned, held = set(keys), Held(shard)
    for line in read_lines(shard.path):
        fault = line.fault
        if line.result is not None:
            key = line.result.trial.key
            if key in planned:
                count_line(line.result, held.runs_failed)
                candidate = Candidate.of(line.result, line.plain, shard.path, line.offset)
                if candidate.is_result or key not in held.trials or not held.trials[key].is_result:
                    held.trials[key] = candidate
                continue
            fault = f"trial {key} is not in the plan"
        held.faults.append(f"{shard.path} line {line.number} is left out: {fault}")
    return held


def chosen(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the line or row of a trial that is stored; None where they hold several different results.

    Results are preferred to failures, and results of the present source code to those of other code.
    """
    every = list(candidates)
    results = [one for one in every if one.is_result]
    present = [one for one in results if one.present]
    rest = present or results or every
    if results and len({one.content for one in rest}) > 1:
        return None
    return min(rest, key=lambda one: one.whole)


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the different results, each once, in an order that depends on their content alone."""
    by_content: dict[bytes, Candidate] = {}
    for one in sorted((one for one in candidates if one.is_result), key=lambda one: one.whole):
        by_content.setdefault(one.content, one)
    return [by_content[content] for content in sorted(by_content)]

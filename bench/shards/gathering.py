"""What shards hold of each trial, without the trials themselves: where they lie, and whether they are one result."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longlag.plan.study import Study
from longlag.process.provenance import processor_of, source_hash
from longlag.shards.file import ENDING, NotBegunError, read_header, read_lines
from longlag.shards.header import Header, plan_digest
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import TrialResult

_BESIDE = ("wall_seconds", "environment")
"""Fields of a result that say how it came about, not what came of it."""
_APART = ("frames",)
"""Fields that are rows of further tables, which not every run of a trial fills."""
_NO_NUMBER = (None, "nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Found:
    """A finished trial, wherever it is.

    Attributes:
        path: The shard; None where it is a row of the store.
        offset: Bytes before its line.
        is_result: Whether it is more than a failure.
        present: Whether the present source code made it.
        content: Digest of what came of it.
        whole: Digest of that and of how it came about; decides between equal contents.
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
    def of(cls, result: TrialResult, plain: Mapping[str, Any], path: Path | None = None, offset: int = 0) -> "Found":
        """Return what is to be known of a result, whose numbers that are not finite are missing, as in a store.

        Args:
            result: The result.
            plain: The same as of `to_plain`.
            path: The shard.
            offset: Bytes before its line.
        """
        content = _digest(_settled({name: value for name, value in plain.items() if name not in _BESIDE + _APART}))
        beside = [plain.get(name) for name in _BESIDE]
        present = result.environment.get("source") == source_hash()
        whole = content + _digest(beside)
        return cls(path, offset, result.status.is_result, present, content, whole, processor_of(result.environment))


def _settled(value: Any) -> Any:
    """Return a value without the entries that have no number."""
    if isinstance(value, dict):
        return {name: _settled(one) for name, one in value.items() if one not in _NO_NUMBER}
    return [_settled(one) for one in value] if isinstance(value, list) else value


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Shard:
    """A shard that is to be read.

    Attributes:
        path: The file.
        header: Its first line.
    """

    path: Path
    header: Header


@dataclass
class Held:
    """What one shard holds.

    Attributes:
        shard: The shard.
        trials: By key, what counts of each trial.
        faults: What is wrong with its lines, one line of text each.
    """

    shard: Shard
    trials: dict[str, Found] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def results(self) -> int:
        """Trials with a result."""
        return sum(found.is_result for found in self.trials.values())


def shards_in(places: Iterable[Path]) -> tuple[list[Shard], list[str]]:
    """Return the shards among files and in folders, each once, and a line on each that holds nothing yet.

    Raises:
        UsageError: There are none, or a file is missing.
        StoreError: A file is no shard, is newer than this program, or its first line is damaged.
    """
    places = list(places)
    files = [file for place in places for file in (sorted(place.glob(f"*{ENDING}")) if place.is_dir() else [place])]
    found: dict[Path, Shard] = {}
    empty = []
    for file in files:
        try:
            found.setdefault(file.resolve(), Shard(file, read_header(file)))
        except NotBegunError as error:
            empty.append(str(error))
    if not found:
        where = ", ".join(map(str, places))
        raise UsageError(f"there are no shards in {where}: longlag run STUDY --shard 1/N makes the first of N")
    return list(found.values()), empty


def study_of(name: str, shards: Sequence[Shard], wanted: Study | None = None) -> Study:
    """Return the study that all shards are of.

    Args:
        name: What it must be called.
        shards: The shards.
        wanted: The very study that they must be of, if it is known.

    Raises:
        UsageError: One is of another study, or of another plan of it, or the plan cannot be made here.
    """
    first = shards[0]
    for path, header in ((shard.path, shard.header) for shard in shards):
        if header.study != name:
            raise UsageError(f"{path} is of study {header.study}, not {name}")
        if header.plan != first.header.plan:
            rule = "shards of one study are made with the same options and versions"
            raise UsageError(f"{path} is of another plan of study {name} than {first.path}: {rule}")
    if wanted is not None and plan_digest(wanted.trials()) != first.header.plan:
        raise UsageError(f"{first.path} is of another plan of study {name} than {wanted.origin}")
    return first.header.make_study(str(first.path))


def read_shard(shard: Shard, keys: Iterable[str]) -> Held:
    """Read what a shard holds.

    Args:
        shard: The shard.
        keys: Of the plan's trials.
    """
    planned, held = set(keys), Held(shard)
    for line in read_lines(shard.path):
        fault = line.fault
        if line.result is not None:
            key = line.result.trial.key
            if key in planned:
                found = Found.of(line.result, line.plain, shard.path, line.offset)
                if found.is_result or key not in held.trials or not held.trials[key].is_result:
                    held.trials[key] = found
                continue
            fault = f"trial {key} is not of the plan"
        held.faults.append(f"{shard.path} line {line.number} is left out: {fault}")
    return held


def chosen(found: Iterable[Found]) -> Found | None:
    """Return the one that is to be stored of what there is of a trial; None where it holds several results.

    What the present source code made is preferred to what other code did, a result to a failure.
    """
    every = list(found)
    results = [one for one in every if one.is_result]
    present = [one for one in results if one.present]
    rest = present or results or every
    if results and len({one.content for one in rest}) > 1:
        return None
    return min(rest, key=lambda one: one.whole)


def distinct(found: Iterable[Found]) -> list[Found]:
    """Return the results that differ, one of each, in an order that follows from what they are."""
    by_content: dict[bytes, Found] = {}
    for one in sorted((one for one in found if one.is_result), key=lambda one: one.whole):
        by_content.setdefault(one.content, one)
    return [by_content[content] for content in sorted(by_content)]

"""Merges shards into a study's store: the outcome depends neither on their order nor on repetition.

For each trial, the lines of all shards, the row of the store and the results set aside by earlier merges are compared.
If they are one result, it is stored. If they are several, none is stored: all are set aside in one file, and the trial
is missing. So the outcome depends on the content of the shards alone, not on which came first.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.process.provenance import processor_of
from longlag.shards import lines
from longlag.shards.file import ENDING, read_line, read_lines, trial_line
from longlag.shards.gathering import Candidate, Held, chosen, distinct
from longlag.shards.header import Header
from longlag.store.file import StoreError, sync_folder
from longlag.store.schema import Facts
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.plain import to_plain
from longlag.values.trial import Status, Trial, TrialResult

CONFLICTS = f"conflicts{ENDING}"
"""The file in a study's folder with all results of the trials that have several."""


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge.

    Attributes:
        written: Rows of the store that are new or changed.
        conflicts: Keys of the trials that have several results.
        aside: The file that keeps the results of these trials.
        statuses: How the trials of the plan that have a row ended.
        missing: Trials without a result, in the plan's order.
        processors: Types of processor that made the results.
    """

    written: int
    conflicts: tuple[str, ...]
    aside: Path
    statuses: Counter[Status]
    missing: tuple[Trial, ...]
    processors: Counter[str]


def merge(study: Study, held: Sequence[Held], results: Path, same_processor: bool = False) -> Merged:
    """Merge the content of shards into the store of their study.

    Args:
        study: The study.
        held: The content of its shards.
        results: The results folder.
        same_processor: Refuse results of several types of processor.

    Raises:
        UsageError: Results are of several types of processor, and ``same_processor`` is set; nothing was written.
        StoreError: The store or a shard cannot be used; the store is as before.
    """
    path, aside = store_path(study.name, results), results / study.name / CONFLICTS
    if same_processor:
        with Store.open_for_reading(path) if path.exists() else nullcontext() as stored:
            _refuse_several(_united(study, held, stored, aside).processors)
    with Store.open_for_writing(path) as store:
        union = _united(study, held, store, aside)
        settled = list(_results(one for one in union.new if one.path == aside))  # read before the file is written anew
        if union.conflicts:
            _set_aside(aside, study, union.conflicts, store)
        store.write_plan(study.title, [(planned.trial, planned.facts) for planned in study.planned])
        fresh = _results(one for one in union.new if one.path != aside)
        store.take(chain(settled, fresh), without=union.conflicts)
        if not union.conflicts:
            aside.unlink(missing_ok=True)
        rows = store.stored()
    return Merged(
        written=len(union.new),
        conflicts=tuple(union.conflicts),
        aside=aside,
        statuses=Counter(rows[trial.key].status for trial in study.trials() if trial.key in rows),
        missing=tuple(one for one in study.trials() if one.key not in rows or not rows[one.key].status.is_result),
        processors=union.processors,
    )


@dataclass(frozen=True)
class _Union:
    """The comparison of shards, store and results set aside.

    Attributes:
        new: Results that the store lacks or holds in another form.
        conflicts: The different results of each trial that has several, by key, sorted.
        processors: Types of processor that made the results of the plan.
    """

    new: list[Candidate]
    conflicts: dict[str, list[Candidate]]
    processors: Counter[str]


def _united(study: Study, held: Sequence[Held], store: Store | None, aside: Path) -> _Union:
    candidates: dict[str, list[Candidate]] = defaultdict(list)
    for key, one in ((key, one) for shard in held for key, one in shard.trials.items()):
        candidates[key].append(one)
    for key, one in _aside(aside):
        candidates[key].append(one)
    rows = {} if store is None else store.stored()
    before: dict[str, bytes] = {}
    for key in candidates.keys() & rows.keys():
        assert store is not None
        result = store.result(key)
        assert result is not None
        stored = Candidate.of(result, to_plain(result))
        candidates[key].append(stored)
        before[key] = stored.whole
    best = {key: chosen(of_trial) for key, of_trial in candidates.items()}
    processors = ({} if store is None else _processors(store)) | {
        key: one.processor for key, one in best.items() if one is not None and one.is_result
    }
    return _Union(
        new=[one for key, one in best.items() if one is not None and one.whole != before.get(key)],
        conflicts={key: distinct(candidates[key]) for key in sorted(best) if best[key] is None},
        processors=Counter(
            processors[one.key]
            for one in study.trials()
            if one.key in processors and best.get(one.key, one) is not None
        ),
    )


def _aside(path: Path) -> Iterator[tuple[str, Candidate]]:
    """Yield the results that earlier merges set aside, by key.

    Raises:
        StoreError: The file is damaged.
    """
    if not path.exists():
        return
    for line in read_lines(path):
        if line.result is None:
            raise StoreError(f"{path} line {line.number} cannot be used: {line.fault}; move the file away")
        yield line.result.trial.key, Candidate.of(line.result, line.plain, path, line.offset)


def _processors(store: Store) -> dict[str, str]:
    """Return the type of processor that made each stored result, by key."""
    by_text: dict[str, str] = {}
    types = {}
    for page in store.pages("trials"):
        for key, status, text in zip(page["key"], page["status"], page["environment"], strict=True):
            if text not in by_text:
                by_text[text] = processor_of(json.loads(text))
            if Status(status).is_result:
                types[key] = by_text[text]
    return types


def _refuse_several(processors: Counter[str]) -> None:
    if len(processors) > 1:
        listed = ", ".join(f"{name} ({count} trials)" for name, count in sorted(processors.items()))
        raise UsageError(f"--require-same-processor: {len(processors)} types of processor made these results: {listed}")


def _set_aside(path: Path, study: Study, conflicts: Mapping[str, Sequence[Candidate]], store: Store) -> None:
    """Write all results of the trials that have several; the file is whole, or as before.

    Raises:
        StoreError: The file cannot be written; nothing was merged.
    """
    content = [lines.written(Header.of(study).line)]
    for key, of_trial in conflicts.items():
        for one in of_trial:
            result = store.result(key) if one.path is None else read_line(one.path, one.offset)
            assert result is not None
            content.append(trial_line(result, facts(result.trial)))
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("xb") as file:  # not through a link
            file.write(b"".join(content))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}; nothing was merged") from error
    finally:
        part.unlink(missing_ok=True)


def _results(chosen_lines: Iterable[Candidate]) -> Iterator[tuple[TrialResult, Facts]]:
    """Yield results, read again from their shards."""
    for one in chosen_lines:
        assert one.path is not None
        result = read_line(one.path, one.offset)
        yield result, facts(result.trial)

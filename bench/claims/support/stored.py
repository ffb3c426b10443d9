"""The file of verdicts: JSON with a schema version, sorted and without times: the same bytes each time."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from longlag.claims.base import LECTURE
from longlag.claims.support.answering import Answer
from longlag.claims.support.decisions import Kind, Verdict
from longlag.claims.support.fixed import rule_hash
from longlag.store.file import StoreError
from longlag.store.results import write_csv
from longlag.tasks.support.errors import UsageError

FILE, TIMES, ROWS = "claims.json", "timings.csv", "rows"
FORMAT, SCHEMA = "longlag claims", 1

Entry = dict[str, Any]


def entries_of(answer: Answer, tier: int) -> list[Entry]:
    """Return an answer's verdicts, one a rule, as they are stored."""
    claim = answer.claim
    return [
        {
            "claim": claim.number(),
            "rule": rule.name,
            "tier": tier,
            "sentence": claim.sentence,
            "asks": rule.asks,
            "verdict": str(verdict.kind),
            "effect": _effect(verdict),
            "minimum": rule.minimum,
            "unit": rule.unit,
            "level": None if rule.minimum is None else claim.bar(rule).level,
            "n": verdict.n,
            "seeds_needed": verdict.seeds if verdict.kind is Kind.UNDECIDED else None,
            "said": said(rule.told, verdict),
            "boundary": claim.boundary,
            "rule_hash": rule_hash(claim),
        }
        for rule, verdict in answer.judged()
    ]


def _effect(verdict: Verdict) -> list[float | None] | None:
    if verdict.effect is None:
        return None
    return [round(end, 6) if math.isfinite(end) else None for end in verdict.effect]


def said(told: str, verdict: Verdict) -> str:
    """Fill a rule's sentence from the numbers of its verdict."""
    return told.format(**{"n": verdict.n, **verdict.numbers})


def read(folder: Path) -> list[Entry]:
    """Return the stored verdicts; none where no file is.

    Raises:
        StoreError: The file is not one of ours, or was written by a newer version.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        is_ours, schema, verdicts = held["format"] == FORMAT, held["schema"], list(held["verdicts"])
        for entry in verdicts:
            entry["claim"], entry["rule"], entry["tier"], entry["rule_hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise StoreError(f"{path} holds no verdicts of {FORMAT}: move it away")
    if schema != SCHEMA:
        raise StoreError(f"{path} has schema {schema}, this version reads {SCHEMA}: use the version that wrote it")
    return verdicts


def check_rules(held: Sequence[Entry], claims: Sequence[Any], folder: Path) -> None:
    """Refuse stored verdicts of claims that are asked for, made by another rule than today's.

    Raises:
        UsageError: There is one.
    """
    today = {claim.number(): rule_hash(claim) for claim in claims}
    for entry in held:
        if not entry.get("superseded") and today.get(entry["claim"], entry["rule_hash"]) != entry["rule_hash"]:
            told = f"rule {entry['rule_hash']}, today's is {today[entry['claim']]}"
            raise UsageError(
                f"{folder / FILE}: the verdict on claim {entry['claim']} was made by {told}; "
                "--new-rules judges anew and keeps it as superseded"
            )


def joined(held: Sequence[Entry], new: Sequence[Entry]) -> list[Entry]:
    """Return stored verdicts with new ones, which replace those of the same rule and tier; others stay, marked."""
    found = {_place(entry): entry for entry in held}
    hashes = {entry["claim"]: entry["rule_hash"] for entry in new}
    for place, entry in found.items():
        if entry["claim"] in hashes and entry["rule_hash"] != hashes[entry["claim"]]:
            found[place] = {**entry, "superseded": True}
    found |= {_place(entry): entry for entry in new}
    return [found[place] for place in sorted(found)]


def _place(entry: Entry) -> tuple[int, str, int, str]:
    return entry["claim"], entry["rule"], entry["tier"], entry["rule_hash"]


def write(entries: Sequence[Entry], folder: Path) -> Path:
    """Write the file of verdicts, whole or not at all."""
    path = folder / FILE
    text = json.dumps({"format": FORMAT, "schema": SCHEMA, "lecture": LECTURE, "verdicts": list(entries)}, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)
    return path


def write_rows(answer: Answer, folder: Path) -> None:
    """Write what each rule was given, so that anyone can compute the numbers again: ``rows/04a.csv``."""
    (folder / ROWS).mkdir(parents=True, exist_ok=True)
    for rule, _ in answer.judged():
        write_csv(answer.frames[rule.name], folder / ROWS / f"{answer.claim.number():02}{rule.name}.csv")


def write_times(seconds: dict[int, float], folder: Path) -> dict[int, float]:
    """Note what claims took, beside what was noted of others; return all."""
    path = folder / TIMES
    held = pd.read_csv(path).set_index("claim")["worker_seconds"].to_dict() if path.is_file() else {}
    if not seconds:
        return {int(str(number)): float(took) for number, took in held.items()}
    together = {int(str(number)): float(took) for number, took in (held | seconds).items()}
    frame = pd.DataFrame(sorted(together.items()), columns=["claim", "worker_seconds"]).round({"worker_seconds": 1})
    write_csv(frame, path)
    return together

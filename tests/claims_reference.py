"""The verdicts in `results/reference/claims`: judged again from their rows, and taken over from a folder of results.

    python tests/claims_reference.py                  # judges all again from the rows, by today's rules
    python tests/claims_reference.py results/claims   # takes over verdicts, rows, figures and times from there first

Rows that are those of a claim's first rule are kept once.
"""

import gzip
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from longlag.claims.base import Claim, Rule
from longlag.claims.support import stored, told
from longlag.claims.support.decisions import Verdict
from longlag.claims.support.fixed import rule_hash
from longlag.claims.support.named import claims

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference" / "claims"
RULES: Mapping[tuple[int, str], tuple[Claim, Rule]] = {
    (claim.number(), rule.name): (claim, rule) for claim in claims() for rule in claim.rules
}

NAMES: Mapping[int, dict[str, type]] = {13: {"stack": str}}
"""Columns of a claim's rows that hold names, though they look like numbers."""


def rows_of(number: int, name: str) -> pd.DataFrame:
    """Return what a rule was given."""
    paths = [REFERENCE / "rows" / f"{number:02}{letter}.csv.gz" for letter in (name, "a")]
    path = next(path for path in paths if path.is_file())
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=NAMES.get(number))


def judged(entry: Mapping[str, Any]) -> Verdict:
    """Judge a stored verdict's rows by today's rule."""
    claim, rule = RULES[entry["claim"], entry["rule"]]
    return rule.judge(rows_of(entry["claim"], entry["rule"]), claim.bar(rule))


def again(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored verdict as today's rule gives it from the same rows."""
    claim, rule = RULES[entry["claim"], entry["rule"]]
    (made,) = [
        one
        for one in stored.entries_of(stored.Answer(claim, {rule.name: judged(entry)}, {}, 0.0, 0), entry["tier"])
        if one["rule"] == rule.name
    ]
    return {**made, "rule_hash": rule_hash(claim)}


def take_over(folder: Path) -> None:
    """Copy the verdicts of a folder of results with all that they rest on."""
    taken = [entry for entry in stored.read(folder) if not entry.get("superseded")]
    numbers = {entry["claim"] for entry in taken}
    kept = [entry for entry in stored.read(REFERENCE) if entry["claim"] not in numbers]
    stored.write(stored.joined(kept, taken), REFERENCE)
    for number in numbers:
        for old in (REFERENCE / "rows").glob(f"{number:02}?.csv.gz"):
            old.unlink()
        first = (folder / "rows" / f"{number:02}a.csv").read_bytes()
        for path in sorted((folder / "rows").glob(f"{number:02}?.csv")):
            if path.name[2] == "a" or path.read_bytes() != first:
                (REFERENCE / "rows" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        shutil.copy(folder / "figures" / f"{number:02}.png", REFERENCE / "figures")
    times = pd.read_csv(folder / stored.TIMES).set_index("claim")["worker_seconds"]
    stored.write_times({number: float(times[number]) for number in numbers}, REFERENCE)


def main() -> None:
    """Do what the arguments ask."""
    if sys.argv[1:]:
        take_over(Path(sys.argv[1]))
    entries = [again(entry) for entry in stored.read(REFERENCE)]
    stored.write(entries, REFERENCE)
    verdicts = told.frame_of(entries, told.highest(entries), stored.write_times({}, REFERENCE))
    told.write_page(claims(), verdicts, REFERENCE)


if __name__ == "__main__":
    main()

"""`longlag check --self-test`: how often the procedure is wrong, counted on outcomes that were simulated once.

Every simulated check is the whole two-stage procedure against the one baseline: ten seeds are drawn from the pool as
the change's, thirty others as the confirmation's. The pool shares no seed with the baseline.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from bench.regression.comparison import MINIMUM_EFFECT
from bench.regression.entries import Entry, Outcome
from bench.regression.statistics import superiority
from bench.regression.verdict import CONFIRM_SEEDS, Ruling, decide
from bench.report.text import aligned
from bench.seeding import stream
from bench.trial import Status
from tasks.options import UsageError

HEALTHY = ""
"""The name of the plant that changes nothing."""
CHECKS, MOST_ALARMS = 2000, 12
"""Simulated checks of healthy outcomes; so many alarms bound their rate by 1 % with confidence .95."""
PLANTED_CHECKS = 200
POWER = 0.9
FIRST_SEEDS = 10
_MOST_HARMLESS = 0.02

Outcomes = Mapping[str, Mapping[str, tuple[Outcome, ...]]]
"""By plant and by entry's key, sorted by seed."""


@dataclass(frozen=True)
class Line:
    """What came of the simulated checks of one change in one entry.

    Attributes:
        change: The change; empty for none.
        entry: The entry's label; all of them where it is empty.
        checks: Simulated checks.
        regressed: Those that said so.
        superiority: How often a changed outcome beats a healthy one of the pool; None where there are many entries.
        share: By how much the solved share differs from the pool's.
        worse: Whether it ought to be found.
        unchanged: Whether every outcome is that of the same seed in the pool.
    """

    change: str
    entry: str
    checks: int
    regressed: int
    superiority: float | None = None
    share: float | None = None
    worse: bool = False
    unchanged: bool = False

    @property
    def fraction(self) -> float:
        """Share of the checks that said regressed."""
        return self.regressed / self.checks

    @property
    def is_small(self) -> bool:
        """Whether the change does less than the minimum effect."""
        return (
            self.superiority is not None
            and self.share is not None
            and self.superiority > 0.5 - MINIMUM_EFFECT
            and self.share > -MINIMUM_EFFECT
        )


@dataclass(frozen=True)
class SelfTest:
    """All lines; the first is about healthy outcomes."""

    lines: tuple[Line, ...]

    @property
    def healthy(self) -> Line:
        """What came of healthy outcomes."""
        return self.lines[0]

    @property
    def by_change(self) -> dict[str, list[Line]]:
        """The lines of planted changes."""
        found: dict[str, list[Line]] = {}
        for line in self.lines[1:]:
            found.setdefault(line.change, []).append(line)
        return found

    @property
    def bound(self) -> float:
        """One-sided upper bound of the rate of false alarms, confidence .95 (Clopper & Pearson 1934)."""
        alarms, checks = self.healthy.regressed, self.healthy.checks
        return float(stats.beta.ppf(0.95, alarms + 1, checks - alarms)) if alarms < checks else 1.0

    def failures(self) -> list[str]:
        """Say in one line each what is not as it should be."""
        found = []
        if self.healthy.fraction > MOST_ALARMS / CHECKS:
            found.append(f"{self.healthy.regressed} false alarms in {self.healthy.checks} checks")
        for change, lines in self.by_change.items():
            best = max(line.fraction for line in lines)
            if not lines[0].worse and best > _MOST_HARMLESS:
                found.append(f"{change}: called a regression in {best:.1%} of the checks")
            if lines[0].worse and best < POWER and not all(line.is_small for line in lines):
                found.append(f"{change}: found in {best:.1%} of the checks")
        return found


def read_outcomes(path: Path) -> Outcomes:
    """Read what `bench.regression.simulate` wrote.

    Raises:
        UsageError: There is no such file, or it holds something else.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        found: dict[str, dict[str, list[Outcome]]] = {}
        for row in rows:
            found.setdefault(row["plant"], {}).setdefault(row["entry"], []).append(_outcome(row))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or 'is not compressed'}") from None
    except (EOFError, KeyError, ValueError, zlib.error):
        raise UsageError(f"{path} does not hold simulated outcomes") from None
    return {
        plant: {entry: tuple(sorted(outcomes, key=lambda one: one.seed)) for entry, outcomes in entries.items()}
        for plant, entries in found.items()
    }


def _outcome(row: Mapping[str, str]) -> Outcome:
    solved = Status(row["status"]) is Status.SOLVED
    return Outcome(
        seed=int(row["seed"]),
        status=row["status"],
        solved=solved,
        error=float(row["error"]) if row["error"] else None,
        updates_to_solve=int(row["updates_to_solve"]) if solved else None,
    )


def self_test(
    baseline: Sequence[Entry],
    outcomes: Outcomes,
    harmful: Mapping[str, bool],
    checks: int = CHECKS,
    planted_checks: int = PLANTED_CHECKS,
) -> SelfTest:
    """Count what the procedure says of healthy and of planted outcomes.

    Args:
        baseline: The entries that were accepted.
        outcomes: Of the pool, under the name `HEALTHY`, and of planted changes.
        harmful: Whether a planted change is a regression, by its name.
        checks: Simulated checks of healthy outcomes.
        planted_checks: The same of each planted change in each entry.

    Raises:
        UsageError: The outcomes are not those of these entries, or share seeds with the baseline.
    """
    pool = _pool(baseline, outcomes)
    lines = [Line("", "", checks, sum(_alarms(baseline, pool, checks, HEALTHY)))]
    by_key = {entry.key: entry for entry in baseline}
    for change, worse in harmful.items():
        for key, planted in outcomes.get(change, {}).items():
            if key in by_key:
                lines.append(_planted(change, worse, by_key[key], planted, pool[key], planted_checks))
    return SelfTest(tuple(lines))


def _pool(baseline: Sequence[Entry], outcomes: Outcomes) -> Mapping[str, tuple[Outcome, ...]]:
    pool = outcomes.get(HEALTHY, {})
    for entry in baseline:
        held = {outcome.seed for outcome in pool.get(entry.key, ())}
        if len(held) < FIRST_SEEDS + CONFIRM_SEEDS:
            raise UsageError(
                f"{entry.label}: {len(held)} simulated outcomes; make them with python -m bench.regression.simulate"
            )
        if shared := held & {outcome.seed for outcome in entry.outcomes}:
            raise UsageError(f"{entry.label}: seed {min(shared)} is in the baseline and among the simulated outcomes")
    return pool


def _planted(
    change: str, worse: bool, entry: Entry, planted: tuple[Outcome, ...], pool: tuple[Outcome, ...], checks: int
) -> Line:
    healthy = {outcome.seed: outcome for outcome in pool}
    if all(healthy.get(outcome.seed) == outcome for outcome in planted):
        return Line(change, entry.label, checks, 0, 0.5, 0.0, worse, unchanged=True)
    regressed = sum(_alarms([entry], {entry.key: planted}, checks, change))
    before, after = replace(entry, outcomes=pool), replace(entry, outcomes=planted)
    better = superiority(before.badness, after.badness)
    share = after.solved / after.n - before.solved / before.n
    return Line(change, entry.label, checks, regressed, better, share, worse)


def _alarms(baseline: Sequence[Entry], pool: Mapping[str, tuple[Outcome, ...]], checks: int, name: str) -> list[bool]:
    """Return whether each simulated check says that some entry regressed.

    The entries of one check have the same seeds, as in a run.
    """
    count = min(len(pool[entry.key]) for entry in baseline)
    generator = stream("self-test", name, *sorted(entry.key for entry in baseline)).generator()
    found = []
    for _ in range(checks):
        drawn = generator.permutation(count)
        first, second = drawn[:FIRST_SEEDS], drawn[FIRST_SEEDS : FIRST_SEEDS + CONFIRM_SEEDS]
        new = [_with(entry, pool[entry.key], first) for entry in baseline]

        def confirm(flagged: Sequence[Entry], _: Sequence[int], second: np.ndarray = second) -> list[Entry]:
            return [_with(entry, pool[entry.key], second) for entry in flagged]

        verdicts = decide(baseline, new, confirm, ())
        found.append(any(verdict.ruling is Ruling.REGRESSED for verdict in verdicts))
    return found


def _with(entry: Entry, outcomes: tuple[Outcome, ...], places: np.ndarray) -> Entry:
    return replace(entry, outcomes=tuple(outcomes[place] for place in places))


def render(found: SelfTest, what: Mapping[str, str]) -> str:
    """Return the lines as a table, and what is not as it should be.

    Args:
        found: What came of it.
        what: Changes in words, by name.
    """
    healthy = found.healthy
    said = f"{healthy.regressed} false alarms in {healthy.checks} simulated checks where nothing changed"
    head = f"{said}: at most {found.bound:.2%} (one-sided 95 % bound)"
    rows = [_row(lines, what[change]) for change, lines in found.by_change.items()]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
    failures = found.failures()
    verdict = [f"FAILED {failure}" for failure in failures] or ["the procedure does what it promises"]
    table = ["", *aligned(columns, {"planted change", "most often in", "verdict"})] if rows else []
    return "\n".join([head, *table, "", *verdict]) + "\n"


_COLUMNS = (
    "planted change", "found in", "most often in", "solved, change", "beats healthy", "called a regression", "verdict",
)  # fmt: skip


def _row(lines: Sequence[Line], what: str) -> tuple[str, ...]:
    """Show the entry in which a change is called a regression most often, and in how many of them it is found."""
    most = max(lines, key=lambda line: (line.fraction, -(line.superiority or 0.0)))
    assert most.superiority is not None
    assert most.share is not None
    count = f"{sum(line.fraction >= POWER for line in lines)} of {len(lines)}"
    effects = (f"{100 * most.share:+.0f}", f"{most.superiority:.0%}", f"{most.fraction:.1%}")
    return what, count, most.entry, *effects, _told(lines, most)


def _told(lines: Sequence[Line], most: Line) -> str:
    if all(line.unchanged for line in lines):
        return "unchanged, to the last digit"
    if not most.worse:
        return "silent" if most.fraction <= _MOST_HARMLESS else "FALSE ALARM"
    if most.fraction >= POWER:
        return "found"
    return "less than the minimum effect" if all(line.is_small for line in lines) else "MISSED"

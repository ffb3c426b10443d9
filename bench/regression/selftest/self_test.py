"""`longlag check --self-test`: how often the procedure is wrong, counted on outcomes that were simulated once.

Every simulated check is the whole two-stage procedure against the one baseline: ten seeds are drawn from the pool as
the change's, thirty others as the confirmation's. The pool shares no seed with the baseline.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from longlag.regression.judge.comparison import MINIMUM_EFFECT
from longlag.regression.judge.effects import superiority
from longlag.regression.judge.entries import Entry, Outcome
from longlag.regression.judge.procedure import CONFIRM_SEEDS, decide
from longlag.regression.judge.verdict import Asked, Ruling
from longlag.regression.selftest.pool import HEALTHY, Outcomes
from longlag.report.text.terminal import aligned
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream

CHECKS, MOST_ALARMS = 2000, 12
"""Simulated checks of healthy outcomes; so many alarms bound their rate by 1 % with confidence .95."""
PLANTED_CHECKS = 200
POWER = 0.9
FIRST_SEEDS = 10
_MOST_HARMLESS = 0.02
_PARTS = 8  # of the healthy checks, for processes to share: however many there are, the same seeds are drawn


@dataclass(frozen=True)
class SelfTestLine:
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

    lines: tuple[SelfTestLine, ...]

    @property
    def healthy(self) -> SelfTestLine:
        """What came of healthy outcomes."""
        return self.lines[0]

    @property
    def by_change(self) -> dict[str, list[SelfTestLine]]:
        """The lines of planted changes."""
        found: dict[str, list[SelfTestLine]] = {}
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


def self_test(
    baseline: Sequence[Entry],
    outcomes: Outcomes,
    harmful: Mapping[str, bool],
    checks: int = CHECKS,
    planted_checks: int = PLANTED_CHECKS,
    workers: int = 1,
) -> SelfTest:
    """Count what the procedure says of healthy and of planted outcomes; the same for any number of workers.

    Args:
        baseline: The entries that were accepted.
        outcomes: Of the pool, under the name `HEALTHY`, and of planted changes.
        harmful: Whether a planted change is a regression, by its name.
        checks: Simulated checks of healthy outcomes.
        planted_checks: The same of each planted change in each entry.
        workers: Processes that share the checks.

    Raises:
        UsageError: The outcomes are not those of these entries, or share seeds with the baseline.
    """
    pool = _pool(baseline, outcomes)
    planted = list(_planted(baseline, outcomes, harmful, planted_checks))
    sizes = [checks // _PARTS + (part < checks % _PARTS) for part in range(_PARTS)]
    healthy = [_Simulation(tuple(baseline), pool, size, (HEALTHY, part)) for part, size in enumerate(sizes)]
    simulations = [*healthy, *(simulation for _, simulation in planted)]
    if workers == 1:
        counts = [simulation.alarms() for simulation in simulations]
    else:
        with ProcessPoolExecutor(workers) as processes:
            counts = list(processes.map(_Simulation.alarms, simulations))
    found = [replace(line, regressed=count) for (line, _), count in zip(planted, counts[_PARTS:], strict=True)]
    return SelfTest((SelfTestLine("", "", checks, sum(counts[:_PARTS])), *found))


def _pool(baseline: Sequence[Entry], outcomes: Outcomes) -> Mapping[str, tuple[Outcome, ...]]:
    pool = outcomes.get(HEALTHY, {})
    for entry in baseline:
        held = {outcome.seed for outcome in pool.get(entry.key, ())}
        if len(held) < FIRST_SEEDS + CONFIRM_SEEDS:
            raise UsageError(
                f"{entry.label}: {len(held)} simulated outcomes; make them with "
                "python -m longlag.regression.selftest.simulate"
            )
        if shared := held & {outcome.seed for outcome in entry.outcomes}:
            raise UsageError(f"{entry.label}: seed {min(shared)} is in the baseline and among the simulated outcomes")
    return pool


def _planted(
    baseline: Sequence[Entry], outcomes: Outcomes, harmful: Mapping[str, bool], checks: int
) -> "Iterator[tuple[SelfTestLine, _Simulation]]":
    """Yield the effect of each change in each entry, and the checks that are to count how often it is found."""
    by_key = {entry.key: entry for entry in baseline}
    for change, worse in harmful.items():
        for key, planted in outcomes.get(change, {}).items():
            if key not in by_key:
                continue
            entry, pool = by_key[key], outcomes[HEALTHY][key]
            before, after = replace(entry, outcomes=pool), replace(entry, outcomes=planted)
            healthy = {outcome.seed: outcome for outcome in pool}
            unchanged = all(healthy.get(outcome.seed) == outcome for outcome in planted)
            better = 0.5 if unchanged else superiority(before.badness, after.badness)
            share = 0.0 if unchanged else after.solved / after.n - before.solved / before.n
            count = 0 if unchanged else checks  # equal outcomes need no test
            line = SelfTestLine(change, entry.label, checks, 0, better, share, worse, unchanged)
            yield line, _Simulation((entry,), {key: planted}, count, (change,))


@dataclass(frozen=True)
class _Simulation:
    """Simulated checks of a baseline's entries on outcomes by entry; ``names`` are of the stream that draws seeds."""

    baseline: tuple[Entry, ...]
    pool: Mapping[str, tuple[Outcome, ...]]
    checks: int
    names: tuple[str | int, ...]

    def alarms(self) -> int:
        """Return how many checks say that some entry regressed; the entries of one have the same seeds, as in a run."""
        count = min(len(self.pool[entry.key]) for entry in self.baseline)
        keys = sorted(entry.key for entry in self.baseline)
        generator = stream("self-test", *self.names, *keys).generator()
        return sum(self._alarms(generator.permutation(count)) for _ in range(self.checks))

    def _alarms(self, drawn: np.ndarray) -> bool:
        first, second = drawn[:FIRST_SEEDS], drawn[FIRST_SEEDS : FIRST_SEEDS + CONFIRM_SEEDS]
        new = [_with(entry, self.pool[entry.key], first) for entry in self.baseline]

        def confirm(asked: Sequence[Asked]) -> list[Entry]:
            return [_with(entry, self.pool[entry.key], second) for entry, _ in asked]

        verdicts = decide(self.baseline, new, confirm, ())
        return any(verdict.ruling is Ruling.REGRESSED for verdict in verdicts)


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


def _row(lines: Sequence[SelfTestLine], what: str) -> tuple[str, ...]:
    """Show the entry in which a change is called a regression most often, and in how many of them it is found."""
    most = max(lines, key=lambda line: (line.fraction, -(line.superiority or 0.0)))
    assert most.superiority is not None
    assert most.share is not None
    count = f"{sum(line.fraction >= POWER for line in lines)} of {len(lines)}"
    effects = (f"{100 * most.share:+.0f}", f"{most.superiority:.0%}", f"{most.fraction:.1%}")
    return what, count, most.entry, *effects, _told(lines, most)


def _told(lines: Sequence[SelfTestLine], most: SelfTestLine) -> str:
    if all(line.unchanged for line in lines):
        return "unchanged, to the last digit"
    if not most.worse:
        return "silent" if most.fraction <= _MOST_HARMLESS else "FALSE ALARM"
    if most.fraction >= POWER:
        return "found"
    return "less than the minimum effect" if all(line.is_small for line in lines) else "MISSED"

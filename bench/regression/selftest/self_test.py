"""`longlag check --self-test`: counts how often the procedure is wrong, on outcomes that were trained once.

Unchanged code: in half of the checks the new seeds are not the baseline's; in the other half they are, correlated as
the outcomes of one seed before and after a small change of the code. A drop: some solved outcomes become unsolved.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

from scipy import stats

from longlag.regression.judge.comparison import MINIMUM_EFFECT
from longlag.regression.judge.effects import superiority
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.measures import rank_scores
from longlag.regression.judge.procedure import CONFIRM_SEEDS
from longlag.regression.judge.verdict import Ruling
from longlag.regression.selftest.pool import HEALTHY, Outcomes
from longlag.regression.selftest.simulation import FIRST_SEEDS, ByKey, Simulation, Tally
from longlag.stats.exact import holm, permutation_p
from longlag.tasks.support.errors import UsageError

CHECKS, MOST_ALARMS = 2000, 12
"""Simulated checks of healthy outcomes, and the most alarms in them: they bound the rate by 1 % with confidence .95."""
PLANTED_CHECKS = 200
POWER = 0.9
MARGIN, MARGIN_CHECKS = 20, 16
"""Percentage points that are lost on purpose, which is also the margin that must not let them pass; checks of each
kind, few since each tests dozens of seeds of every entry."""
MOST_PASSING = 0.08
"""The largest share of entries that pass as the same within the margin although they lost that much: nominally .05, but
.07 near a share of 1, where the interval is approximate."""
MOST_FLAGGED = 0.06
"""The largest share of unchanged entries that a measure of the first stage flags at a level of .05."""
ALIKE = (None, None, None, None, 0.3, 0.6, 0.8, 0.95)
"""Rank correlations of the same seeds before and after, each for a part of the healthy checks; None for other seeds.
The committed outcomes with small planted changes span this range. Processes share the parts."""
MOST_HARMLESS = 0.02
_FEWEST_TESTED = 1000
_UNLIKE_ALPHA = 0.01
MOST_MARGIN_ALARMS = 2
"""The most alarms in `MARGIN_CHECKS` checks: at a level of .01 the probability of more is below .001."""


@dataclass(frozen=True)
class SelfTestLine:
    """Counts of the simulated checks of one change in one entry.

    Attributes:
        change: The change; empty for none.
        entry: The entry's label; empty for all entries.
        checks: Simulated checks.
        regressed: Checks that called a regression.
        superiority: Probability that a changed outcome beats a healthy one of the pool; None for several entries.
        share: The difference of the solved share from the pool's; None for several entries.
        worse: Whether it should be detected.
        unchanged: Whether every outcome equals that of the same seed in the pool.
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
        """The share of checks that called a regression."""
        return self.regressed / self.checks

    @property
    def is_small(self) -> bool:
        """Whether the change has less than the minimum effect."""
        return (
            self.superiority is not None
            and self.share is not None
            and self.superiority > 0.5 - MINIMUM_EFFECT
            and self.share > -MINIMUM_EFFECT
        )


@dataclass(frozen=True)
class SelfTest:
    """The counts of a self-test.

    Attributes:
        lines: The lines of the table; the first is about healthy outcomes.
        unchanged: Counts on healthy outcomes, without a margin.
        margin: Counts on healthy outcomes, with a margin.
        dropped: Counts on outcomes with a drop, without a margin.
        dropped_margin: Counts on outcomes with a drop, with a margin.
        unlike: Entries whose simulated outcomes differ from the accepted ones.
    """

    lines: tuple[SelfTestLine, ...]
    unchanged: Tally = field(default_factory=Tally)
    margin: Tally = field(default_factory=Tally)
    dropped: Tally = field(default_factory=Tally)
    dropped_margin: Tally = field(default_factory=Tally)
    unlike: tuple[str, ...] = ()

    @property
    def healthy(self) -> SelfTestLine:
        """The line on healthy outcomes."""
        return self.lines[0]

    @property
    def by_change(self) -> dict[str, list[SelfTestLine]]:
        """The lines of planted changes."""
        by_change: dict[str, list[SelfTestLine]] = {}
        for line in self.lines[1:]:
            by_change.setdefault(line.change, []).append(line)
        return by_change

    @property
    def bound(self) -> float:
        """One-sided upper bound of the rate of false alarms, confidence .95 (Clopper & Pearson 1934)."""
        alarms, checks = self.healthy.regressed, self.healthy.checks
        return float(stats.beta.ppf(0.95, alarms + 1, checks - alarms)) if alarms < checks else 1.0

    def failures(self) -> list[str]:
        """Return a line for each promise that the procedure breaks."""
        failures = []
        if self.healthy.fraction > MOST_ALARMS / CHECKS:
            failures.append(f"{self.healthy.regressed} false alarms in {self.healthy.checks} checks")
        for tested, count in sorted(self.unchanged.tested.items()):
            rate = self.unchanged.flagged[tested] / count
            if count >= _FEWEST_TESTED and rate > MOST_FLAGGED:
                how = "pairs of seeds" if tested.paired else "two samples"
                failures.append(f"the first stage flags {rate:.1%} of unchanged entries by {tested.measure} of {how}")
        if self.margin.alarms > MOST_MARGIN_ALARMS:
            failures.append(f"{self.margin.alarms} false alarms in {MARGIN_CHECKS} checks with a margin")
        if passing(self.dropped_margin) > MOST_PASSING:
            share = f"{passing(self.dropped_margin):.1%}"
            failures.append(f"a drop of {MARGIN} points passes --margin {MARGIN} in {share} of the entries")
        again = "make them again with python -m longlag.regression.selftest.simulate"
        failures += [f"{label}: simulated outcomes are unlike the baseline's; {again}" for label in self.unlike]
        for change, lines in self.by_change.items():
            best = max(line.fraction for line in lines)
            if not lines[0].worse and best > MOST_HARMLESS:
                failures.append(f"{change}: called a regression in {best:.1%} of the checks")
            if lines[0].worse and best < POWER and not all(line.is_small for line in lines):
                failures.append(f"{change}: found in {best:.1%} of the checks")
        return failures


def passing(tally: Tally) -> float:
    """Return the share of entries that were called the same; 0 without entries."""
    return tally.rulings[Ruling.SAME] / max(1, tally.rulings.total())


def self_test(
    baseline: Sequence[Entry],
    outcomes: Outcomes,
    harmful: Mapping[str, bool],
    checks: int = CHECKS,
    planted_checks: int = PLANTED_CHECKS,
    margin_checks: int = MARGIN_CHECKS,
    workers: int = 1,
) -> SelfTest:
    """Count the verdicts of the procedure on healthy and planted outcomes; equal for any number of workers.

    Args:
        baseline: The entries that were accepted.
        outcomes: Outcomes of the pool, under the name `HEALTHY`, and of planted changes.
        harmful: Whether a planted change is a regression, by its name.
        checks: Simulated checks of healthy outcomes.
        planted_checks: Simulated checks of each planted change in each entry.
        margin_checks: Simulated checks of each combination of drop and margin.
        workers: Processes that share the checks.

    Raises:
        UsageError: The pool has too few outcomes of an entry.
    """
    pool, entries = _pool(baseline, outcomes), tuple(baseline)
    planted = list(_planted(baseline, outcomes, harmful, planted_checks))
    sizes = [checks // len(ALIKE) + (part < checks % len(ALIKE)) for part in range(len(ALIKE))]
    simulations = [
        Simulation(entries, pool, size, (HEALTHY, part), alike=ALIKE[part]) for part, size in enumerate(sizes)
    ]
    within = MARGIN / 100
    for lost, allowed in ((0.0, within), (within, None), (within, within)):
        named = ("margin", f"{lost:g}", f"{allowed or 0:g}")
        simulations.append(Simulation(entries, pool, margin_checks, named, lost=lost, margin=allowed))
    simulations += [simulation for _, simulation in planted]
    if workers == 1:
        tallies = [simulation.run() for simulation in simulations]
    else:
        with ProcessPoolExecutor(workers) as processes:
            tallies = list(processes.map(Simulation.run, simulations))
    healthy = sum(tallies[: len(ALIKE)], Tally())
    margin, dropped, dropped_margin, *counted = tallies[len(ALIKE) :]
    lines = [replace(line, regressed=tally.alarms) for (line, _), tally in zip(planted, counted, strict=True)]
    first = SelfTestLine("", "", checks, healthy.alarms)
    return SelfTest((first, *lines), healthy, margin, dropped, dropped_margin, _unlike(baseline, pool))


def _pool(baseline: Sequence[Entry], outcomes: Outcomes) -> ByKey:
    pool = outcomes.get(HEALTHY, {})
    for entry in baseline:
        held = len(pool.get(entry.key, ()))
        if held < entry.n + FIRST_SEEDS + CONFIRM_SEEDS:
            again = "make them with python -m longlag.regression.selftest.simulate"
            raise UsageError(f"{entry.label}: {held} simulated outcomes; {again}")
    return pool


def _unlike(baseline: Sequence[Entry], pool: ByKey) -> tuple[str, ...]:
    """Return the entries whose accepted outcomes differ from the simulated ones, Holm over all at level .01."""
    ps = []
    for entry in baseline:
        ranks = rank_scores(entry, replace(entry, outcomes=pool[entry.key]))
        # So many outcomes are near enough to normal, and an exact count of their subsets would take seconds.
        ps.append(2 * min(permutation_p(side, len(pool[entry.key]), exact_below=0.0) for side in (ranks, -ranks)))
    return tuple(entry.label for entry, p in zip(baseline, holm(ps), strict=True) if p <= _UNLIKE_ALPHA)


def _planted(
    baseline: Sequence[Entry], outcomes: Outcomes, harmful: Mapping[str, bool], checks: int
) -> Iterator[tuple[SelfTestLine, Simulation]]:
    """Yield the effect of each change in each entry, and the checks that count how often it is found."""
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
            yield line, Simulation((entry,), {key: pool}, count, (change,), planted={key: planted})

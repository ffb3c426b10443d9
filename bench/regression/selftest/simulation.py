"""Simulated checks: the whole two-stage procedure, on a baseline and new outcomes drawn from a pool of trained ones.

Every check draws its baseline, too: a rate of false alarms for a single baseline would promise little.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from longlag.regression.judge.entries import Entry, Outcome
from longlag.regression.judge.measures import MEASURES
from longlag.regression.judge.procedure import MOST_FRESH_SEEDS, SCREEN_ALPHA, decide
from longlag.regression.judge.verdict import Asked, Ruling
from longlag.values.seeding import stream
from longlag.values.trial import Status

FIRST_SEEDS = 10

ByKey = Mapping[str, tuple[Outcome, ...]]
"""Outcomes by an entry's key."""


class Screened(NamedTuple):
    """A measure of the first stage, and whether seeds were paired."""

    measure: str
    paired: bool


class Sides(NamedTuple):
    """Outcomes of one entry in one check: the baseline's, the new ones and those of fresh seeds."""

    before: tuple[Outcome, ...]
    after: tuple[Outcome, ...]
    fresh: tuple[Outcome, ...]


@dataclass(frozen=True)
class Tally:
    """Counts over simulated checks.

    Attributes:
        alarms: Checks in which some entry was called a regression.
        rulings: The verdicts on entries, counted.
        tested: First-stage tests.
        flagged: First-stage tests whose p was at most the level.
    """

    alarms: int = 0
    rulings: Counter[Ruling] = field(default_factory=Counter)
    tested: Counter[Screened] = field(default_factory=Counter)
    flagged: Counter[Screened] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.alarms + other.alarms,
            self.rulings + other.rulings,
            self.tested + other.tested,
            self.flagged + other.flagged,
        )


@dataclass(frozen=True)
class Simulation:
    """Simulated checks of entries.

    Attributes:
        entries: The baseline's entries; only the number of their outcomes is used.
        healthy: Outcomes of unchanged code, with the same seeds for all entries.
        checks: The number of checks.
        names: Names of the stream that draws seeds.
        planted: Outcomes under a planted change, at seeds that are among the healthy ones.
        alike: Without a planted change: the rank correlation of new outcomes with the baseline's of the same seeds; if
            None, the new seeds are not in the baseline.
        lost: Share of all seeds that no longer solve.
        margin: The margin of the checks.
    """

    entries: tuple[Entry, ...]
    healthy: ByKey
    checks: int
    names: tuple[str | int, ...]
    planted: ByKey | None = None
    alike: float | None = None
    lost: float = 0.0
    margin: float | None = None

    def run(self) -> Tally:
        """Run the checks and return their counts; all entries of one check have the same seeds, as in a run."""
        keys = sorted(entry.key for entry in self.entries)
        generator = stream("self-test", *self.names, *keys).generator()
        return sum((self._check(generator) for _ in range(self.checks)), Tally())

    def _check(self, generator: np.random.Generator) -> Tally:
        sides = self._of_planted(generator) if self.planted is not None else self._of_healthy(generator)

        def confirm(asked: Sequence[Asked]) -> list[Entry]:
            return [replace(entry, outcomes=sides[entry.key].fresh[: len(seeds)]) for entry, seeds in asked]

        before = [replace(entry, outcomes=sides[entry.key].before) for entry in self.entries]
        after = [replace(entry, outcomes=sides[entry.key].after) for entry in self.entries]
        verdicts = decide(before, after, confirm, range(MOST_FRESH_SEEDS), self.margin)
        rulings = Counter(verdict.ruling for verdict in verdicts)
        ps = [
            (Screened(measure, measure in screened.tests.paired), screened.tests.worse[measure])
            for verdict in verdicts
            if (screened := verdict.screened) is not None
            for measure in MEASURES
        ]
        flagged = Counter(tested for tested, p in ps if p <= SCREEN_ALPHA)
        return Tally(int(rulings[Ruling.REGRESSED] > 0), rulings, Counter(tested for tested, _ in ps), flagged)

    def _of_healthy(self, generator: np.random.Generator) -> dict[str, Sides]:
        """Draw every side from the healthy outcomes, none twice."""
        count = min(len(outcomes) for outcomes in self.healthy.values())
        order = generator.permutation(count)
        first, others = order[:FIRST_SEEDS], order[FIRST_SEEDS:]
        sides = {}
        for entry in self.entries:
            pool = self.healthy[entry.key]
            before = others[: entry.n]
            new = _at(pool, first) if self.alike is None else self._partners(entry, before[:FIRST_SEEDS], generator)
            drops = [self._without(part, pool, generator) for part in (new, _at(pool, others[entry.n :]))]
            sides[entry.key] = Sides(_at(pool, before), *drops)
        return sides

    def _of_planted(self, generator: np.random.Generator) -> dict[str, Sides]:
        """Draw new and fresh outcomes from the planted ones; the baseline includes the new seeds, as in real checks."""
        sides = {}
        for entry in self.entries:
            planted, healthy = (self.planted or {})[entry.key], self.healthy[entry.key]
            order = generator.permutation(len(planted))
            first = _at(planted, order[:FIRST_SEEDS])
            changed, new = ({outcome.seed for outcome in part} for part in (planted, first))
            others = [outcome for outcome in healthy if outcome.seed not in changed]
            beside = generator.permutation(len(others))[: entry.n - FIRST_SEEDS]
            before = tuple(outcome for outcome in healthy if outcome.seed in new) + _at(others, beside)
            sides[entry.key] = Sides(before, first, _at(planted, order[FIRST_SEEDS:]))
        return sides

    @cached_property
    def _ranked(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each key, the indices of healthy outcomes from the best to the worst, and each outcome's rank."""
        ranked = {}
        for entry in self.entries:
            order = np.argsort(replace(entry, outcomes=self.healthy[entry.key]).badness, kind="stable")
            ranked[entry.key] = order, np.argsort(order, kind="stable")
        return ranked

    def _partners(self, entry: Entry, places: np.ndarray, generator: np.random.Generator) -> tuple[Outcome, ...]:
        """Draw outcomes of changed code on the same seeds: healthy ones, with ranks correlated by a normal copula."""
        assert self.alike is not None
        order, ranks = self._ranked[entry.key]
        normal = ndtri((ranks[places] + 0.5) / len(order))
        moved = self.alike * normal + np.sqrt(1 - self.alike**2) * generator.normal(size=len(places))
        drawn = order[np.minimum((ndtr(moved) * len(order)).astype(int), len(order) - 1)]
        pool = self.healthy[entry.key]
        return tuple(replace(pool[now], seed=pool[was].seed) for was, now in zip(places, drawn, strict=True))

    def _without(
        self, outcomes: tuple[Outcome, ...], pool: tuple[Outcome, ...], generator: np.random.Generator
    ) -> tuple[Outcome, ...]:
        """Replace solved outcomes by unsolved ones, so that the solved share drops by ``lost``."""
        if not self.lost:
            return outcomes
        chance = self.lost * len(pool) / sum(outcome.solved for outcome in pool)
        gone = generator.random(len(outcomes)) < chance
        return tuple(
            Outcome(of.seed, Status.UNSOLVED.value, False, 1.0) if of.solved and is_gone else of
            for of, is_gone in zip(outcomes, gone, strict=True)
        )


def _at(outcomes: Sequence[Outcome], places: np.ndarray) -> tuple[Outcome, ...]:
    return tuple(outcomes[place] for place in places)

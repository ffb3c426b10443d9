"""The comparison of an entry with its baseline: all numbers that verdicts and reports use."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from longlag.regression.judge import effects, measures
from longlag.regression.judge.effects import Effect, Pairs
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.measures import Tests

MINIMUM_EFFECT = 0.2
"""The smallest change, of the solved share or of the probability of superiority from one half, that counts."""


@dataclass(frozen=True)
class Comparison:
    """An entry compared with its baseline; both sides have results.

    Attributes:
        baseline: The entry before.
        new: The entry after.
        alpha: The level of the tests.
    """

    baseline: Entry
    new: Entry
    alpha: float

    @cached_property
    def tests(self) -> Tests:
        """All p-values."""
        return measures.tests(self.baseline, self.new, self.alpha)

    @property
    def before(self) -> Entry:
        """The entry from which the change of the solved share is measured."""
        return self._before("solved")

    def _before(self, measure: str) -> Entry:
        """Return the entry from which an effect is measured: the baseline, or the partners of paired new seeds."""
        return self._partners if measure in self.tests.paired else self.baseline

    @cached_property
    def _partners(self) -> Entry:
        seeds = {outcome.seed for outcome in self.new.results}
        return replace(self.baseline, outcomes=tuple(o for o in self.baseline.outcomes if o.seed in seeds))

    @cached_property
    def effects(self) -> dict[str, float]:
        """By measure: the change of the solved share, or the probability of superiority less one half."""
        outcome, updates = self._before("outcome"), self._before("updates")
        return {
            "solved": self.new.solved / self.new.n - self.before.solved / self.before.n,
            "outcome": effects.superiority(outcome.badness, self.new.badness) - 0.5,
            "updates": effects.superiority(updates.times, self.new.times) - 0.5,
        }

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of results, after and before, of the probability of superiority."""
        return self.new.n, self._before("outcome").n

    @property
    def superiority(self) -> Effect:
        """The probability that a new outcome beats one of the baseline, with its interval; one half is no change."""
        return effects.superiority_interval(self.effects["outcome"] + 0.5, *self.sizes)

    @property
    def share(self) -> Effect:
        """The change of the solved share, with its interval."""
        return self._share(self.new.n)

    @property
    def excluded_drop(self) -> float:
        """The smallest drop of the solved share above which the interval excludes every drop."""
        return max(0.0, -self.share.low)

    @property
    def detectable(self) -> float:
        """The probability of superiority that is detected with power .8."""
        return effects.detectable_superiority(*self.sizes, self.alpha)

    @property
    def detectable_drop(self) -> float | None:
        """The drop of the solved share that is detected with power .8; None if none is."""
        return effects.detectable_drop(self.before.solved, self.before.n, self.new.n, self.alpha)

    def excludes_drop(self, margin: float | None = None) -> bool:
        """Return whether both intervals exclude a drop over the margin; without a margin, over the detectable drop.

        Args:
            margin: Drop of the solved share, and of the probability of superiority below one half.
        """
        return self._would_exclude(self.new.n, margin)

    def more_seeds(self, margin: float | None = None) -> int | None:
        """Return the number of further seeds that would exclude it if the estimates are right; None if too many."""
        return effects.more_seeds(lambda n: self._would_exclude(n, margin), self.new.n)

    def _would_exclude(self, n: int, margin: float | None) -> bool:
        drop = self.detectable_drop if margin is None else margin
        if drop is not None and self._share(n).low < -drop:
            return False
        threshold = self.detectable if margin is None else 0.5 - margin
        return effects.excludes(self.effects["outcome"] + 0.5, threshold, n, self.sizes[1])

    def _share(self, n: int) -> Effect:
        """Return the change of the solved share if ``n`` new seeds had the same outcomes as the present ones."""
        if "solved" in self.tests.paired:
            return effects.paired_difference_interval(Pairs(*(count * n / self.new.n for count in self.pairs)))
        return effects.difference_interval(
            self.new.solved / self.new.n, n, self.before.solved / self.before.n, self.before.n
        )

    @cached_property
    def pairs(self) -> Pairs:
        """The numbers of common seeds that solve on both sides, on one, or on none."""
        was = {outcome.seed: outcome.solved for outcome in self._partners.results}
        ends = [(was[outcome.seed], outcome.solved) for outcome in self.new.results if outcome.seed in was]
        return Pairs(*(ends.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))

    @property
    def flagged(self) -> tuple[str, ...]:
        """Measures that look worse."""
        return tuple(name for name, p in self.tests.worse.items() if p <= self.alpha)

    def is_large(self, measure: str, sign: int) -> bool:
        """Return whether the effect, for the worse (-1) or the better (1), is at least the minimum."""
        return sign * self.effects[measure] >= MINIMUM_EFFECT - 1e-9


def points(drop: float) -> int:
    """Return a drop of a share in whole percentage points, rounded up, so that the excluded drop is not overstated.

    >>> points(0.2512), points(0.25)
    (26, 25)
    """
    return math.ceil(100 * drop - 1e-9)

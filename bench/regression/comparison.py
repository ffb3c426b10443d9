"""An entry beside its baseline: every number that a verdict, or a reader, may ask for."""

from dataclasses import dataclass
from functools import cached_property

from bench.regression import statistics
from bench.regression.entries import Entry
from bench.regression.statistics import Effect, Tests

MINIMUM_EFFECT = 0.2
"""Of the solved share, and of the probability of superiority from one half: less is not worth a person's time."""


@dataclass(frozen=True)
class Comparison:
    """An entry held against its baseline; both sides have results.

    Attributes:
        baseline: Before.
        new: After.
        alpha: Level at which it is tested.
    """

    baseline: Entry
    new: Entry
    alpha: float

    @cached_property
    def tests(self) -> Tests:
        """Every p."""
        return statistics.tests(self.baseline, self.new, self.alpha)

    @cached_property
    def effects(self) -> dict[str, float]:
        """By measure: the change of the solved share, or the probability of superiority less one half."""
        return {
            "solved": self.new.solved / self.new.n - self.baseline.solved / self.baseline.n,
            "outcome": statistics.superiority(self.baseline.badness, self.new.badness) - 0.5,
            "updates": statistics.superiority(self.baseline.times, self.new.times) - 0.5,
        }

    @property
    def sizes(self) -> tuple[int, int]:
        """Results after and before."""
        return self.new.n, self.baseline.n

    @property
    def superiority(self) -> Effect:
        """How often a new outcome beats one of the baseline, with its interval; one half is no change."""
        return statistics.superiority_interval(self.effects["outcome"] + 0.5, *self.sizes)

    @property
    def share(self) -> Effect:
        """The change of the solved share, with its interval."""
        return statistics.share_difference(self.baseline, self.new)

    @property
    def detectable(self) -> float:
        """The probability of superiority that is detected with power .8."""
        return statistics.detectable_superiority(*self.sizes, self.alpha)

    @property
    def detectable_drop(self) -> float | None:
        """The drop of the solved share that is detected with power .8; None where none is."""
        return statistics.detectable_drop(self.baseline.solved, self.baseline.n, self.new.n, self.alpha)

    @property
    def excludes_drop(self) -> bool:
        """Whether the interval excludes a drop larger than the detectable one."""
        return statistics.excludes(self.effects["outcome"] + 0.5, self.detectable, *self.sizes)

    @property
    def more_seeds(self) -> int | None:
        """How many more seeds would exclude it, were the estimate right; None where no reasonable number would."""
        return statistics.more_seeds(self.effects["outcome"] + 0.5, self.detectable, *self.sizes)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Measures that look worse."""
        return tuple(name for name, p in self.tests.worse.items() if p <= self.alpha)

    def is_large(self, measure: str, sign: int) -> bool:
        """Whether the effect, for the worse (-1) or the better (1), is at least the minimum."""
        return sign * self.effects[measure] >= MINIMUM_EFFECT - 1e-9

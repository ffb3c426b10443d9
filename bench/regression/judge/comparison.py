"""An entry beside its baseline: every number that a verdict, or a reader, may ask for."""

from dataclasses import dataclass, replace
from functools import cached_property

from longlag.regression.judge import measures
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.measures import Effect, Tests

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
        return measures.tests(self.baseline, self.new, self.alpha)

    @cached_property
    def before(self) -> Entry:
        """The baseline, or only the seeds that were paired: what the effects are from."""
        if not self.tests.paired:
            return self.baseline
        seeds = {outcome.seed for outcome in self.new.results}
        return replace(self.baseline, outcomes=tuple(o for o in self.baseline.outcomes if o.seed in seeds))

    @cached_property
    def effects(self) -> dict[str, float]:
        """By measure: the change of the solved share, or the probability of superiority less one half."""
        return {
            "solved": self.new.solved / self.new.n - self.before.solved / self.before.n,
            "outcome": measures.superiority(self.before.badness, self.new.badness) - 0.5,
            "updates": measures.superiority(self.before.times, self.new.times) - 0.5,
        }

    @property
    def sizes(self) -> tuple[int, int]:
        """Results after and before."""
        return self.new.n, self.before.n

    @property
    def superiority(self) -> Effect:
        """How often a new outcome beats one of the baseline, with its interval; one half is no change."""
        return measures.superiority_interval(self.effects["outcome"] + 0.5, *self.sizes)

    @property
    def share(self) -> Effect:
        """The change of the solved share, with its interval."""
        return measures.share_difference(self.before, self.new)

    @property
    def detectable(self) -> float:
        """The probability of superiority that is detected with power .8."""
        return measures.detectable_superiority(*self.sizes, self.alpha)

    @property
    def detectable_drop(self) -> float | None:
        """The drop of the solved share that is detected with power .8; None where none is."""
        return measures.detectable_drop(self.before.solved, self.before.n, self.new.n, self.alpha)

    @property
    def excludes_drop(self) -> bool:
        """Whether both intervals exclude a drop larger than the detectable one."""
        return self._would_exclude(self.new.n)

    @property
    def more_seeds(self) -> int | None:
        """How many more seeds would exclude it, were the estimates right; None where no reasonable number would."""
        return measures.more_seeds(self._would_exclude, self.new.n)

    def _would_exclude(self, n: int) -> bool:
        drop, before = self.detectable_drop, self.before
        if drop is not None:
            share = before.solved / before.n
            if measures.difference_interval(share + self.effects["solved"], n, share, before.n).low < -drop:
                return False
        return measures.excludes(self.effects["outcome"] + 0.5, self.detectable, n, before.n)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Measures that look worse."""
        return tuple(name for name, p in self.tests.worse.items() if p <= self.alpha)

    def is_large(self, measure: str, sign: int) -> bool:
        """Whether the effect, for the worse (-1) or the better (1), is at least the minimum."""
        return sign * self.effects[measure] >= MINIMUM_EFFECT - 1e-9

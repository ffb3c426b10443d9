"""Turns an effect with its interval into a verdict; every rule of a claim ends in one of these functions.

A rule fixes two numbers beforehand: the level of its interval, and the smallest effect that would matter. Effects are
signed so that the claim says they are above 0. What the interval leaves possible decides:

    holds         no effect (0) is excluded, an effect of the minimum is not
    fails         every effect of the minimum or more is excluded
    cannot tell   neither: the interval holds 0 and the minimum, and so is at least as wide as the minimum

so that enough seeds always decide. A verdict is never made from fewer than `FEWEST` seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from longlag.regression.judge.effects import Pairs, paired_difference_interval
from longlag.stats.exact import mcnemar
from longlag.stats.intervals import student_interval

EMPIRICAL = 14
"""Claims with a rule that could come out either way, today's and those to come: what the level is divided by."""
LEVEL = 0.05 / EMPIRICAL
"""Of a claim; so that a verdict does not depend on which others are asked for. Its rules share it equally."""
FEWEST = 12
"""Seeds below which nothing is decided: of eight pairs an exact test cannot give a p below .0078."""


class Kind(StrEnum):
    """The kind of a verdict."""

    PROVED = "proved"
    """An identity or a bound, computed and found exact up to rounding."""
    EXHIBITED = "exhibited"
    """Existence: a setting is shown."""
    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "cannot tell"


class Effect(NamedTuple):
    """An effect and both ends of its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Bar:
    """The thresholds that were fixed before the numbers.

    Attributes:
        minimum: The smallest effect that would matter.
        level: Of the two-sided interval.
    """

    minimum: float
    level: float

    @property
    def confidence(self) -> float:
        """Of the interval."""
        return 1 - self.level


@dataclass(frozen=True)
class Verdict:
    """A rule's conclusion from its numbers.

    Attributes:
        kind: The verdict.
        n: Seeds, settings or networks that it rests on.
        effect: With its interval; None of what is computed exactly.
        seeds: Where it cannot tell: how many would do, if they spread as these do; None where that is not known.
        numbers: What its sentence is filled from.
    """

    kind: Kind
    n: int
    effect: Effect | None = None
    seeds: int | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)

    def told(self, **numbers: object) -> "Verdict":
        """Return the verdict with further numbers for its sentence."""
        return replace(self, numbers={**self.numbers, **numbers})


def decide(effect: Effect, n: int, bar: Bar) -> Verdict:
    """Return the verdict on an effect, by the rule in this module's docstring.

    >>> bar = Bar(minimum=0.3, level=0.01)
    >>> [str(decide(Effect(*e), 20, bar).kind) for e in ((0.5, 0.1, 0.9), (0.1, -0.1, 0.2), (0.2, -0.2, 0.6))]
    ['holds', 'fails', 'cannot tell']
    >>> decide(Effect(0.2, -0.2, 0.6), 20, bar).seeds
    143
    """
    if n < FEWEST or not all(map(math.isfinite, effect)):
        return Verdict(Kind.UNDECIDED, n, effect, FEWEST)
    if effect.high < bar.minimum:
        return Verdict(Kind.FAILS, n, effect)
    if effect.low > 0:
        return Verdict(Kind.HOLDS, n, effect)
    return Verdict(Kind.UNDECIDED, n, effect, _enough(n, effect, bar.minimum))


def decide_equal(effect: Effect, n: int, bar: Bar) -> Verdict:
    """Return the verdict on the claim that there is no effect: two one-sided tests (Schuirmann 1987).

    It holds where the interval lies within the minimum on both sides, fails where it excludes 0 and does not.

    >>> bar = Bar(minimum=0.3, level=0.01)
    >>> [str(decide_equal(Effect(*e), 20, bar).kind) for e in ((0, -0.2, 0.2), (0.5, 0.1, 0.9), (0.2, -0.2, 0.6))]
    ['holds', 'fails', 'cannot tell']
    """
    if n < FEWEST or not all(map(math.isfinite, effect)):
        return Verdict(Kind.UNDECIDED, n, effect, FEWEST)
    if -bar.minimum < effect.low and effect.high < bar.minimum:
        return Verdict(Kind.HOLDS, n, effect)
    if effect.low > 0 or effect.high < 0:
        return Verdict(Kind.FAILS, n, effect)
    return Verdict(Kind.UNDECIDED, n, effect, _enough(n, effect, bar.minimum))


def left_open(verdict: Verdict) -> Verdict:
    """Return the verdict "cannot tell": no trial learnt the task on which the comparison rests."""
    return replace(verdict, kind=Kind.UNDECIDED, seeds=None)


def _enough(n: int, effect: Effect, minimum: float) -> int:
    """Return the seeds with which the interval would be narrower than the minimum."""
    return max(n + 1, math.ceil(n * ((effect.high - effect.low) / minimum) ** 2))


def mean_effect(values: Sequence[float], bar: Bar) -> Effect:
    """Return the mean over seeds with Student's interval; without ends of fewer than two."""
    found = student_interval(values, bar.confidence)
    mean = float(np.mean(values)) if len(values) else math.nan
    return Effect(mean, *found) if found else Effect(mean, math.nan, math.nan)


def pairs_of(first: Sequence[bool], second: Sequence[bool]) -> Pairs:
    """Return how many seeds are so on both sides, on the second alone, on the first alone, and on neither.

    As `Pairs` says of seeds that solve before and after: the effect is the share of the first side less the second's.
    """
    sides = list(zip(second, first, strict=True))
    return Pairs(*(float(sides.count(kind)) for kind in ((True, True), (True, False), (False, True), (False, False))))


def share_effect(pairs: Pairs, bar: Bar) -> Effect:
    """Return the difference of two shares of the same seeds with its interval (Newcombe 1998b, method 10).

    It is wide at complete agreement, too, where Student's would have no width.
    """
    if not sum(pairs):
        return Effect(math.nan, math.nan, math.nan)
    return Effect(*paired_difference_interval(pairs, bar.confidence))


def decide_shares(first: Sequence[bool], second: Sequence[bool], bar: Bar) -> Verdict:
    """Return the verdict on "more seeds on the first side", seed by seed: by the interval and McNemar's exact test.

    The first speaks of the size, the second must agree that there is any; where it does not, nothing can be told.
    """
    pairs = pairs_of(first, second)
    verdict = decide(share_effect(pairs, bar), len(first), bar)
    p = mcnemar(int(pairs.won), int(pairs.lost))
    if verdict.kind is Kind.HOLDS and p > bar.level:
        verdict = replace(verdict, kind=Kind.UNDECIDED, seeds=len(first) + FEWEST)
    return verdict.told(first=sum(first), second=sum(second), n=len(first), p=p)


def less(one: Effect, other: Effect) -> Effect:
    """Return the difference of two effects, its interval joined from theirs (Zou & Donner 2008, MOVER).

    >>> [round(end, 3) for end in less(Effect(0.5, 0.2, 0.6), Effect(0.1, 0.0, 0.5))]
    [0.4, -0.1, 0.541]
    """
    estimate = one.estimate - other.estimate
    low = estimate - math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = estimate + math.hypot(one.high - one.estimate, other.estimate - other.low)
    return Effect(estimate, low, high)


def together(effects: Sequence[Effect], weight: float = 1.0) -> Effect:
    """Return the weighted sum of independent effects, its interval joined from theirs (Zou & Donner 2008, MOVER).

    >>> [round(end, 3) for end in together([Effect(0.5, 0.2, 0.6), Effect(0.1, -0.3, 0.2)], 0.5)]
    [0.3, 0.05, 0.371]
    """
    estimate, low, high = (np.array(part) for part in zip(*effects, strict=True))
    below, above = (weight * float(np.hypot.reduce(reach)) for reach in (estimate - low, high - estimate))
    middle = weight * float(estimate.sum())
    return Effect(middle, middle - below, middle + above)


def proved(excess: Sequence[float], tolerance: float) -> Verdict:
    """Return the verdict on what must not exceed a bound: by how much each case does, and what rounding explains."""
    worst = max(excess) if len(excess) else math.nan
    kind = Kind.PROVED if len(excess) and worst <= tolerance else Kind.FAILS
    return Verdict(kind, len(excess), numbers={"worst": worst, "n": len(excess), "tolerance": tolerance})


def exhibited(shown: Sequence[bool]) -> Verdict:
    """Return the verdict on existence: one setting that shows it is enough, none proves nothing."""
    kind = Kind.EXHIBITED if any(shown) else Kind.UNDECIDED
    return Verdict(kind, len(shown), numbers={"shown": int(sum(shown)), "n": len(shown)})

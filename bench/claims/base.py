"""The declaration of a claim, made before any number is known.

A claim is a sentence of the lecture with its source, trials that bear on it, and rules. A rule is a pure function from
a frame to a verdict; which frame, the claim makes of what was trained or computed. The rest is done by
`longlag.claims.support.answering`, so that a claim neither trains nor stores nor prints.
"""

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd

from longlag.claims.support.decisions import LEVEL, Bar, Verdict
from longlag.claims.support.rates import Rates
from longlag.plan.study import Study
from longlag.store.results import StudyData

LECTURE = "Stanford CS224n, winter 2019, lecture 7: vanishing gradients and fancy RNNs"
TIERS = (10, 60, 600)
"""Minutes that all claims may take together on two cores, roughly; a higher tier has more seeds."""
TUNING_SEEDS = (1000, 1001, 1002)
"""On which rates are chosen; verdicts rest on others, from 0 on."""


@dataclass(frozen=True)
class Rule:
    """The rule that decides one question.

    Attributes:
        name: A letter, alone within its claim.
        asks: The question, as a statement that the claim makes.
        decides: The statistic, what it is computed from, and how it decides.
        falsified: What would have made it fail.
        told: A sentence, filled from the numbers of the verdict.
        judge: The rule itself.
        minimum: The smallest effect that would matter; None of what is exact.
        unit: Of the effect.
        lowest: The lowest tier in which it is asked; below there would be too few seeds.
    """

    name: str
    asks: str
    decides: str
    falsified: str
    told: str
    judge: Callable[[pd.DataFrame, Bar], Verdict]
    minimum: float | None = None
    unit: str = ""
    lowest: int = TIERS[0]


@dataclass(frozen=True)
class Picture:
    """The content of a claim's figure.

    Attributes:
        points: ``panel, series, x, y``: in each panel a line of medians for each series, with all points.
        x: What is along the horizontal axis.
        y: What is along the vertical one.
        log: Axes with a logarithmic scale: ``x``, ``y``, both or neither.
    """

    points: pd.DataFrame
    x: str
    y: str
    log: str = ""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The sources of a claim's frames.

    Attributes:
        tier: One of `TIERS`.
        study: The reported trials; None of a claim that trains none.
        tuned: The trials on which rates were chosen, by the name of the search.
    """

    tier: int
    study: StudyData | None = None
    tuned: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def trials(self) -> pd.DataFrame:
        """The reported trials."""
        assert self.study is not None, "this claim trains nothing"
        return self.study.trials


class Claim(ABC):
    """A sentence of the lecture and how it is decided. Its number is in the name of its file."""

    sentence: ClassVar[str]
    """What the lecture says."""
    paper: ClassVar[str]
    """The paper behind it."""
    rules: ClassVar[tuple[Rule, ...]]
    """How each of its questions is decided."""
    boundary: ClassVar[str]
    """Of which networks, tasks and budgets the verdicts speak."""

    @classmethod
    def name(cls) -> str:
        """The name of its file."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def number(cls) -> int:
        """Which claim it is."""
        return int(cls.name().split("_")[1])

    @classmethod
    def asked_in(cls, tier: int) -> tuple[Rule, ...]:
        """Return the rules that a tier asks; none where the claim is left to higher tiers."""
        return tuple(rule for rule in cls.rules if rule.lowest <= tier)

    @classmethod
    def bar(cls, rule: Rule) -> Bar:
        """Return a rule's thresholds, fixed before the numbers; empirical rules share the claim's level in any tier."""
        if rule.minimum is None:
            return Bar(0.0, LEVEL)
        return Bar(rule.minimum, LEVEL / sum(one.minimum is not None for one in cls.rules))

    def searches(self, tier: int) -> Mapping[str, Study]:
        """Return the coarse grids on which rates are chosen, by a name; none where none is."""
        return {}

    def study(self, tier: int, rates: Mapping[str, Rates]) -> Study | None:
        """Return the study that is trained for the verdicts; None if there is none.

        Args:
            tier: One of `TIERS`.
            rates: What each search found; of a plan, stand-ins.
        """
        return None

    def frames(self, evidence: Evidence) -> Mapping[str, pd.DataFrame]:
        """Return the frame of each rule, by its name; numbers that need no training are computed."""
        return {}

    def picture(self, frames: Mapping[str, pd.DataFrame]) -> Picture | None:
        """Return the content of the claim's figure beside the effects; None where the effects suffice."""
        return None

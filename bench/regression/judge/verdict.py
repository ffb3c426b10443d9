"""Verdicts on entries: the rulings, and the numbers behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from longlag.regression.judge.comparison import Comparison, points
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair


class Asked(NamedTuple):
    """An entry, and the fresh seeds that will decide on it."""

    entry: Entry
    seeds: tuple[int, ...]


Confirm = Callable[[Sequence[Asked]], Sequence[Entry]]
"""Returns entries of the same settings with the outcomes of the requested seeds."""


class Ruling(StrEnum):
    """The ruling on an entry, worst first."""

    REGRESSED = "regressed"
    NOT_COMPARABLE = "not comparable"
    INCONCLUSIVE = "inconclusive"
    IMPROVED = "improved"
    SAME = "same"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Verdict:
    """The verdict on an entry: its ruling, and the reason.

    Attributes:
        pair: The entry before and after.
        ruling: The ruling.
        reason: The reason in half a sentence.
        measure: The measure that decided, one of `measures.MEASURES`.
        p: The p that decided, adjusted if others were tested with it.
        screened: The numbers of the first stage.
        confirmed: The numbers of the confirmation.
        more_seeds: The number of further seeds that would suffice if it is inconclusive.
        fresh_seeds: The number of fresh seeds that will decide; 0 if the first stage decides.
        margin: The drop of the solved share that has to be excluded, if one was given.
    """

    pair: EntryPair
    ruling: Ruling
    reason: str
    measure: str = ""
    p: float | None = None
    screened: Comparison | None = None
    confirmed: Comparison | None = None
    more_seeds: int | None = None
    fresh_seeds: int = 0
    margin: float | None = None

    @property
    def label(self) -> str:
        """The entry's name."""
        return self.pair.label

    @property
    def deciding(self) -> Comparison | None:
        """The numbers that decided."""
        return self.confirmed or self.screened

    @property
    def meaning(self) -> str:
        """The drops that the intervals do not exclude, if it is the same or inconclusive; else empty."""
        held = self.deciding
        if held is None or not held.new.n or self.ruling not in (Ruling.SAME, Ruling.INCONCLUSIVE):
            return ""
        left = points(held.excluded_drop)
        return f"no drop over {left} points" if self.ruling is Ruling.SAME else f"drops up to {left} points possible"


def without_trust(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts for the case that an invariant is broken: measurements may be wrong, so that nothing passes.

    Regressions, and entries that cannot be compared, remain.
    """
    passed = (Ruling.SAME, Ruling.UNCHANGED, Ruling.IMPROVED)
    kept = [
        replace(verdict, ruling=Ruling.INCONCLUSIVE, reason=f"an invariant is broken, else: {verdict.reason}")
        if verdict.ruling in passed
        else verdict
        for verdict in verdicts
    ]
    return sorted(kept, key=severity)


def severity(verdict: Verdict) -> tuple[int, float, str, str]:
    """Return the key by which verdicts are sorted, worst first."""
    entry = verdict.pair.new or verdict.pair.baseline
    assert entry is not None
    p = 1.0 if verdict.p is None else verdict.p
    return list(Ruling).index(verdict.ruling), p, verdict.label, entry.key

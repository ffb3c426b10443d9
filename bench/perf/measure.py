"""Measures a speed claim: ours and the reference take turns, and each pair gives a ratio."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SHORTEST_SECONDS = 0.02


@dataclass(frozen=True)
class Timing:
    """One row of the table: the seconds of our code and of a reference, and the ratio of each pair.

    Attributes:
        part: The part of the measurement.
        what: What is measured.
        setting: The shape or size.
        ours: Median seconds of one call of ours.
        theirs: Median seconds of one call of the reference; None if there is no reference.
        reference: The name of the reference.
        ratios: theirs / ours for each pair; above 1 means that ours is faster.
    """

    part: str
    what: str
    setting: str
    ours: float
    theirs: float | None = None
    reference: str = ""
    ratios: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The median ratio."""
        return statistics.median(self.ratios) if self.ratios else None

    def row(self) -> dict[str, str | float | None]:
        """Return the row of the table."""
        return {
            "part": self.part,
            "what": self.what,
            "setting": self.setting,
            "reference": self.reference,
            "ours_ms": 1000 * self.ours,
            "reference_ms": None if self.theirs is None else 1000 * self.theirs,
            "ratio": self.ratio,
            "ratio_low": min(self.ratios, default=None),
            "ratio_high": max(self.ratios, default=None),
        }


def seconds(call: Callable[[], object], times: int) -> float:
    """Return the mean seconds of a call over ``times`` calls."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def in_turns(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Time calls in turns, round after round; each is repeated often enough to be measured.

    In every round a call is made once before it is timed, as the call before it has filled the caches with other
    numbers.

    Args:
        calls: The calls.
        repeats: The number of rounds.

    Returns:
        For each call, its seconds in each round.
    """
    times = [max(1, round(_SHORTEST_SECONDS / max(min(seconds(call, 1) for _ in range(3)), 1e-7))) for call in calls]
    rounds = [[_warmed(call, count) for call, count in zip(calls, times, strict=True)] for _ in range(repeats)]
    return [list(column) for column in zip(*rounds, strict=True)]


def _warmed(call: Callable[[], object], times: int) -> float:
    call()
    return seconds(call, times)


def compare(
    part: str,
    what: str,
    setting: str,
    ours: Callable[[], object],
    reference: tuple[str, Callable[[], object]],
    repeats: int,
) -> Timing:
    """Time our code against a reference, in turns.

    Args:
        part: The part of the measurement.
        what: What is timed.
        setting: The shape or size, in words.
        ours: Our call.
        reference: The reference's name, and its call.
        repeats: The number of rounds.
    """
    name, theirs = reference
    mine, other = in_turns((ours, theirs), repeats)
    ratios = tuple(b / a for a, b in zip(mine, other, strict=True))
    return Timing(part, what, setting, statistics.median(mine), statistics.median(other), name, ratios)

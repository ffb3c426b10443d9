"""How a speed claim is measured: in turns, repeatedly, as a ratio pair by pair."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SHORTEST_SECONDS = 0.02


@dataclass(frozen=True)
class Timing:
    """One line of the table: seconds of ours and of a reference, and their ratio pair by pair.

    Attributes:
        part: Which part of the measurement it belongs to.
        what: What is measured.
        setting: At which shape or size.
        ours: Median seconds of one of ours.
        theirs: Median seconds of one of the reference; None where there is none.
        reference: What the reference is.
        ratios: theirs / ours of each pair, above 1 where ours is faster.
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
        """Return the line as a table holds it."""
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
    """Return the mean seconds of a call over ``times`` of them."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def in_turns(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Time calls one after the other, again and again, each often enough to be measurable, after a warm-up.

    In every round, too, a call is done once before it is timed: the one before it has left its own numbers in the
    caches.

    Returns:
        Seconds, a list for each call with an entry for each round.
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
    """Time ours against a reference, in turns.

    Args:
        part: The part of the report.
        what: What is timed.
        setting: Its sizes, in words.
        ours: Our call.
        reference: The other's name, and its call.
        repeats: Rounds, each of one call of both.
    """
    name, theirs = reference
    mine, other = in_turns((ours, theirs), repeats)
    ratios = tuple(b / a for a, b in zip(mine, other, strict=True))
    return Timing(part, what, setting, statistics.median(mine), statistics.median(other), name, ratios)

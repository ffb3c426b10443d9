"""The two-stage procedure: what nothing changed needs no test, what looks worse is confirmed on fresh seeds.

Screening is eager (each measure at .05, uncorrected), since it only costs a confirmation. A regression needs the
confirmation's seeds alone to say so: Holm over all that was flagged at .01, and an effect worth a person's time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from longlag.regression.judge import measures
from longlag.regression.judge.comparison import Comparison
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair, matched
from longlag.stats.exact import holm
from longlag.values.seeding import stream
from longlag.values.trial import Status

SCREEN_ALPHA = 0.05
CONFIRM_ALPHA = 0.01
CONFIRM_SEEDS = 30
_FEWEST_RESULTS = 5
_FIRST_SEED, _LAST_SEED = 10_000, 2**31

Confirm = Callable[[Sequence[Entry], Sequence[int]], Sequence[Entry]]
"""Returns entries of the same settings with the outcomes of other seeds."""


class Ruling(StrEnum):
    """What is said of an entry, worst first."""

    REGRESSED = "regressed"
    NOT_COMPARABLE = "not comparable"
    INCONCLUSIVE = "inconclusive"
    IMPROVED = "improved"
    SAME = "same"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Verdict:
    """What is said of an entry, and why.

    Attributes:
        pair: The entry before and after.
        ruling: The word.
        reason: Half a sentence.
        measure: What decided: one of `measures.MEASURES`.
        p: The p that decided, adjusted where others were tested with it.
        screened: The numbers of the first stage.
        confirmed: The numbers of the confirmation.
        more_seeds: How many more seeds would do where it is inconclusive.
    """

    pair: EntryPair
    ruling: Ruling
    reason: str
    measure: str = ""
    p: float | None = None
    screened: Comparison | None = None
    confirmed: Comparison | None = None
    more_seeds: int | None = None

    @property
    def label(self) -> str:
        """The entry's name."""
        return self.pair.label

    @property
    def deciding(self) -> Comparison | None:
        """The numbers that decided."""
        return self.confirmed or self.screened


def screen(baseline: Entry, new: Entry, alpha: float = SCREEN_ALPHA) -> Comparison:
    """Hold an entry against its baseline; see `Comparison.flagged`."""
    return Comparison(baseline, new, alpha)


def confirmation_seeds(baseline_hash: str, taken: Sequence[int] = (), count: int = CONFIRM_SEEDS) -> list[int]:
    """Derive fresh seeds from a baseline's hash: the same for all who use it, and never among those in use."""
    drawn = stream("confirmation", baseline_hash).generator().integers(_FIRST_SEED, _LAST_SEED, size=8 * count)
    fresh = list(dict.fromkeys(int(seed) for seed in drawn if int(seed) not in set(taken)))
    return sorted(fresh[:count])


def decide(
    baseline: Sequence[Entry], new: Sequence[Entry], confirm: Confirm | None, seeds: Sequence[int]
) -> list[Verdict]:
    """Give every entry of either side a verdict, worst first.

    Args:
        baseline: What was accepted.
        new: What the code does now.
        confirm: Where the outcomes of the confirmation come from; None leaves what is flagged inconclusive.
        seeds: The confirmation's.
    """
    first = [_first(pair) for pair in matched(baseline, new)]
    verdicts = _with_improvements(first)
    flagged = [place for place, verdict in enumerate(verdicts) if _is_flagged(verdict)]
    if confirm is not None and flagged:
        fresh = {entry.key: entry for entry in confirm([_new(verdicts[place]) for place in flagged], seeds)}
        held = [replace(verdicts[place], confirmed=_against(verdicts[place], fresh)) for place in flagged]
        for place, verdict in zip(flagged, _confirmed(held), strict=True):
            verdicts[place] = verdict
    return sorted(verdicts, key=severity)


def severity(verdict: Verdict) -> tuple[int, float, str, str]:
    """Return what verdicts are sorted by, worst first."""
    entry = verdict.pair.new or verdict.pair.baseline
    assert entry is not None
    p = 1.0 if verdict.p is None else verdict.p
    return list(Ruling).index(verdict.ruling), p, verdict.label, entry.key


def _first(pair: EntryPair) -> Verdict:
    """Say what needs no confirmation, and what the first stage sees."""
    if pair.baseline is None or pair.new is None or pair.obstacle:
        return Verdict(pair, Ruling.NOT_COMPARABLE, pair.obstacle)
    if crashed := _crashed(pair.baseline, pair.new):
        return Verdict(pair, Ruling.REGRESSED, crashed)
    if _is_unchanged(pair.baseline, pair.new):
        return Verdict(pair, Ruling.UNCHANGED, "every curve is the same to the last digit")
    fewest = min(pair.baseline.n, pair.new.n)
    if fewest < _FEWEST_RESULTS:
        missing = _FEWEST_RESULTS - fewest
        return Verdict(pair, Ruling.INCONCLUSIVE, f"only {fewest} seeds have a result", more_seeds=missing)
    held = screen(pair.baseline, pair.new)
    measure = min(measures.MEASURES, key=lambda name: held.tests.worse[name])
    p = held.tests.worse[measure]
    if held.flagged:
        reason = f"looks worse (p = {p:.2g}) and was not confirmed"
        return Verdict(pair, Ruling.INCONCLUSIVE, reason, measure, p, held, more_seeds=CONFIRM_SEEDS)
    return _undisturbed(Verdict(pair, Ruling.SAME, "", measure, p, held))


def _undisturbed(verdict: Verdict) -> Verdict:
    """Tell sameness from not knowing."""
    held = verdict.deciding
    assert held is not None
    if held.excludes_drop:
        return replace(verdict, ruling=Ruling.SAME, reason="the interval excludes the drop that could be detected")
    more = held.more_seeds
    would = f"{more} more seeds would do" if more is not None else "the difference is too close to what can be detected"
    reason = f"the interval includes a drop that could be detected: {would}"
    return replace(verdict, ruling=Ruling.INCONCLUSIVE, reason=reason, more_seeds=more)


def _with_improvements(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Call improved what the first stage shows to be better beyond chance, Holm over all that was tested."""
    tested = [
        (place, measure, held.tests.better[measure])
        for place, verdict in enumerate(verdicts)
        if (held := verdict.screened) is not None and not held.flagged
        for measure in measures.MEASURES
    ]
    found = list(verdicts)
    adjusted = holm([p for _, _, p in tested])
    for (place, measure, _), p in sorted(zip(tested, adjusted, strict=True), key=lambda item: -item[1]):
        held = verdicts[place].screened
        if p <= CONFIRM_ALPHA and held is not None and held.is_large(measure, 1):
            better = replace(verdicts[place], ruling=Ruling.IMPROVED, measure=measure, p=p, more_seeds=None)
            found[place] = replace(better, reason=f"better in {_called(measure)}")
    return found


def _confirmed(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Decide what was flagged by the fresh seeds alone: every flagged measure of every flagged entry is tested."""
    asked = [
        (place, measure, held.tests.worse[measure])
        for place, verdict in enumerate(verdicts)
        if (held := verdict.confirmed) is not None and verdict.screened is not None
        for measure in verdict.screened.flagged
    ]
    least: dict[int, tuple[float, str]] = {}
    proven: dict[int, tuple[float, str]] = {}
    for (place, measure, _), p in zip(asked, holm([p for _, _, p in asked]), strict=True):
        held = verdicts[place].confirmed
        least[place] = min((p, measure), least.get(place, (2.0, "")))
        if p <= CONFIRM_ALPHA and held is not None and held.is_large(measure, -1):
            proven[place] = min((p, measure), proven.get(place, (2.0, "")))
    return [_second(verdict, least.get(place), proven.get(place)) for place, verdict in enumerate(verdicts)]


def _second(verdict: Verdict, least: tuple[float, str] | None, proven: tuple[float, str] | None) -> Verdict:
    if verdict.confirmed is None or least is None:
        return replace(verdict, reason="looks worse, and the confirmation has too few results")
    if crashed := _crashed(verdict.confirmed.baseline, verdict.confirmed.new):
        return replace(verdict, ruling=Ruling.REGRESSED, reason=crashed, more_seeds=None)
    if proven:
        p, measure = proven
        reason = f"worse in {_called(measure)}, confirmed on {verdict.confirmed.new.n} fresh seeds"
        return replace(verdict, ruling=Ruling.REGRESSED, reason=reason, measure=measure, p=p, more_seeds=None)
    decided = _undisturbed(replace(verdict, p=least[0], measure=least[1], more_seeds=None))
    return replace(decided, reason=f"looked worse, {verdict.confirmed.new.n} fresh seeds do not: {decided.reason}")


def _against(verdict: Verdict, fresh: dict[str, Entry]) -> Comparison | None:
    baseline = verdict.pair.baseline
    entry = fresh.get(_new(verdict).key)
    if baseline is None or entry is None or (entry.n < _FEWEST_RESULTS and not _crashed(baseline, entry)):
        return None
    return Comparison(baseline, entry, CONFIRM_ALPHA)


def _is_flagged(verdict: Verdict) -> bool:
    return verdict.screened is not None and bool(verdict.screened.flagged)


def _new(verdict: Verdict) -> Entry:
    assert verdict.pair.new is not None
    return verdict.pair.new


def _is_unchanged(baseline: Entry, new: Entry) -> bool:
    """Whether every new seed is in the baseline, with the same fingerprint."""
    held = {outcome.seed: outcome.fingerprint for outcome in baseline.outcomes}
    return bool(new.outcomes) and all(
        outcome.fingerprint is not None and held.get(outcome.seed) == outcome.fingerprint for outcome in new.outcomes
    )


def _crashed(baseline: Entry, new: Entry) -> str:
    """Say that trials raise that did not; empty where none does."""
    failed = [outcome for outcome in new.outcomes if outcome.status == Status.FAILED]
    if not failed or any(outcome.status == Status.FAILED for outcome in baseline.outcomes):
        return ""
    return f"{len(failed)} of {len(new.outcomes)} trials fail: {failed[0].reason or 'no reason is stored'}"


def _called(measure: str) -> str:
    return {"solved": "solved share", "outcome": "outcomes", "updates": "updates to solve"}[measure]

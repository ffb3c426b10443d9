"""The two-stage procedure: unchanged entries need no test, and entries that look worse are confirmed on fresh seeds.

Screening is liberal (each measure at .05, uncorrected), since a false alarm only costs a confirmation. A regression is
decided by the confirmation's seeds alone: Holm over all tests of them at .01, and an effect that is large enough.

With a margin an entry is the same only if a drop over the margin is excluded. That is decided once: on the present
seeds, if they are enough, else on as many fresh ones as needed. Adding seeds until the interval is short enough would
pass a true drop more often than the interval's confidence allows.
"""

from collections.abc import Sequence
from dataclasses import replace

from longlag.regression.judge.comparison import Comparison, points
from longlag.regression.judge.effects import seeds_for_margin
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.matching import EntryPair, matched
from longlag.regression.judge.measures import MEASURES
from longlag.regression.judge.verdict import Asked, Confirm, Ruling, Verdict, severity
from longlag.stats.exact import holm
from longlag.values.seeding import stream
from longlag.values.trial import Status

SCREEN_ALPHA = 0.05
CONFIRM_ALPHA = 0.01
CONFIRM_SEEDS = 30
MOST_FRESH_SEEDS = 200
"""The most seeds that are trained without a request; the verdict states how many more would be needed."""
_FEWEST_RESULTS = 5
_FIRST_SEED, _LAST_SEED = 10_000, 2**31


def screen(baseline: Entry, new: Entry, alpha: float = SCREEN_ALPHA) -> Comparison:
    """Compare an entry with its baseline; see `Comparison.flagged`."""
    return Comparison(baseline, new, alpha)


def confirmation_seeds(baseline_hash: str, taken: Sequence[int] = (), count: int = CONFIRM_SEEDS) -> list[int]:
    """Derive fresh seeds from a baseline's hash: the same on every machine, and none that is in use.

    The first seeds do not depend on ``count``.
    """
    drawn = stream("confirmation", baseline_hash).generator().integers(_FIRST_SEED, _LAST_SEED, size=8 * count)
    return list(dict.fromkeys(int(seed) for seed in drawn if int(seed) not in set(taken)))[:count]


def decide(
    baseline: Sequence[Entry],
    new: Sequence[Entry],
    confirm: Confirm | None,
    seeds: Sequence[int],
    margin: float | None = None,
) -> list[Verdict]:
    """Give every entry of either side a verdict, worst first.

    Args:
        baseline: The accepted entries.
        new: The entries of the present code.
        confirm: Trains fresh seeds; if it is None, flagged entries stay inconclusive.
        seeds: Fresh seeds, of which each entry takes the first ones; `MOST_FRESH_SEEDS` with a margin, else
            `CONFIRM_SEEDS`.
        margin: Drop of the solved share that must be excluded for an entry to be the same; by default the drop that
            its seeds can detect.
    """
    verdicts = _with_improvements([_first(pair, margin, confirm is not None) for pair in matched(baseline, new)])
    asked = [place for place, verdict in enumerate(verdicts) if verdict.fresh_seeds]
    if confirm is not None and asked:
        wanted = [Asked(_new(verdicts[place]), tuple(seeds[: verdicts[place].fresh_seeds])) for place in asked]
        fresh = {entry.key: entry for entry in confirm(wanted)}
        held = [replace(verdicts[place], confirmed=_against(verdicts[place], fresh)) for place in asked]
        for place, verdict in zip(asked, _confirmed(held), strict=True):
            verdicts[place] = verdict
    return sorted(verdicts, key=severity)


def _first(pair: EntryPair, margin: float | None, can_train: bool) -> Verdict:
    """Return the verdict of the first stage, which may ask for fresh seeds."""
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
    measure = min(MEASURES, key=lambda name: held.tests.worse[name])
    verdict = Verdict(pair, Ruling.SAME, "", measure, held.tests.worse[measure], held, margin=margin)
    needed = 0 if margin is None else seeds_for_margin(pair.baseline.solved, pair.baseline.n, margin)
    if held.flagged:
        reason = f"looks worse (p = {held.tests.worse[measure]:.2g}) and was not confirmed"
        fresh = max(CONFIRM_SEEDS, needed if needed and needed <= MOST_FRESH_SEEDS else 0)
        unsure = replace(verdict, ruling=Ruling.INCONCLUSIVE, reason=reason, more_seeds=fresh)
        return replace(unsure, fresh_seeds=fresh)
    if margin is None or not can_train or (needed is not None and pair.new.n >= needed):
        return _undisturbed(verdict)
    return _to_be_excluded(verdict, needed)


def _to_be_excluded(verdict: Verdict, needed: int | None) -> Verdict:
    """Return a verdict that asks for the fresh seeds that exclude a drop over the margin, unless they are too many."""
    assert verdict.margin is not None
    assert verdict.pair.baseline is not None
    what = f"excluding a drop over {points(verdict.margin)} points"
    if needed is not None and needed <= MOST_FRESH_SEEDS:
        fresh = max(needed, _FEWEST_RESULTS)
        reason = f"{what} takes {fresh} seeds"
        return replace(verdict, ruling=Ruling.INCONCLUSIVE, reason=reason, fresh_seeds=fresh)
    decided = _undisturbed(verdict)
    if decided.ruling is Ruling.SAME:
        return decided
    if needed is None:
        reason = f"{what} takes a baseline of more than {verdict.pair.baseline.n} seeds, with any number of new ones"
        return replace(decided, reason=reason, more_seeds=None)
    reason = f"{what} takes {needed} seeds, more than the {MOST_FRESH_SEEDS} that are trained without a request"
    return replace(decided, reason=reason, more_seeds=needed - _new(verdict).n)


def _undisturbed(verdict: Verdict) -> Verdict:
    """Return the verdict on an entry that is not flagged: the same, or inconclusive."""
    held = verdict.deciding
    assert held is not None
    if held.excludes_drop(verdict.margin):
        left = points(held.excluded_drop)
        reason = f"the interval excludes a drop of the solved share over {left} points, not a smaller one"
        return replace(verdict, ruling=Ruling.SAME, reason=reason, more_seeds=None)
    more = held.more_seeds(verdict.margin)
    if verdict.margin is None:
        drop, close = "a drop that could be detected", "the difference is too close to what can be detected"
    else:
        drop, close = f"a drop over {points(verdict.margin)} points", "more seeds like the present ones would not help"
    would = f"{more} more seeds would suffice" if more is not None else close
    reason = f"the interval includes {drop}: {would}"
    return replace(verdict, ruling=Ruling.INCONCLUSIVE, reason=reason, more_seeds=more)


def _with_improvements(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return verdicts in which entries that the first stage shows to be better are improved, by Holm over all tests."""
    tested = [
        (place, measure, held.tests.better[measure])
        for place, verdict in enumerate(verdicts)
        if (held := verdict.screened) is not None and not held.flagged
        for measure in MEASURES
    ]
    ruled = list(verdicts)
    adjusted = holm([p for _, _, p in tested])
    for (place, measure, _), p in sorted(zip(tested, adjusted, strict=True), key=lambda item: -item[1]):
        held = verdicts[place].screened
        if p <= CONFIRM_ALPHA and held is not None and held.is_large(measure, 1):
            better = replace(verdicts[place], ruling=Ruling.IMPROVED, measure=measure, p=p, more_seeds=None)
            ruled[place] = replace(better, reason=f"better in {_called(measure)}", fresh_seeds=0)
    return ruled


def _confirmed(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Decide by the fresh seeds alone: the flagged measures are tested, or all if the margin required the seeds."""
    asked = [
        (place, measure, held.tests.worse[measure])
        for place, verdict in enumerate(verdicts)
        if (held := verdict.confirmed) is not None and verdict.screened is not None
        for measure in verdict.screened.flagged or MEASURES
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
    held = verdict.confirmed
    if held is None or least is None:
        looks = "looks worse, and" if _is_flagged(verdict) else "so"
        return replace(verdict, reason=f"{looks} the fresh seeds have too few results")
    if crashed := _crashed(held.baseline, held.new):
        return replace(verdict, ruling=Ruling.REGRESSED, reason=crashed, more_seeds=None)
    if proven:
        p, measure = proven
        reason = f"worse in {_called(measure)}, confirmed on {held.new.n} fresh seeds"
        return replace(verdict, ruling=Ruling.REGRESSED, reason=reason, measure=measure, p=p, more_seeds=None)
    p, measure = least
    decided = _undisturbed(replace(verdict, p=p, measure=measure, more_seeds=None))
    if p <= CONFIRM_ALPHA:
        return _slightly_worse(decided)
    looked = "looked worse, " if _is_flagged(verdict) else ""
    do_not = "do not confirm it" if looked else "decide"
    return replace(decided, reason=f"{looked}{held.new.n} fresh seeds {do_not}: {decided.reason}")


def _slightly_worse(decided: Verdict) -> Verdict:
    """Return the verdict on an entry that is worse by less than the minimum: the same only if a margin allows it."""
    held, measure = decided.deciding, decided.measure
    assert held is not None
    effect = held.effects[measure]
    by = f"{effect:+.3f}" if measure == "solved" else f"superiority {effect + 0.5:.3f}"
    where = f"{_called(measure)} on {held.new.n} fresh seeds (p = {decided.p:.2g})"
    reason = f"worse in {where}, by less than the minimum ({by})"
    if decided.margin is None:
        return replace(decided, ruling=Ruling.INCONCLUSIVE, reason=reason, more_seeds=None)
    return replace(decided, reason=f"{reason}; {decided.reason}")


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
    """Return whether every new seed is in the baseline, with the same fingerprint."""
    held = {outcome.seed: outcome.fingerprint for outcome in baseline.outcomes}
    return bool(new.outcomes) and all(
        outcome.fingerprint is not None and held.get(outcome.seed) == outcome.fingerprint for outcome in new.outcomes
    )


def _crashed(baseline: Entry, new: Entry) -> str:
    """Return a message if trials fail now that did not before; else an empty text."""
    failed = [outcome for outcome in new.outcomes if outcome.status == Status.FAILED]
    if not failed or any(outcome.status == Status.FAILED for outcome in baseline.outcomes):
        return ""
    return f"{len(failed)} of {len(new.outcomes)} trials fail: {failed[0].reason or 'no reason is stored'}"


def _called(measure: str) -> str:
    return {"solved": "solved share", "outcome": "outcomes", "updates": "updates to solve"}[measure]

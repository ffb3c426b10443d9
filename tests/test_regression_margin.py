"""What `same` leaves open, and the margin: no drop over it passes more often than said, and no look is for nothing."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from regressions import drawn, setting, solved, stuck
from scipy import stats

from longlag.regression.judge import effects
from longlag.regression.judge.comparison import Comparison, points
from longlag.regression.judge.effects import Pairs, seeds_for_margin
from longlag.regression.judge.entries import Entry
from longlag.regression.judge.procedure import MOST_FRESH_SEEDS, confirmation_seeds, decide
from longlag.regression.judge.verdict import Ruling, without_trust
from longlag.stats.exact import mcnemar
from longlag.values.trial import Status

SEEDS = confirmation_seeds("a hash", range(100), MOST_FRESH_SEEDS)


def counted(count, seeds, updates=100):
    """Return an entry of which exactly so many seeds solve, spread over all of them, in times that vary."""
    seeds = list(seeds)
    share = count / len(seeds)
    hits = [int((place + 1) * share + 1e-9) > int(place * share + 1e-9) for place in range(len(seeds))]
    outcomes = [
        solved(seed, updates + 20 * (seed % 9)) if hit else stuck(seed, 0.5 + 0.01 * (seed % 5))
        for seed, hit in zip(seeds, hits, strict=True)
    ]
    return Entry(setting(), tuple(outcomes))


def ruled(before, after, confirm=None, margin=None):
    (verdict,) = decide([before], [after], confirm, SEEDS, margin)
    return verdict


def trains(share, asked=None, *names):
    def confirm(wanted):
        if asked is not None:
            asked.extend(wanted)
        return [drawn(share, seeds, "fresh", *names) for _, seeds in wanted]

    return confirm


BEFORE = counted(90, range(100))


@pytest.mark.parametrize(("n", "usual"), [(5, 57), (10, 38), (30, 19)])
def test_what_same_may_leave_open_depends_on_the_seeds(n, usual):
    verdict = ruled(BEFORE, counted(round(0.9 * n), range(100, 100 + n)))
    assert round(100 * verdict.screened.detectable_drop) == usual
    assert verdict.ruling is Ruling.SAME
    left = points(verdict.screened.excluded_drop)
    assert verdict.meaning == f"no drop over {left} points"
    assert 0 < left <= usual + 1
    assert f"over {left} points, not a smaller one" in verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize(("before", "without", "within"), [(0.9, (0.2, 0.38), 0.1), (0.6, (0.3, 0.5), 0.1)])
def test_a_drop_of_twenty_points_passes_often_without_a_margin_and_rarely_with_one(before, without, within):
    def same(margin, share, checks=100):
        found = Counter()
        for number in range(checks):
            old, new = drawn(before, range(100), "base", number), drawn(share, range(100, 110), "new", number)
            found[ruled(old, new, trains(share, None, number), margin).ruling] += 1
        return found[Ruling.SAME] / checks

    assert without[0] <= same(None, before - 0.2) <= without[1]
    assert same(0.2, before - 0.2) <= within  # .05 at most, and three standard errors of a hundred checks
    assert same(0.2, before) >= 0.8  # .9 is planned, for either of two intervals


@pytest.mark.slow
def test_with_a_margin_no_alarm_is_given_where_nothing_changed():
    alarms = 0
    for number in range(150):
        old, new = drawn(0.9, range(100), "base", number), drawn(0.9, range(100, 110), "new", number)
        alarms += ruled(old, new, trains(0.9, None, number), 0.2).ruling is Ruling.REGRESSED
    assert alarms <= 5  # at a level of .01 the probability of more is below .004


def test_the_seeds_that_a_margin_takes_are_trained_and_alone_decide():
    asked = []
    verdict = ruled(BEFORE, counted(9, range(100, 110)), trains(0.9, asked), 0.2)
    ((entry, seeds),) = asked
    needed = seeds_for_margin(90, 100, 0.2)
    assert seeds == tuple(SEEDS[:needed])
    assert (entry, verdict.deciding.new.n) == (counted(9, range(100, 110)), needed)
    assert verdict.ruling is Ruling.SAME
    assert verdict.reason.startswith(f"{needed} fresh seeds decide: the interval excludes")
    assert points(verdict.deciding.excluded_drop) <= 20


def test_enough_seeds_are_looked_at_without_training_and_ten_are_not_looked_at_first():
    needed = seeds_for_margin(90, 100, 0.2)
    enough = ruled(BEFORE, counted(round(0.9 * needed), range(100, 100 + needed)), pytest.fail, 0.2)
    assert enough.ruling is Ruling.SAME
    asked = []
    ten = counted(10, range(100, 110))  # these alone would exclude a drop over 20 points
    assert Comparison(BEFORE, ten, 0.05).excludes_drop(0.2)
    ruled(BEFORE, ten, trains(0.7, asked), 0.2)
    assert len(asked) == 1


def test_a_margin_that_was_not_excluded_says_how_many_seeds_would_do_it():
    after = counted(29, range(100, 136))  # a drop of 9 points
    verdict = ruled(BEFORE, after, pytest.fail, 0.2)
    assert verdict.ruling is Ruling.INCONCLUSIVE
    assert (
        verdict.reason == f"the interval includes a drop over 20 points: {verdict.more_seeds} more seeds would suffice"
    )
    n = 36 + verdict.more_seeds
    assert Comparison(BEFORE, counted(round(n * 29 / 36), range(100, 100 + n)), 0.05).excludes_drop(0.2)
    assert "possible" in verdict.meaning


def test_paired_seeds_that_are_to_come_are_counted_as_pairs_like_those_there_are():
    now, twice = (Comparison(counted(9 * k, range(10 * k)), counted(8 * k, range(10 * k)), 0.05) for k in (1, 2))
    assert "solved" in now.tests.paired
    assert now._share(20) == pytest.approx(twice.share)


@pytest.mark.parametrize(
    ("solved_before", "margin", "told"),
    [
        (90, 0.1, r"takes 230 seeds, more than the 200 that are trained without a request"),
        (50, 0.05, r"takes a baseline of more than 100 seeds, with any number of new ones"),
    ],
)
def test_a_margin_that_no_fair_number_of_seeds_excludes_is_inconclusive_untrained(solved_before, margin, told):
    before = counted(solved_before, range(100))
    verdict = ruled(before, counted(round(solved_before / 10), range(100, 110)), pytest.fail, margin)
    assert verdict.ruling is Ruling.INCONCLUSIVE
    assert verdict.reason.endswith(told)
    assert verdict.more_seeds == (220 if margin == 0.1 else None)


def test_without_training_the_seeds_that_there_are_decide_on_the_margin():
    assert ruled(BEFORE, counted(10, range(100, 110)), None, 0.2).ruling is Ruling.SAME
    assert ruled(BEFORE, counted(9, range(100, 110)), None, 0.2).ruling is Ruling.INCONCLUSIVE


def test_a_drop_that_only_the_seeds_for_the_margin_show_is_a_regression():
    verdict = ruled(BEFORE, counted(8, range(100, 110)), trains(0.5), 0.2)
    assert not verdict.screened.flagged
    assert verdict.ruling is Ruling.REGRESSED


def test_fresh_seeds_that_fail_or_are_too_few_are_not_the_same():
    failed = lambda asked: [replace(of, outcomes=tuple(stuck(s, None, Status.FAILED) for s in k)) for of, k in asked]  # noqa: E731
    few = lambda asked: [replace(of, outcomes=of.outcomes[:4]) for of, _ in asked]  # noqa: E731
    after = counted(9, range(100, 110))
    assert ruled(BEFORE, after, failed, 0.2).ruling is Ruling.REGRESSED
    assert ruled(BEFORE, after, few, 0.2).ruling is Ruling.INCONCLUSIVE
    assert ruled(BEFORE, after, lambda asked: [], 0.2).ruling is Ruling.INCONCLUSIVE


@pytest.mark.parametrize(("count", "margin"), [(100, 0.2), (90, 0.2), (60, 0.2), (30, 0.3), (90, 0.12)])
def test_the_seeds_for_a_margin_suffice_in_nine_of_ten_checks(count, margin):
    n = seeds_for_margin(count, 100, margin)
    chances = stats.binom.pmf(range(n + 1), n, (count + 0.5) / 101)
    passes = [effects.difference_interval(k / n, n, count / 100, 100).low >= -margin for k in range(n + 1)]
    assert chances[passes].sum() >= 0.9
    assert seeds_for_margin(count, 100, margin + 0.05) <= n
    dropped = stats.binom.pmf(range(n + 1), n, count / 100 - margin)
    assert dropped[passes].sum() <= 0.07  # how often that very drop passes: .05, but for what the interval approximates


def test_what_is_worse_by_less_than_counts_is_told_so_and_is_not_the_same():
    before = counted(100, range(100))
    slower = counted(30, SEEDS[:30], updates=135)
    verdict = ruled(before, drawn(0.3, range(100, 110), "new"), lambda asked: [slower])
    assert verdict.p < 0.01
    assert -0.2 < verdict.confirmed.effects["outcome"] < 0
    assert verdict.ruling is Ruling.INCONCLUSIVE
    number = verdict.confirmed.effects[verdict.measure] + 0.5
    assert (
        f"30 fresh seeds (p = {verdict.p:.2g}), by less than the minimum (superiority {number:.3f})" in verdict.reason
    )
    assert "do not" not in verdict.reason


def test_nothing_passes_where_an_invariant_is_broken():
    marked = drawn(0.9, range(100), "base", marked="a")
    verdicts = decide([marked], [Entry(marked.setting, marked.outcomes[:10])], None, SEEDS)
    (verdict,) = without_trust(verdicts)
    assert verdicts[0].ruling is Ruling.UNCHANGED
    assert (verdict.ruling, verdict.reason) == (
        Ruling.INCONCLUSIVE,
        "an invariant is broken, else: every curve is the same to the last digit",
    )


# Pairs


@pytest.mark.parametrize(
    ("counts", "printed"),
    [((36, 12, 2, 0), (-0.2, -0.3404, -0.0569)), ((30, 0, 0, 0), (0, -0.1135, 0.1135))],
)
def test_the_interval_of_pairs_is_newcombes(counts, printed):
    found = effects.paired_difference_interval(Pairs(*counts), 0.95)
    assert tuple(found) == pytest.approx(printed, abs=5e-5)


def test_pairs_that_go_alike_leave_less_open_than_two_samples_do():
    alike = effects.paired_difference_interval(Pairs(24, 0, 0, 6))
    strangers = effects.difference_interval(0.8, 30, 0.8, 30)
    assert strangers.low < alike.low < 0 < alike.high < strangers.high


def test_solved_counts_of_the_same_seeds_are_mcnemars_and_not_those_of_two_samples():
    before = Entry(setting(), tuple(solved(s, 100 + 20 * (s % 10)) if s % 4 else stuck(s) for s in range(100)))
    lost = {1, 2, 3, 5, 6}
    again = [stuck(o.seed) if o.seed in lost else o for o in before.outcomes[:40]]
    held = Comparison(before, Entry(before.setting, tuple(again)), 0.05)
    assert "solved" in held.tests.paired
    assert held.pairs == Pairs(25, 5, 0, 10)
    assert held.tests.worse["solved"] == pytest.approx(mcnemar(5, 0) / 2)
    strangers = Entry(before.setting, tuple(replace(o, seed=o.seed + 1000) for o in again))
    assert Comparison(before, strangers, 0.05).tests.worse["solved"] > 2 * held.tests.worse["solved"]


def test_an_effect_of_exactly_the_minimum_is_large_however_its_digits_are_rounded():
    before, after = 19 / 20, 15 / 20
    assert after - before > -0.2  # by a rounding
    made = SimpleNamespace(effects={"solved": after - before, "outcome": before - after})
    assert Comparison.is_large(made, "solved", -1)
    assert Comparison.is_large(made, "outcome", 1)
    assert not Comparison.is_large(made, "solved", 1)
    assert not Comparison.is_large(SimpleNamespace(effects={"solved": -0.199}), "solved", -1)

"""The tests and intervals behind a verdict, held against scipy, enumeration and arithmetic by hand."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from regressions import drawn, setting, solved, stuck
from scipy import stats

from longlag.regression.judge import effects, measures
from longlag.regression.judge.comparison import Comparison
from longlag.regression.judge.entries import Entry
from longlag.stats.exact import boschloo_p, critical_count, holm, mcnemar, paired_p, permutation_p
from longlag.values.seeding import stream
from longlag.values.trial import Status


@pytest.mark.parametrize(
    "counts", [(2, 10, 9, 10), (8, 10, 100, 100), (3, 10, 60, 100), (12, 30, 60, 100), (0, 10, 30, 100), (5, 7, 2, 9)]
)
def test_boschloo_is_scipys(counts):
    count, n, other, m = counts
    expected = stats.boschloo_exact([[count, other], [n - count, m - other]], alternative="less", n=64).pvalue
    assert boschloo_p(*counts) == pytest.approx(expected, rel=1e-4)


def test_boschloo_keeps_its_level_whatever_the_common_share():
    n, m, alpha = 10, 60, 0.05
    rejected = np.array([[boschloo_p(a, n, b, m) <= alpha for b in range(m + 1)] for a in range(n + 1)])
    for share in np.linspace(0.01, 0.99, 33):
        chances = np.outer(stats.binom.pmf(range(n + 1), n, share), stats.binom.pmf(range(m + 1), m, share))
        assert chances[rejected].sum() <= alpha


def test_boschloo_of_nothing_or_of_no_variety_says_nothing():
    assert boschloo_p(0, 0, 5, 10) == boschloo_p(3, 5, 0, 0) == 1
    assert boschloo_p(10, 10, 100, 100) == pytest.approx(1)
    assert boschloo_p(0, 10, 0, 100) == pytest.approx(1)


@pytest.mark.parametrize("scores", [[5, 3, 9, 1, 2, 7, 8, 4], [1, 1, 1, 2, 2, 0, 0, 0], [0, 0, 0, 9, 0, 0, 0, 0]])
@pytest.mark.parametrize("m", [1, 3, 7])
def test_permutation_p_is_what_enumeration_gives(scores, m):
    observed = sum(scores[:m])
    sums = [sum(scores[place] for place in places) for places in combinations(range(len(scores)), m)]
    assert permutation_p(np.array(scores), m) == pytest.approx(np.mean([found >= observed for found in sums]))


def test_permutation_p_of_ranks_is_scipys_exact_rank_sum():
    generator = stream("test").generator()
    values = generator.permutation(40)
    for m in (5, 12, 30):
        expected = stats.mannwhitneyu(values[:m], values[m:], alternative="greater", method="exact").pvalue
        assert permutation_p(values, m) == pytest.approx(expected, rel=1e-9)


def test_permutation_p_far_from_the_level_is_near_the_exact_one():
    generator = stream("test").generator(1)
    for _ in range(20):
        values = generator.permutation(110)
        assert permutation_p(values, 10, exact_below=0.0) == pytest.approx(permutation_p(values, 10), abs=0.01)


@pytest.mark.parametrize("values", [[3, 3, 3, 3], [0], []])
def test_permutation_p_of_ties_alone_is_one(values):
    assert permutation_p(np.array(values, dtype=int), min(2, len(values))) == 1


def test_permutation_p_at_complete_separation_is_one_subset():
    assert permutation_p(np.array([9, 9, 9, 1, 1, 1, 1]), 3) == pytest.approx(1 / 35)


@pytest.mark.parametrize("differences", [[3, -1, 2], [1, 1, 1, 1, -1], [0, 4, -4, 0, 2], [-3, -2]])
def test_paired_p_is_what_enumeration_of_signs_gives(differences):
    sizes = [abs(value) for value in differences]
    sums = [
        sum(s * size for s, size in zip(signs, sizes, strict=True)) for signs in product((-1, 1), repeat=len(sizes))
    ]
    expected = np.mean([found >= sum(differences) for found in sums])
    assert paired_p(np.array(differences)) == pytest.approx(expected)


def test_paired_p_of_signs_is_mcnemars():
    differences = np.array([1] * 7 + [-1] * 2 + [0] * 11)
    assert paired_p(differences) == pytest.approx(stats.binomtest(7, 9, alternative="greater").pvalue)


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (5, 5), (2, 9), (9, 2), (0, 8), (60, 31)])
def test_mcnemar_is_the_binomial_test_of_the_seeds_that_differ(counts):
    expected = stats.binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1
    assert mcnemar(*counts) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=14))
def test_mcnemar_is_twice_the_smaller_side_of_the_test_by_signs(pairs):
    first, second = (sum(pair == kind for pair in pairs) for kind in ((True, False), (False, True)))
    differences = np.array([int(one) - int(other) for one, other in pairs], dtype=int)
    one_sided = min(paired_p(differences), paired_p(-differences))
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * one_sided))


def test_holm_is_the_step_down_by_hand():
    assert holm([0.01, 0.2, 0.02, 0.03]) == pytest.approx([0.04, 0.2, 0.06, 0.06])
    assert holm([]) == []


def entry(*outcomes):
    return Entry(setting(), tuple(outcomes))


def test_outcomes_are_ordered_from_soon_solved_to_diverged():
    outcomes = [solved(0, 20), solved(1, 400), stuck(2, 0.1), stuck(3, 1e9), stuck(4, 0.2, Status.EXPLODED)]
    badness = entry(*outcomes, stuck(5, 0.1, Status.DIVERGED)).badness
    assert list(np.argsort(badness, kind="stable")) == [0, 1, 2, 3, 4, 5]
    assert badness[4] == badness[5]


def test_what_failed_or_timed_out_is_no_result():
    held = entry(solved(0, 20), stuck(1, 0.5, Status.FAILED), stuck(2, 0.5, Status.TIMEOUT))
    assert (held.n, held.solved, len(held.outcomes)) == (1, 1, 3)


def test_log_rank_scores_are_those_by_hand():
    baseline, new = entry(solved(0, 100), stuck(1)), entry(solved(2, 200), stuck(3))
    # At 100 one of four solves, at 200 one of three: hazards 1/4 and 1/4 + 1/3, less one for who solved.
    expected = np.array([1 / 4 + 1 / 3 - 1, 1 / 4 + 1 / 3, 1 / 4 - 1, 1 / 4 + 1 / 3])
    assert measures.log_rank_scores(baseline, new) / 20 == pytest.approx(expected, abs=1 / 40)


def test_a_diverged_trial_is_censored_at_the_budget():
    held = entry(solved(0, 100), stuck(1, 0.5, Status.DIVERGED))
    assert held.times.tolist() == [100, 400]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_measure_is_ever_nan(share):
    base = drawn(share, range(60), "base")
    for other in (drawn(0.0, range(60, 70), "new"), drawn(1.0, range(60, 70), "new"), base):
        found = measures.tests(base, other, 0.05)
        ps = [*found.worse.values(), *found.better.values()]
        assert len(ps) == 6
        assert all(0 < p <= 1 for p in ps)


def test_complete_separation_is_found_by_every_measure():
    found = measures.tests(drawn(1.0, range(60), "base"), drawn(0.0, range(60, 70), "new"), 0.05)
    assert max(found.worse.values()) < 1e-8
    assert min(found.better.values()) > 0.5


def test_the_order_of_seeds_changes_nothing():
    base, new = drawn(0.7, range(60), "base"), drawn(0.4, range(60, 70), "new")
    turned = Entry(base.setting, base.outcomes[::-1]), Entry(new.setting, new.outcomes[::-1])
    assert measures.tests(base, new, 0.05) == measures.tests(*turned, 0.05)


def test_seeds_that_go_alike_are_paired_and_others_are_not():
    base = drawn(0.6, range(60), "base")
    later = tuple(solved(o.seed, o.updates_to_solve + 20) if o.solved else o for o in base.outcomes[:10])
    assert measures.tests(base, Entry(base.setting, later), 0.05).paired == {"solved", "outcome", "updates"}
    assert not measures.tests(base, drawn(0.6, range(10), "other"), 0.05).paired
    assert not measures.tests(base, drawn(0.6, range(60, 70), "other"), 0.05).paired


def test_each_measure_is_paired_by_itself():
    base = Entry(setting(), tuple(solved(seed, 100 + 20 * (seed % 10)) for seed in range(60)))
    lost = tuple(stuck(o.seed) if o.seed in (0, 3, 6, 9) else o for o in base.outcomes[:10])
    found = measures.tests(base, Entry(base.setting, lost), 0.05)
    assert "solved" not in found.paired  # four of ten are lost, whichever solved before: 60 seeds tell more than ten
    assert found.worse["solved"] == boschloo_p(6, 10, 60, 60) < 0.001
    late = tuple(solved(o.seed, o.updates_to_solve + 20) for o in base.outcomes[:10])
    assert "updates" in measures.tests(base, Entry(base.setting, late), 0.05).paired


def test_pairs_find_a_delay_of_every_seed_that_two_samples_miss():
    base = Entry(setting(), tuple(solved(seed, 100 + 20 * (seed % 10)) for seed in range(60)))
    later = Entry(setting(), tuple(solved(o.seed, o.updates_to_solve + 20) for o in base.outcomes[:10]))
    strangers = Entry(setting(), tuple(solved(o.seed + 100, o.updates_to_solve) for o in later.outcomes))
    assert measures.tests(base, later, 0.05).worse["updates"] == pytest.approx(2**-10)
    assert measures.tests(base, strangers, 0.05).worse["updates"] > 0.05


def test_superiority_counts_pairs():
    assert effects.superiority(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == (0.5 + 1 + 0 + 0) / 4


def test_the_interval_of_superiority_covers_as_often_as_it_says():
    generator, inside = stream("test").generator(2), 0
    truth = stats.norm.cdf(0.8 / np.sqrt(2))
    for _ in range(400):
        before, after = generator.normal(size=60), generator.normal(-0.8, size=10)
        found = effects.superiority_interval(effects.superiority(before, after), 10, 60)
        inside += found.low <= truth <= found.high
    assert 0.87 <= inside / 400 <= 0.96  # .9, within three standard errors and what normal tails cost


@pytest.mark.parametrize("estimate", [0.0, 1e-4, 0.5, 1.0])
def test_the_interval_of_superiority_is_proper_at_separation(estimate):
    found = effects.superiority_interval(estimate, 10, 100)
    assert 0 <= found.low <= estimate <= found.high <= 1
    assert found.high - found.low > 0.05


def test_excludes_is_the_lower_end_of_the_interval():
    for estimate in (0.35, 0.42, 0.5, 0.7):
        low = effects.superiority_interval(estimate, 10, 100).low
        assert effects.excludes(estimate, low - 1e-6, 10, 100)
        assert not effects.excludes(estimate, low + 1e-6, 10, 100)


def test_the_interval_of_a_difference_is_newcombes():
    base = entry(*(solved(s, 20) for s in range(48)), *(stuck(s) for s in range(48, 80)))
    new = entry(*(solved(s, 20) for s in range(100, 156)), *(stuck(s) for s in range(156, 170)))
    before, after = (stats.binomtest(k, n).proportion_ci(0.9, "wilson") for k, n in ((48, 80), (56, 70)))
    found = Comparison(base, new, 0.05).share
    assert found.estimate == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - np.hypot(0.8 - after.low, before.high - 0.6))
    assert found.high == pytest.approx(0.2 + np.hypot(after.high - 0.8, 0.6 - before.low))


def test_the_detectable_drop_is_detected_with_power_eight_in_ten():
    drop = effects.detectable_drop(90, 100, 10, 0.05)
    critical = critical_count(10, 90, 100, 0.05)
    assert stats.binom.cdf(critical, 10, 0.9 - drop) == pytest.approx(0.8)
    assert boschloo_p(critical, 10, 90, 100) <= 0.05 < boschloo_p(critical + 1, 10, 90, 100)


def test_a_hopeless_baseline_detects_no_drop():
    assert effects.detectable_drop(3, 100, 10, 0.05) is None


def test_the_detectable_superiority_is_detected_about_as_often():
    theta = effects.detectable_superiority(10, 100, 0.05)
    shift = -np.sqrt(2) * stats.norm.ppf(theta)
    generator = stream("test").generator(3)
    ps = [
        permutation_p(np.argsort(np.argsort([*generator.normal(shift, size=10), *generator.normal(size=100)])), 10, 0.2)
        for _ in range(400)
    ]
    assert 0.7 <= np.mean(np.array(ps) <= 0.05) <= 0.9


def test_more_seeds_are_as_many_as_are_needed():
    assert effects.more_seeds(lambda n: n >= 37, 10) == 27
    assert effects.more_seeds(lambda n: True, 10) == 0
    assert effects.more_seeds(lambda n: False, 10) is None


@pytest.mark.parametrize("measure", measures.MEASURES)
def test_each_measure_keeps_its_level_where_nothing_changed(measure):
    base = drawn(0.6, range(1000, 1100), "level")
    draws = [measures.tests(base, drawn(0.6, range(10), "null", number), 0.05) for number in range(300)]
    assert np.mean([found.worse[measure] <= 0.05 for found in draws]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)

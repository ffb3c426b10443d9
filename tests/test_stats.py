"""Values against arithmetic done by hand or printed in tables."""

import math

import pytest
from scipy import stats

from longlag.stats.intervals import mean_interval, score_interval, share_interval
from longlag.stats.multiple import compare, fisher_p
from longlag.stats.survival import median_updates, survival


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (5, 5, 0.025 ** (1 / 5), 1.0),  # all solved: low**n = .025
        (10, 10, 0.6915, 1.0),
        (20, 20, 0.8316, 1.0),
        (0, 8, 0.0, 1 - 0.025 ** (1 / 8)),
        (0, 10, 0.0, 0.3085),
        (3, 3, 0.2924, 1.0),
        (5, 10, 0.1871, 0.8129),
    ],
)
def test_the_interval_of_a_share_is_exact(count, n, low, high):
    found = share_interval(count, n)
    assert found == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("count", "n", "confidence"), [(0, 7, 0.95), (3, 7, 0.9), (56, 70, 0.9), (12, 12, 0.95)])
def test_the_score_interval_of_whole_counts_is_the_librarys(count, n, confidence):
    expected = stats.binomtest(count, n).proportion_ci(confidence, "wilson")
    assert score_interval(count / n, n, confidence) == pytest.approx(tuple(expected), abs=1e-15)


def test_the_interval_of_a_mean_is_students_within_the_shares():
    assert mean_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)
    low, high = mean_interval([0.4, 0.6])
    assert (low, high) == (0.0, 1.0)  # 12.7 standard errors either side
    half = 4.302653 * 0.1 / 3**0.5
    assert mean_interval([0.4, 0.5, 0.6]) == pytest.approx((0.5 - half, 0.5 + half))
    assert mean_interval([0.4]) is None


def test_nothing_observed_has_no_interval_and_no_mean():
    assert share_interval(0, 0) is None
    assert median_updates([], []) is None
    assert survival([], []) == ([], [])


def test_unsolved_trials_are_censored_not_dropped():
    curve = survival([100, 300, 300, 1000], [True, True, True, False])
    assert curve.updates == [100, 300]
    assert curve.unsolved == pytest.approx([0.75, 0.25])


def test_a_trial_censored_early_leaves_those_at_risk():
    # Kaplan-Meier by hand: 3/4, then of the two left one is solved: 3/4 * 1/2.
    curve = survival([100, 200, 300, 400], [True, False, True, False])
    assert curve.unsolved == pytest.approx([0.75, 0.375])


@pytest.mark.parametrize(
    ("updates", "solved", "median"),
    [
        ([100, 200, 900], [True, True, True], 200),
        ([100, 200, 1000, 1000], [True, True, False, False], 200),  # exactly half
        ([100, 200, 1000, 1000, 1000], [True, True, False, False, False], None),
        ([1000], [False], None),
    ],
)
def test_the_median_exists_where_half_are_solved(updates, solved, median):
    assert median_updates(updates, solved) == median


def test_fisher_agrees_with_counting_by_hand():
    # 5/5 against 0/5: two of the C(10, 5) = 252 equally likely splits are as extreme.
    assert fisher_p((5, 5), (0, 5)) == pytest.approx(2 / 252)
    assert fisher_p((5, 5), (2, 5)) == pytest.approx(1 / 6, abs=1e-9)
    assert fisher_p((3, 3), (0, 3)) == pytest.approx(2 / math.comb(6, 3))


def seeds(pattern, first=0):
    return {first + place: letter == "s" for place, letter in enumerate(pattern)}


def test_sides_of_the_same_seeds_are_tested_seed_by_seed():
    one, other = seeds("sssssss..ss"), seeds(".......s.ss")
    assert compare([(one, other)])[0].p == pytest.approx(stats.binomtest(7, 8).pvalue)
    assert compare([(one, seeds(".......s.ss", first=50))])[0].p == pytest.approx(fisher_p((9, 11), (3, 11)))
    fewer = {seed: value for seed, value in other.items() if seed < 9}
    assert compare([(one, fewer)])[0].p == pytest.approx(fisher_p((9, 11), (1, 9)))


def test_looking_at_many_clips_makes_none_look_decided():
    pair = seeds("sssssss"), seeds(".......")  # p = 2 / 128 = .0156
    assert compare([pair])[0].decided
    assert all(found.decided for found in compare([pair] * 3))
    assert not any(found.decided for found in compare([pair] * 4))  # .05 / 4 = .0125


def test_comparisons_that_cannot_decide_cost_nothing():
    pair = seeds("sssssss"), seeds(".......")
    alike, few = (seeds("sssss.."), seeds("sssss..")), (seeds("sssss.."), seeds("......."))  # p = 1 / 16 at least
    unpaired = seeds("sss"), seeds("...", first=10)  # Fisher's p = .1 at least
    assert [found.decided for found in compare([pair, *[alike, few, unpaired] * 20])] == [True, *[False] * 60]
    assert compare([]) == []


def test_a_pair_that_came_out_even_counts_in_the_correction_if_it_could_have_decided():
    pair = seeds("ssssss"), seeds("......")  # p = 2 / 64 = .031
    even = seeds("sss..."), seeds("...sss")  # p = 1, and .031 if all six had been on one side
    assert [found.decided for found in compare([pair])] == [True]
    assert [found.decided for found in compare([pair, even])] == [False, False]


def test_pairs_without_common_seeds_count_in_the_correction_by_what_they_could_have_shown():
    seeds = [range(5), range(5, 10)]
    all_and_none = tuple(dict.fromkeys(own, solved) for own, solved in zip(seeds, (True, False), strict=True))
    alike = tuple({seed: seed % 5 < 3 - side for seed in own} for side, own in enumerate(seeds))  # 3 and 2 of 5
    alone, *_ = compare([all_and_none])
    among, *others = compare([all_and_none, *[alike] * 10])
    assert alone.p == among.p == pytest.approx(2 / 252)
    assert (alone.decided, among.decided) == (True, False)
    assert {other.p for other in others} == {1.0}

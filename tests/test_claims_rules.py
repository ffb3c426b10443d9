"""Rules of claims: each comes out either way on outcomes that are made so, and cannot tell from too few seeds."""

import math

import numpy as np
import pandas as pd
import pytest

from longlag.claims.claim_00_thread import judge as judge_thread
from longlag.claims.claim_10_same_matrix import DEPTHS
from longlag.claims.support import decisions
from longlag.claims.support.decisions import EMPIRICAL, LEVEL, Bar, Effect, Kind, decide, decide_shares
from longlag.claims.support.named import claims
from longlag.regression.judge.effects import Pairs

SEEDS = 40
FEW = 4


def draw(place=0):
    return np.random.Generator(np.random.Philox(place))


def thread(effect, seeds, through_rate=False):
    """Settings hear more or less; whether a trial solves follows from that, from nothing, or from the rate alone."""
    generator, rows = draw(), []
    for setting in range(24 if seeds > FEW else FEW):
        heard = generator.standard_normal()
        for lr in (0.003, 0.01, 0.03):
            for seed in range(6):
                chance = (lr > 0.003) * 0.9 if through_rate else 0.5 + 0.45 * math.tanh(3 * effect * heard)
                signal = (lr > 0.003) * 5.0 + 0.1 * generator.standard_normal() if through_rate else heard
                solved, counter = int(generator.random() < chance), False
                rows.append(("copy", "lstm", f"s{setting}", lr, seed, signal, solved, counter))
    return pd.DataFrame(rows, columns=["task", "cell", "setting", "lr", "seed", "signal", "solved", "faint"])


def slopes(effect, seeds):
    slope = -0.3 * effect + 0.01 * draw().standard_normal(seeds)
    return pd.DataFrame({"slope": slope, "solved": [False] * seeds})


def lost(effect, seeds):
    rows = [
        (radius, lr, seed, int(effect > 0 and radius > 1))
        for radius in (0.7, 1.0, 1.3, 1.6)
        for lr in (0.01, 0.1)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["radius", "lr", "seed", "lost"])


def sides(better):
    """Return a maker of trials with and without a clip: where there is an effect, one side alone has the outcome."""

    def made(effect, seeds):
        rows = [
            (clipped, seed, *([int(effect == 0 or clipped == better)] * 2), 0.1, "tuned", 0.9 if clipped else 0.0)
            for clipped in (True, False)
            for seed in range(seeds)
        ]
        columns = ["clipped", "seed", "solved", "lost", "lr", "basis", "clipped_fraction"]
        return pd.DataFrame(rows, columns=columns)

    return made


def attraction(effect, seeds):
    noise = 0.01 * draw().standard_normal((2, seeds))
    plain = pd.DataFrame({"cell": "rnn", "attracted": 0.1 + 0.8 * effect + noise[0]})
    gated = pd.DataFrame({"cell": "lstm", "attracted": 0.1 + noise[1]})
    return pd.concat([part.assign(seed=range(seeds), congruent=0.1, lr=0.01) for part in (plain, gated)])


def stacks(untied, tied):
    """Return a maker of stacks whose spreads grow with depth by these powers."""

    def made(effect, seeds):
        count = 20 * seeds if seeds > FEW else FEW
        rows = []
        for kind, slope in (("tied", tied if effect else 0.1), ("untied", untied if effect else 0.1)):
            drawn = draw(len(kind)).standard_normal(count)
            for depth in DEPTHS:
                rows += [(stack, kind, depth, depth**slope * value) for stack, value in enumerate(drawn)]
        return pd.DataFrame(rows, columns=["stack", "kind", "depth", "log_norm"])

    return made


def directions(right, left):
    """Return a maker of trials: whether one direction solves with the evidence on either side."""

    def made(effect, seeds):
        solved = {("right", "forward"): right if effect else 1, ("left", "forward"): left if effect else 1}
        rows = [
            (side, direction, seed, solved.get((side, direction), 1))
            for side in ("right", "left")
            for direction in ("forward", "bidirectional")
            for seed in range(seeds)
        ]
        return pd.DataFrame(rows, columns=["side", "direction", "seed", "solved"])

    return made


def swapped(maker):
    """Return a maker for a rule that says there is no effect."""
    return lambda effect, seeds: maker(1 - effect, seeds)


OUTCOMES = {
    "0a": thread, "0b": thread,
    "1b": slopes, "1c": slopes, "1d": slopes,
    "3a": lost, "3b": lost, "3c": lost, "3d": lost,
    "4b": sides(better=False), "4c": sides(better=True), "4d": sides(better=True),
    "4e": swapped(sides(better=True)), "4f": swapped(sides(better=False)),
    "5a": attraction, "5b": attraction,
    "10a": stacks(0.53, 1.1), "10b": stacks(0.53, 1.1),
    "12a": directions(right=0, left=1), "12b": swapped(directions(right=1, left=0)),
}  # fmt: skip
RULES = {f"{claim.number()}{rule.name}": (claim, rule) for claim in claims() for rule in claim.rules}
JUDGED = {name: found for name, found in RULES.items() if found[1].minimum is not None}


def verdict(name, effect, seeds):
    claim, rule = RULES[name]
    return rule.judge(OUTCOMES[name](effect, seeds), claim.bar(rule))


def test_every_empirical_rule_is_tried():
    assert OUTCOMES.keys() == JUDGED.keys()


@pytest.mark.parametrize("name", JUDGED)
def test_a_rule_holds_where_the_effect_is_there(name):
    assert verdict(name, 1, SEEDS).kind is Kind.HOLDS


@pytest.mark.parametrize("name", JUDGED)
def test_a_rule_fails_where_it_is_not(name):
    assert verdict(name, 0, SEEDS).kind is Kind.FAILS


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("effect", [0, 1])
def test_a_rule_cannot_tell_from_four_seeds_and_says_how_many_would_do(name, effect):
    found = verdict(name, effect, FEW)
    assert found.kind is Kind.UNDECIDED
    assert found.seeds is None or found.seeds > FEW


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize(("effect", "seeds"), [(0, SEEDS), (1, SEEDS), (1, FEW)])
def test_the_sentence_is_filled_from_the_numbers_of_any_verdict(name, effect, seeds):
    found = verdict(name, effect, seeds)
    assert "{" not in RULES[name][1].told.format(**{"n": found.n, **found.numbers})


def test_what_goes_with_the_rate_alone_predicts_nothing():
    planted = thread(0, SEEDS, through_rate=True)
    assert np.corrcoef(planted["signal"], planted["solved"])[0, 1] > 0.8
    found = judge_thread(planted, Bar(0.3, LEVEL / 2))
    assert found.kind is Kind.FAILS
    assert abs(found.effect.estimate) < 0.2


def test_seeds_of_one_setting_are_no_further_settings():
    few, many = thread(1, SEEDS), pd.concat([thread(1, SEEDS)] * 5, ignore_index=True)
    narrow, wide = (judge_thread(frame, Bar(0.3, LEVEL / 2)) for frame in (many, few))
    assert narrow.n == wide.n == 24
    assert narrow.effect.low == pytest.approx(wide.effect.low, abs=0.02)


def test_twelve_seeds_are_the_fewest():
    effect = Effect(0.5, 0.4, 0.6)
    assert decide(effect, decisions.FEWEST, Bar(0.3, 0.05)).kind is Kind.HOLDS
    assert decide(effect, decisions.FEWEST - 1, Bar(0.3, 0.05)).kind is Kind.UNDECIDED


def test_an_interval_narrower_than_the_minimum_always_decides():
    for low in np.linspace(-1, 1, 81):
        assert decide(Effect(low + 0.1, low, low + 0.29), 20, Bar(0.3, 0.05)).kind is not Kind.UNDECIDED


def test_seeds_that_go_alike_leave_an_interval():
    found = decisions.share_effect(Pairs(12, 0, 0, 0), Bar(0.3, 0.01))
    assert found.low < -0.2 < 0.2 < found.high


def test_shares_are_of_the_first_side_less_the_second():
    found = decide_shares([True] * 20, [False] * 20, Bar(0.3, 0.01))
    assert (found.kind, found.effect.estimate) == (Kind.HOLDS, 1.0)
    assert found.numbers["p"] == pytest.approx(2 / 2**20)
    assert decide_shares([False] * 20, [True] * 20, Bar(0.3, 0.01)).kind is Kind.FAILS


def test_a_network_that_has_learnt_nothing_is_left_out_of_attraction():
    frame = attraction(1, SEEDS).assign(congruent=0.5)
    claim, rule = RULES["5a"]
    assert rule.judge(frame, claim.bar(rule)).kind is Kind.UNDECIDED


def test_the_level_is_divided_by_the_claims_that_could_fail_and_then_by_their_rules():
    exact_only = {2, 8, 16}
    assert len(claims()) - len(exact_only) == EMPIRICAL
    assert {claim.number() for claim in claims() if claim.rules} - exact_only == {
        claim.number() for claim, _ in JUDGED.values()
    }
    shares = pd.Series([claim.bar(rule).level for claim, rule in JUDGED.values()])
    numbers = [claim.number() for claim, _ in JUDGED.values()]
    assert shares.groupby(numbers).sum().to_numpy() == pytest.approx(LEVEL)


def test_the_power_that_the_readme_states():
    claim, rule = RULES["4c"]
    bar, n = claim.bar(rule), 32

    def holds(pairs):
        sides = [(True, True), (False, True), (True, False), (False, False)]  # as of `Pairs`, the second side first
        first, second = zip(
            *(side for side, count in zip(sides, pairs, strict=True) for _ in range(count)), strict=True
        )
        return decide_shares(first, second, bar).kind is Kind.HOLDS

    assert holds((0, 0, 12, n - 12))
    assert not holds((0, 0, 11, n - 11))
    for better, power in ((0.8, 0.87), (0.6, 0.29)):
        worse = 0.2
        chances = [better * worse, (1 - better) * worse, better * (1 - worse), (1 - better) * (1 - worse)]
        drawn, counts = np.unique(draw().multinomial(n, chances, 1000), axis=0, return_counts=True)
        found = sum(count for pairs, count in zip(drawn.tolist(), counts, strict=True) if holds(pairs)) / 1000
        assert found == pytest.approx(power, abs=0.04)


def test_an_interval_with_both_zero_and_the_minimum_cannot_tell():
    found = decide(Effect(0.2, -0.2, 0.6), 20, Bar(0.3, 0.05))
    assert (found.kind, found.seeds) == (Kind.UNDECIDED, 143)

"""Claims that are computed and not trained: against closed forms, and seen to fail where a fault is planted."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from longlag.claims import (
    claim_01_fading,
    claim_02_eigenvalue,
    claim_08_no_guarantee,
    claim_11_skips,
    claim_16_identities,
)
from longlag.claims.base import Evidence
from longlag.claims.claim_04_clipping import judge_exact, losing_rate
from longlag.claims.claim_10_same_matrix import SameMatrix
from longlag.claims.support.decisions import Bar, Kind
from longlag.claims.support.jacobians import Plain, random_plain

BENCH = Path(__file__).resolve().parent.parent / "bench"
EXACT = Bar(0.0, 0.01)
STACKS = ((1, claim_11_skips.SKIPS), (8, ("none",)))


def test_the_signal_of_a_linear_network_is_a_power_of_its_matrix():
    matrix = np.array([[0.5, 2.0], [0.0, 0.5]])
    held = Plain("linear", matrix, np.zeros((4, 1, 2))).signal()[:, 0]
    start = np.random.Generator(np.random.Philox(2)).standard_normal((1, 2))[0]
    powers = [np.linalg.norm(np.linalg.matrix_power(matrix, lag) @ start) for lag in range(4)]
    assert held == pytest.approx(np.array(powers) / powers[0])


def test_the_signal_of_a_multiple_of_an_orthogonal_matrix_is_the_bound():
    matrix = 0.7 * np.linalg.qr(np.random.Generator(np.random.Philox(1)).standard_normal((5, 5)))[0]
    network = Plain("linear", matrix, np.ones((6, 3, 5)))
    assert network.factor == pytest.approx(0.7)
    assert network.signal() == pytest.approx(np.tile(0.7 ** np.arange(6)[:, None], 3))


def test_the_logistic_bound_has_a_quarter_of_the_singular_value():
    assert random_plain(3, "sigmoid").factor == pytest.approx(np.linalg.norm(random_plain(3, "sigmoid").matrix, 2) / 4)


def test_the_bound_is_proved_and_a_network_over_it_is_seen():
    frame = pd.DataFrame({"excess": [-0.5, -1e-4, 5e-10]})
    assert claim_01_fading.judge_bound(frame, EXACT).kind is Kind.PROVED
    planted = pd.DataFrame({"excess": [-0.5, 1e-6]})
    assert claim_01_fading.judge_bound(planted, EXACT).kind is Kind.FAILS


def test_no_network_is_no_proof():
    assert claim_01_fading.judge_bound(pd.DataFrame({"excess": []}), EXACT).kind is Kind.FAILS


def test_what_is_heard_through_a_stack_does_not_depend_on_its_connections_where_there_is_one_layer():
    single, plain = ({claim_11_skips.heard_of(skip, layers, 0) for skip in kinds} for layers, kinds in STACKS)
    assert len(single) == 1
    assert max(plain) < 0.1 * claim_11_skips.heard_of("residual", 8, 0)


def test_the_condition_with_eigenvalues_is_refuted_by_a_matrix():
    claim = claim_02_eigenvalue.Eigenvalue()
    frames = claim.frames(Evidence(10))
    grown = frames["a"]
    assert (grown["radius"] < 1).all()
    assert [rule.judge(frames[rule.name], EXACT).kind for rule in claim.rules] == [Kind.EXHIBITED] * 2
    best = grown.loc[grown["growth"].idxmax()]
    assert best["growth"] <= best["s_max"] ** best["lag"]
    assert (frames["b"]["step"] <= frames["b"]["s_max"] / 4 + 1e-9).all()


def test_what_is_not_shown_is_not_disproved():
    fading = pd.DataFrame({"radius": [0.5], "s_max": [0.9], "growth": [1.0], "lag": [0], "last": [0.1]})
    assert claim_02_eigenvalue.judge_growth(fading, EXACT).kind is Kind.UNDECIDED


def test_an_lstm_can_do_both():
    claim = claim_08_no_guarantee.NoGuarantee()
    frames = claim.frames(Evidence(10))
    assert [rule.judge(frames[rule.name], EXACT).kind for rule in claim.rules] == [Kind.EXHIBITED] * 2
    steady = frames["a"][frames["a"]["setting"] == "forget bias 1"]
    for rule in claim.rules:
        assert rule.judge(steady, EXACT).kind is Kind.UNDECIDED


def test_products_of_random_matrices_spread_as_a_power_of_depth():
    claim = SameMatrix()
    frames = claim.frames(Evidence(10))
    rule = claim.rules[1]
    numbers = rule.judge(frames["b"], claim.bar(rule)).numbers
    assert numbers["tied"] == pytest.approx(1.0, abs=0.15)
    assert numbers["untied"] == pytest.approx(0.57, abs=0.12)


def test_identities_are_proved():
    claim = claim_16_identities.Identities()
    frame = claim.frames(Evidence(10))["a"]
    found = claim_16_identities.judge(frame, EXACT)
    assert (found.kind, found.numbers["identities"]) == (Kind.PROVED, 8)


def test_a_transposed_identity_is_seen(monkeypatch):
    right = claim_16_identities.identities

    def planted(place):
        found = right(place)
        return [one._replace(said=-one.said) if one.spelled.startswith("dL/dz") else one for one in found]

    monkeypatch.setattr(claim_16_identities, "identities", planted)
    frame = claim_16_identities.Identities().frames(Evidence(10))["a"]
    assert claim_16_identities.judge(frame, EXACT).kind is Kind.FAILS
    assert set(frame[frame["difference"] > 1e-7]["identity"]) == {"dL/dz = (softmax(z) - y) / N"}


def test_whoever_uses_an_identity_is_there():
    for one in claim_16_identities.identities(0):
        file, _, names = one.used_by.partition(": ")
        source = (BENCH / file).read_text(encoding="utf-8")
        assert all(word in source for word in re.findall(r"\w+", names)[:1]), one.used_by


def test_a_clip_that_turns_or_exceeds_is_seen():
    frame = pd.DataFrame({"norm": [1.0, 0.9], "max_norm": [1.0, 1.0], "cosine": [1.0, 1.0], "updates": [100, 50]})
    assert judge_exact(frame, EXACT).kind is Kind.PROVED
    assert judge_exact(frame.assign(norm=[1.001, 0.9]), EXACT).kind is Kind.FAILS
    assert judge_exact(frame.assign(cosine=[1.0, 0.999]), EXACT).kind is Kind.FAILS


def test_the_losing_rate_is_the_lowest_at_which_half_are_lost():
    rows = [("none", 0.1, "solved"), ("none", 0.1, "exploded"), ("none", 0.3, "diverged"), ("norm:1", 0.01, "diverged")]
    trials = pd.DataFrame(rows, columns=["clip", "lr", "status"])
    assert losing_rate(trials) == 0.1
    assert losing_rate(trials[trials["status"] == "solved"]) is None

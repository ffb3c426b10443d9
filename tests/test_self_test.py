"""The count of false alarms and of what is found, on pools made up for it and on the committed outcomes."""

import gzip
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from longlag.regression.judge import baseline
from longlag.regression.judge.entries import Entry, Outcome
from longlag.regression.judge.verdict import Ruling
from longlag.regression.selftest import self_test, simulate
from longlag.regression.selftest.pool import HEALTHY, read_outcomes
from longlag.regression.selftest.render import render
from longlag.regression.selftest.self_test import SelfTest, SelfTestLine
from longlag.regression.selftest.simulation import Screened, Simulation, Tally
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial

SETTINGS = [
    Trial(task, "gru", "norm:1", 0.01, 0, updates=400, eval_every=20)
    for task in ("adding:length=10", "temporal_order:length=16")
]


def drawn(setting, seeds, slower=1.0, lost=0.02):
    generator = np.random.Generator(np.random.Philox(key=len(setting.task)))
    found = []
    for seed in seeds:
        updates = 20 * int(np.ceil(generator.lognormal(np.log(120 * slower), 0.25) / 20))
        solved = updates < setting.updates and generator.random() > lost
        status = "solved" if solved else "unsolved"
        found.append(Outcome(seed, status, solved, 0.0 if solved else 0.3, updates if solved else None))
    return tuple(found)


BASELINE = [Entry(setting, drawn(setting, range(100))) for setting in SETTINGS]
POOL = {entry.key: drawn(entry.setting, range(1000, 1200)) for entry in BASELINE}
KEY = BASELINE[0].key


def planted(**change):
    return {KEY: drawn(BASELINE[0].setting, range(1000, 1060), **change)}


def test_healthy_outcomes_are_silent_and_a_slower_network_is_found():
    outcomes = {HEALTHY: POOL, "slower": planted(slower=2), "lost": planted(lost=0.6)}
    found = self_test.self_test(
        BASELINE, outcomes, {"slower": True, "lost": True}, checks=64, planted_checks=20, margin_checks=4
    )
    assert found.healthy.regressed == 0
    assert [line.change for line in found.lines] == ["", "slower", "lost"]
    assert all(line.fraction >= 0.9 for line in found.lines[1:])
    assert found.failures() == []
    text = render(found, {"slower": "half the speed", "lost": "most get lost"})
    assert "0 false alarms in 64 simulated checks" in text
    assert text.count("1 of 1") == 2


def test_what_is_harmless_is_silent_and_what_is_called_wrongly_fails():
    outcomes = {HEALTHY: POOL, "better": planted(slower=0.6), "worse": planted(slower=2)}
    found = self_test.self_test(
        BASELINE, outcomes, {"better": False, "worse": False}, checks=5, planted_checks=20, margin_checks=0
    )
    assert found.lines[1].regressed == 0
    assert found.failures() == [f"worse: called a regression in {found.lines[2].fraction:.1%} of the checks"]


def test_the_outcomes_of_the_pool_itself_are_unchanged():
    found = self_test.self_test(
        BASELINE, {HEALTHY: POOL, "same": {KEY: POOL[KEY][:60]}}, {"same": False}, checks=1, margin_checks=0
    )
    assert found.lines[1].unchanged


def test_a_weak_change_that_is_missed_is_told_and_fails_only_if_it_is_large():
    line = SelfTestLine("x", "entry", 100, 50, superiority=0.4, share=0.0, worse=True)
    healthy = SelfTestLine("", "", 2000, 0)
    assert SelfTest((healthy, line)).failures() == []
    large = replace(line, superiority=0.2)
    assert SelfTest((healthy, large)).failures() == ["x: found in 50.0% of the checks"]
    assert SelfTest((healthy, large, replace(large, regressed=95))).failures() == []  # one entry is enough


def test_twelve_alarms_in_two_thousand_bound_the_rate_by_one_percent_and_thirteen_fail():
    twelve, thirteen = (SelfTest((SelfTestLine("", "", 2000, alarms),)) for alarms in (12, 13))
    assert twelve.bound < 0.01
    assert twelve.failures() == []
    assert thirteen.failures() == ["13 false alarms in 2000 checks"]


def test_the_same_outcomes_give_the_same_count_in_one_process_or_two():
    outcomes = {HEALTHY: POOL, "slower": planted(slower=1.3)}
    one, other = (self_test.self_test(BASELINE, outcomes, {"slower": True}, 20, 20, 2, workers) for workers in (1, 2))
    assert one == other
    assert one.lines[1].regressed > 0


def test_outcomes_of_other_entries_or_too_few_are_refused():
    for few in ({}, {entry.key: POOL[entry.key][:139] for entry in BASELINE}):
        with pytest.raises(UsageError, match=r"adding.*(0|139) simulated outcomes; make them with"):
            self_test.self_test(BASELINE, {HEALTHY: few}, {})


def test_simulated_outcomes_that_are_unlike_the_baselines_are_told():
    slow = POOL | {KEY: drawn(BASELINE[0].setting, range(1000, 1200), slower=1.5)}
    found = self_test.self_test(BASELINE, {HEALTHY: slow}, {}, checks=1, margin_checks=0)
    assert found.unlike == (BASELINE[0].label,)
    assert "simulated outcomes are unlike the baseline's; make them again" in found.failures()[0]
    assert self_test.self_test(BASELINE, {HEALTHY: POOL}, {}, checks=1, margin_checks=0).unlike == ()


# How outcomes are drawn


def simulation(**options):
    return Simulation(tuple(BASELINE), POOL, 30, ("test",), **options)


def test_a_check_of_healthy_outcomes_draws_its_baseline_and_no_outcome_twice():
    generator = np.random.Generator(np.random.Philox(key=1))
    one, other = (simulation()._of_healthy(generator)[KEY] for _ in range(2))
    assert [len(part) for part in one] == [100, 10, 90]
    assert len({outcome.seed for part in one for outcome in part}) == 200
    assert one.before != other.before


@pytest.mark.parametrize("alike", [0.3, 0.8, 0.95])
def test_partners_have_the_seeds_of_the_baseline_and_go_as_much_alike_as_asked(alike):
    generator = np.random.Generator(np.random.Philox(key=2))
    before, after = [], []
    for _ in range(60):
        sides = simulation(alike=alike)._of_healthy(generator)[KEY]
        assert [outcome.seed for outcome in sides.after] == [outcome.seed for outcome in sides.before[:10]]
        before += replace(BASELINE[0], outcomes=sides.before[:10]).badness.tolist()
        after += replace(BASELINE[0], outcomes=sides.after).badness.tolist()
    assert stats.spearmanr(before, after).statistic == pytest.approx(alike, abs=0.1)
    assert stats.wilcoxon(before, after).pvalue > 0.01  # neither side is better


def test_planted_outcomes_meet_their_own_seeds_in_the_baseline():
    planted = {KEY: drawn(BASELINE[0].setting, range(1000, 1060), slower=1.1)}
    one = Simulation((BASELINE[0],), POOL, 1, ("test",), planted=planted)
    before, after, fresh = one._of_planted(np.random.Generator(np.random.Philox(key=3)))[KEY]
    assert {outcome.seed for outcome in after} < {outcome.seed for outcome in before}
    assert not {outcome.seed for outcome in before} & {outcome.seed for outcome in fresh}
    assert set(before) <= set(POOL[KEY])
    assert set(after + fresh) == set(planted[KEY])
    assert len(before) == 100


def test_pairs_are_tried_and_flagged_no_more_often_than_their_level():
    apart, paired = simulation().run(), simulation(alike=0.95).run()
    assert not any(tested.paired for tested in apart.tested)
    tried = {tested: count for tested, count in paired.tested.items() if tested.paired}
    assert min(tried.values()) >= 40  # of 60
    assert sum(paired.flagged[tested] for tested in tried) <= 0.1 * sum(tried.values())


def test_what_is_lost_on_purpose_is_a_share_of_all_seeds():
    sides = [simulation(lost=0.2)._of_healthy(np.random.Generator(np.random.Philox(key=key)))[KEY] for key in range(20)]
    before, after = (
        [of.solved for side in sides for of in part(side)] for part in (lambda s: s.before, lambda s: s.fresh)
    )
    assert np.mean(after) - np.mean(before) == pytest.approx(-0.2, abs=0.03)


def test_a_first_stage_that_flags_too_often_and_a_margin_that_lets_drops_pass_fail():
    line = SelfTestLine("", "", 2000, 0)
    pairs, loose = Screened("solved", True), Counter({Ruling.SAME: 9, Ruling.INCONCLUSIVE: 91})
    eager = Tally(tested=Counter({pairs: 10_000}), flagged=Counter({pairs: 700}))
    told = "the first stage flags 7.0% of unchanged entries by solved of pairs of seeds"
    assert SelfTest((line,), unchanged=eager).failures() == [told]
    assert SelfTest((line,), unchanged=replace(eager, flagged=Counter({pairs: 500}))).failures() == []
    passes = "a drop of 20 points passes --margin 20 in 9.0% of the entries"
    assert SelfTest((line,), dropped_margin=Tally(rulings=loose)).failures() == [passes]
    assert SelfTest((line,), margin=Tally(alarms=3)).failures() == ["3 false alarms in 16 checks with a margin"]


def test_simulated_outcomes_are_written_once_each_and_read_again(tmp_path):
    file = tmp_path / "outcomes.csv.gz"
    trial = Trial(
        "copy:items=1,symbols=2,blanks=1",
        "rnn",
        "none",
        0.01,
        1000,
        hidden_size=4,
        batch_size=4,
        updates=2,
        eval_every=1,
    )
    jobs = [(HEALTHY, (trial, replace(trial, seed=1001))), ("other-workers", (trial,))]
    simulate.simulate(file, jobs, 1)
    before = file.read_bytes()
    found = read_outcomes(file)
    key = simulate.entry_key(trial)
    assert [outcome.seed for outcome in found[HEALTHY][key]] == [1000, 1001]
    assert found["other-workers"][key] == found[HEALTHY][key][:1]
    simulate.simulate(file, jobs, 1)  # nothing is left to train
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "is not compressed"),
        (gzip.compress(b"a,b\n1,2\n"), "does not hold simulated outcomes"),
        (gzip.compress(b"plant,entry")[:-9], "does not hold simulated outcomes"),
    ],
    ids=["plain", "other columns", "truncated"],  # a compressed file holds the time, and names must not
)
def test_a_file_of_something_else_is_refused(tmp_path, content, message):
    path = tmp_path / "outcomes.csv.gz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_outcomes(path)


def test_the_jobs_of_the_study_cover_every_entry_and_cut_ten_seeds_as_a_run_does():
    jobs = simulate.jobs("ci", 10, 10)
    healthy = [cohort for name, cohort in jobs if name == HEALTHY]
    assert {len(cohort) for cohort in healthy} == {8, 2}
    assert all(trial.seed >= simulate.FIRST_SEED for _, cohort in jobs for trial in cohort)
    assert {name for name, _ in jobs} == {HEALTHY, *simulate.PLANTS}


# What is committed

REFERENCE = Path(__file__).resolve().parent.parent / "results" / "reference"


def test_the_committed_outcomes_are_those_of_the_study_and_of_every_planted_change():
    held = read_outcomes(REFERENCE / "ci-outcomes.csv.gz")
    wanted = {(name, simulate.entry_key(trials[0])) for name, trials in simulate.jobs("ci", 1, 1)}
    assert {(name, key) for name, entries in held.items() for key in entries} == wanted
    assert all(len(outcomes) >= 300 for outcomes in held[HEALTHY].values())
    assert all(len(outcomes) >= 60 for name, entries in held.items() if name for outcomes in entries.values())
    assert (REFERENCE / "ci-outcomes.csv.gz").stat().st_size < 3_000_000


def test_no_committed_entry_is_hopeless_or_blind_to_every_planted_regression():
    entries = baseline.read(REFERENCE / "ci.json", "ci").entries
    held = read_outcomes(REFERENCE / "ci-outcomes.csv.gz")
    harmful = {name: True for name, plant in simulate.PLANTS.items() if plant.worse}
    effects = self_test.self_test(entries, held, harmful, checks=0, planted_checks=0, margin_checks=0).lines[1:]
    assert {line.entry for line in effects if not line.is_small} == {entry.label for entry in entries}
    assert all(entry.solved / entry.n >= 0.3 for entry in entries)  # a drop by the minimum effect leaves some


def test_the_correlations_that_are_simulated_are_those_of_small_planted_changes():
    held = read_outcomes(REFERENCE / "ci-outcomes.csv.gz")
    entries = {entry.key: entry for entry in baseline.read(REFERENCE / "ci.json", "ci").entries}
    found = []
    for key, planted in held["short-memory"].items():
        seeds = {outcome.seed for outcome in planted}
        before = tuple(outcome for outcome in held[HEALTHY][key] if outcome.seed in seeds)
        ranks = [replace(entries[key], outcomes=outcomes).badness for outcomes in (before, planted)]
        found.append(stats.spearmanr(*ranks).statistic)
    simulated = [alike for alike in self_test.ALIKE if alike is not None]
    assert min(found) == pytest.approx(min(simulated), abs=0.05)
    assert max(found) == pytest.approx(max(simulated), abs=0.05)

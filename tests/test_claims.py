"""The command `claims`: its list, plan and explanations; verdicts stored, told and drawn; what it refuses."""

import json
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from claims_outcomes import bench
from claims_reference import REFERENCE, RULES, judged
from click.testing import CliRunner

from longlag.claims import claim_09_gru, claim_11_skips
from longlag.claims.base import TIERS, TUNING_SEEDS
from longlag.claims.support import fixed, stored, told
from longlag.claims.support.answering import answer, planned
from longlag.claims.support.decisions import FEWEST, Kind
from longlag.claims.support.named import asked, claims
from longlag.cli import main
from longlag.experiments import tuning
from longlag.report.claims import table
from longlag.stats import within
from longlag.store.file import StoreError
from longlag.tasks.support.errors import UsageError

TRAINED = {0, 1, 3, 4, 5, 12}
LATER = {6, 7, 9, 11, 13, 14, 15}
"""Not in tier 10."""
COMPUTED = {2, 8, 10, 16}


def call(folder, *args):
    return CliRunner().invoke(main, ["claims", *args, "--results", str(folder)])


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Every claim that trains, answered from a stand-in for training."""
    made, _ = bench(tmp_path_factory.mktemp("claims"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(within, "RESAMPLES", 100)
        first = {number: answer(asked([number])[0], made) for number in sorted(TRAINED)}
    return first | few_seeds(tmp_path_factory)


def few_seeds(tmp_path_factory):
    """Answer the claims of tier 60 on as few seeds, and rates, as will do."""
    made, _ = bench(tmp_path_factory.mktemp("later"), 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "further", lambda trials: {})
        for number in LATER:
            patch.setattr(sys.modules[type(asked([number])[0]).__module__], "SEEDS", {60: FEWEST})
        patch.setattr(claim_09_gru, "ROUNDS", {60: FEWEST})
        patch.setattr(claim_09_gru, "CALLS", 1)
        patch.setattr(claim_09_gru, "LENGTH", 10)
        patch.setattr(claim_11_skips, "heard_of", lambda skip, layers, seed: 10.0 ** -(layers * (skip == "none")))
        return {number: answer(asked([number])[0], made) for number in LATER}


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """What the command leaves of two claims that it only computes."""
    folder = tmp_path_factory.mktemp("results")
    return folder, call(folder, "16", "2")


def test_claims_go_from_0_to_16_without_a_gap():
    assert [claim.number() for claim in claims()] == list(range(17))
    in_tiers = [{claim.number() for claim in claims() if claim.asked_in(tier)} for tier in TIERS]
    assert in_tiers == [TRAINED | COMPUTED, TRAINED | COMPUTED | LATER, TRAINED | COMPUTED | LATER]


def test_every_rule_says_what_would_have_falsified_it_and_every_claim_its_source():
    for claim in claims():
        assert claim.sentence
        assert claim.paper
        assert all(rule.falsified and rule.decides and rule.asks for rule in claim.rules)
        assert claim.boundary
        assert len({rule.name for rule in claim.rules}) == len(claim.rules)


PLANS = [(number, tier) for number in sorted(TRAINED | LATER) for tier in TIERS if number in TRAINED or tier > 10]


@pytest.mark.parametrize(("number", "tier"), PLANS)
def test_reported_seeds_are_others_than_those_that_choose_rates_and_grow_with_the_tier(number, tier):
    claim = asked([number])[0]
    *searches, study = planned(claim, tier)
    reported = {trial.seed for trial in study.trials()}
    chosen_on = [{trial.seed for trial in search.trials()} for search in searches]
    assert all(set(TUNING_SEEDS) <= seeds for seeds in chosen_on)
    assert not any(reported & seeds for seeds in chosen_on)
    lowest = planned(claim, 10 if number in TRAINED else 60)[-1]
    assert {trial.seed for trial in lowest.trials()} <= reported
    by_setting = Counter((trial.task, trial.cell, trial.wiring, trial.clip) for trial in study.trials())
    assert min(by_setting.values()) >= FEWEST or number == 0  # whose n are settings


@pytest.mark.parametrize(("number", "tasks"), [(6, "recall"), (7, "copy"), (7, "adding"), (11, "adding")])
def test_groups_have_seeds_of_their_own_where_their_intervals_are_joined(number, tasks):
    groups = {}
    for trial in planned(asked([number])[0], 600)[-1].trials():
        if trial.task.startswith(tasks):
            groups.setdefault((trial.task, trial.wiring.layers), set()).add(trial.seed)
    assert len(groups) >= 3
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))


@pytest.mark.parametrize("number", sorted(TRAINED | LATER))
def test_a_claim_is_answered_from_its_trials_and_drawn(answers, number, tmp_path):
    found, tier = answers[number], 10 if number in TRAINED else 60
    assert [rule.name for rule, _ in found.judged()] == [rule.name for rule in found.claim.asked_in(tier)]
    entries = stored.entries_of(found, tier)
    verdicts = told.frame_of(entries, told.highest(entries), {number: found.seconds})
    assert "nan" not in " ".join(verdicts["said"])
    assert told.draw(found, verdicts, tmp_path).stat().st_size > 5000
    assert found.seconds > 0.5 * found.trials


def test_what_rules_are_given_tells_the_sides_apart(answers):
    rungs = answers[7].frames["b"]
    assert set(rungs["cell"]) == {"RNN", "LSTM"}
    assert rungs.groupby(["cell", "lag"])["seed"].nunique().eq(FEWEST).all()
    assert rungs["lag"].drop_duplicates().tolist() == [8, 16, 32, 64]
    for number, column, sides in ((11, "skip", 4), (13, "stack", 5), (14, "depths", 5)):
        groups = answers[number].frames["a"].groupby([column, *(["layers"] if number == 11 else [])])["seed"]
        assert len(groups) == sides * (2 if number == 11 else 1)
        assert groups.agg(lambda seeds: len(seeds) == FEWEST == seeds.nunique()).all()
    assert answers[15].verdicts["c"].kind is Kind.HOLDS  # the stand-in's transformers fail far away
    assert answers[15].verdicts["c"].effect.estimate == pytest.approx(0.4, abs=0.01)
    assert answers[9].verdicts["a"].kind is Kind.PROVED
    assert len(answers[9].frames["b"]) == FEWEST


def test_both_sides_of_a_comparison_are_searched_at_the_same_rates_and_compared_on_the_same_seeds(tmp_path):
    made, studies = bench(tmp_path)
    found = answer(asked([4])[0], made)
    searches = [study for study in studies if study.name == "claim-04-sgd-rates"]
    assert len(searches) > 1  # the edge and the gaps beside the best rate were filled
    trials = pd.DataFrame([{"clip": trial.clip, "lr": trial.lr} for trial in searches[-1].trials()])
    assert trials.groupby("lr")["clip"].nunique().eq(2).all()
    sides = found.frames["c"].groupby("clipped")["seed"].agg(set)
    assert sides[True] == sides[False] == set(range(32))
    assert found.verdicts["b"].kind is Kind.HOLDS  # the stand-in loses every unclipped trial there
    assert found.verdicts["c"].kind is Kind.FAILS  # and solves as many at a smaller rate


def test_a_trial_that_failed_leaves_no_verdict(tmp_path):
    made, _ = bench(tmp_path, fails=True)
    assert answer(asked([3])[0], made) is None


def test_the_list_of_claims_loads_no_network():
    program = "import sys, longlag.cli; print('longlag.claims.base' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"


def test_a_verdict_is_stored_with_what_it_rests_on(exact):
    folder, result = exact
    assert result.exit_code == 0, result.output
    held = json.loads((folder / "claims" / "claims.json").read_text())
    assert (held["format"], held["schema"]) == ("longlag claims", 1)
    assert {(one["claim"], one["verdict"]) for one in held["verdicts"]} == {(2, "exhibited"), (16, "proved")}
    assert all(one["rule_hash"] == fixed.rule_hash(asked([one["claim"]])[0]) for one in held["verdicts"])
    rows = pd.read_csv(folder / "claims" / "rows" / "16a.csv")
    assert rows["difference"].max() < 1e-7


def test_page_table_and_figures_tell_it(exact):
    folder, result = exact
    page = (folder / "claims" / "claims.md").read_text()
    assert "## 16. The gradient identities of the appendix" in page
    assert "![Claim 2](figures/02.png)" in page
    assert (folder / "claims" / "figures" / "02.png").is_file()
    assert "a  proved" in result.output
    assert "It would have been falsified by" in page


def test_the_same_command_again_gives_the_same_bytes(exact):
    folder, _ = exact
    before = {name: (folder / "claims" / name).read_bytes() for name in ("claims.json", "rows/02a.csv")}
    assert call(folder, "16", "2").exit_code == 0
    assert before == {name: (folder / "claims" / name).read_bytes() for name in before}


def test_claims_that_are_not_in_a_tier_say_which_asks_them(tmp_path):
    result = call(tmp_path, "6", "15")
    assert result.exit_code == 0
    assert result.output.count("not in this tier: --tier 60 asks it") == 2
    assert not (tmp_path / "claims" / "claims.json").exists()


def test_a_verdict_of_another_rule_is_refused_and_kept_where_asked(exact, tmp_path):
    folder, _ = exact
    held = stored.read(folder / "claims")
    target = tmp_path / "claims"
    stored.write([{**one, "rule_hash": "0" * 16} if one["claim"] == 16 else one for one in held], target)
    before = (target / "claims.json").read_bytes()
    refused = call(tmp_path, "16")
    assert refused.exit_code == 2
    assert "the verdict on claim 16 was made by rule 0000000000000000" in refused.output
    assert (target / "claims.json").read_bytes() == before
    assert call(tmp_path, "16", "--new-rules").exit_code == 0
    after = stored.read(target)
    assert [one.get("superseded", False) for one in after if one["claim"] == 16] == [True, False]
    assert call(tmp_path, "16").exit_code == 0


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["17"], "there is no claim 17; they go from 0 to 16"),
        (["4", "99", "--plan"], "there is no claim 99"),
        (["--tier", "7"], "--tier must be one of 10, 60, 600, not 7"),
        (["4", "--workers", "0"], "--workers must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, args, line):
    result = call(tmp_path, *args)
    assert result.exit_code == 2
    assert line in result.output
    assert len(result.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"format": "longlag claims", "schema": 1}'])
def test_a_file_that_holds_no_verdicts_is_refused(tmp_path, text):
    (tmp_path / "claims.json").write_text(text)
    with pytest.raises(StoreError, match="holds no verdicts"):
        stored.read(tmp_path)


def test_verdicts_of_a_newer_schema_are_refused(tmp_path):
    (tmp_path / "claims.json").write_text('{"format": "longlag claims", "schema": 2, "verdicts": []}')
    with pytest.raises(StoreError, match="schema 2"):
        stored.read(tmp_path)


def test_an_explanation_says_rule_bar_and_source(tmp_path):
    result = call(tmp_path, "4", "--explain")
    assert result.exit_code == 0
    assert "Pascanu, Mikolov & Bengio 2013" in result.output
    assert result.output.count("falsified  by") == 6
    assert "minimum    0.3 (share lost), at level 0.00071" in result.output


def test_a_plan_trains_nothing(tmp_path):
    result = call(tmp_path, "12", "8", "7", "--plan")
    assert result.exit_code == 0
    assert "claim-12: 128 trials, 0 stored" in result.output
    assert "computed, nothing is trained" in result.output
    assert "not in this tier: --tier 60 asks it" in result.output
    assert not list(tmp_path.iterdir())


def test_a_rule_has_another_hash_when_a_number_of_it_changes():
    source = "MINIMUM = 0.3\n\n\ndef judge(frame):\n    '''Judge.'''\n    return frame.mean() > MINIMUM  # so\n"
    same = source.replace("  # so", "").replace("Judge.", "Judge it.")
    assert fixed._bare(source) == fixed._bare(same)
    assert fixed._bare(source) != fixed._bare(source.replace("0.3", "0.2"))


def test_a_hash_covers_the_statistics_that_a_rule_calls_and_not_what_trains():
    found = fixed.reached("longlag.claims.claim_07_lstm_longer")
    assert {"longlag.claims.support.ladder", "longlag.stats.horizons", "longlag.stats.intervals"} <= found
    assert {"longlag.regression.judge.effects", "longlag.claims.base"} <= found
    assert all(name.startswith(fixed.DECIDES) for name in found)


def test_another_statistic_is_another_rule(monkeypatch):
    thread, fading = asked([0, 1])
    before = fixed.rule_hash(thread), fixed.rule_hash(fading)
    original = fixed._source

    def changed(module):
        source = original(module)
        return source.replace("RESAMPLES = 2000", "RESAMPLES = 20") if module == "longlag.stats.within" else source

    monkeypatch.setattr(fixed, "_source", changed)
    fixed._digest.cache_clear()
    assert fixed.rule_hash(thread) != before[0]
    assert fixed.rule_hash(fading) == before[1]  # which calls none of it
    fixed._digest.cache_clear()


def test_page_rows_and_figures_are_of_the_highest_tier(tmp_path):
    assert call(tmp_path, "16", "--tier", "60").exit_code == 0
    folder = tmp_path / "claims"
    kept = {name: (folder / name).read_bytes() for name in ("claims.md", "rows/16a.csv", "timings.csv")}
    result = call(tmp_path, "16")
    assert result.exit_code == 0
    assert [entry["tier"] for entry in stored.read(folder)] == [10, 60]
    assert "Tier 60." in kept["claims.md"].decode()
    assert kept == {name: (folder / name).read_bytes() for name in kept}


def test_what_fails_is_bold_and_what_cannot_tell_says_how_many_would_do():
    row = {"claim": 4, "rule": "c", "asks": "it is needed", "n": 32, "seconds": 60.0, "minimum": 0.3}
    effect = {"estimate": 0.0, "low": -0.26, "high": 0.26}
    failed = pd.DataFrame([{**row, **effect, "verdict": "fails", "seeds_needed": None}])
    open_ = pd.DataFrame([{**row, **effect, "verdict": "cannot tell", "seeds_needed": 99.0}])
    assert "**fails**" in table.markdown(failed)
    assert "cannot tell (n = 99 would do)" in table.markdown(open_)


def test_two_directions_are_refused_where_later_inputs_show_the_answer(tmp_path):
    args = ["--task", "agreement", "--cell", "gru", "--direction", "bidirectional", "--results", str(tmp_path)]
    result = CliRunner().invoke(main, ["run", *args])
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_unknown_numbers_raise_in_the_library_too():
    with pytest.raises(UsageError, match="no claim -1"):
        asked([-1])


HELD = stored.read(REFERENCE)


def test_the_reference_verdicts_are_of_todays_rules():
    there = {entry["claim"] for entry in HELD}
    assert there >= TRAINED | COMPUTED
    rules = {
        (claim.number(), rule.name) for claim in claims() if claim.number() in there for rule in claim.asked_in(60)
    }
    assert {(one["claim"], one["rule"]) for one in HELD} == rules
    assert all(one["rule_hash"] == fixed.rule_hash(asked([one["claim"]])[0]) for one in HELD)


@pytest.mark.parametrize("entry", HELD, ids=lambda entry: f"{entry['claim']}{entry['rule']}")
def test_the_reference_rows_give_the_reference_verdicts(entry):
    found, rule = judged(entry), RULES[entry["claim"], entry["rule"]][1]
    assert (str(found.kind), found.n) == (entry["verdict"], entry["n"])
    assert stored.said(rule.told, found) == entry["said"]
    assert entry["effect"] is None or list(found.effect) == pytest.approx(entry["effect"], abs=1e-5)

"""The commands check, compare and history: verdicts, exit codes, files. Nothing is trained."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from made_study import USUAL, accepted_study, as_file, call, check, outcome, put, refused, study_of

from longlag.cli import regression, training
from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.regression.judge import baseline as accepted
from longlag.regression.judge.effects import seeds_for_margin
from longlag.regression.judge.procedure import MOST_FRESH_SEEDS, confirmation_seeds
from longlag.regression.judge.verdict import Ruling
from longlag.regression.show.render import p_text
from longlag.regression.show.report import Invariant
from longlag.run.run import RunOptions
from longlag.store.store import Store, store_path

P_OF: tuple[Callable[[Any], Any], ...] = (
    lambda entry: {name: entry["compared"][name] for name in ("p_worse", "p_better")},
    lambda entry: entry["adjusted"],
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return accepted_study(tmp_path, monkeypatch)


def trains(monkeypatch: pytest.MonkeyPatch, shares: dict[str, float]) -> list[Study]:
    """Let the confirmation's training make up outcomes; return the studies it is asked for."""
    asked = []

    def train(study: Study, results: Path, how: RunOptions) -> None:
        asked.append(study)
        put(study, results, shares, "fresh")

    monkeypatch.setattr(training, "train_study", train)
    return asked


def test_the_same_curves_are_unchanged(results: Path) -> None:
    put(study_of(10), results, USUAL)
    done = check(results)
    assert done.exit_code == 0
    assert done.stdout.startswith("made: no regression found (3 unchanged)\n")


def test_other_curves_of_the_same_kind_pass(results: Path) -> None:
    put(study_of(10), results, USUAL, "b")
    assert check(results, "--no-confirm").exit_code == 0


def test_a_regression_is_confirmed_and_exits_with_1(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = USUAL | {"lstm": 0.1}
    asked = trains(monkeypatch, worse)
    put(study_of(10), results, worse, "b")
    done = check(results)
    assert done.exit_code == 1
    assert "LSTM · norm ≤ 1 · copy: worse in" in done.stdout
    seeds = confirmation_seeds(accepted.read(results / "reference" / "made.json").hash, range(60))
    (study,) = asked
    assert "lstm" in {trial.cell for trial in study.trials()}
    assert {trial.seed for trial in study.trials()} == set(seeds)
    assert all(seed > 99 for seed in seeds)
    planned = next(trial for trial in study.trials() if trial.cell == "lstm")
    assert replace(planned, seed=0) in study_of(1).trials()


def test_a_false_alarm_of_the_first_stage_passes(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trains(monkeypatch, USUAL)
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    done = check(results)
    assert done.exit_code == 0
    assert "30 fresh seeds do not" in done.stdout


def test_a_margin_trains_what_it_takes_and_is_told(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = trains(monkeypatch, USUAL)
    put(study_of(10), results, USUAL, "b")
    path = results / "out.json"
    done = check(results, "--margin", "20", "--json", str(path))
    assert done.exit_code == 0, done.output
    held = json.loads(path.read_text())
    baseline = accepted.read(results / "reference" / "made.json")
    counts = {entry.setting.cell: seeds_for_margin(entry.solved, entry.n, 0.2) for entry in baseline.entries}
    (study,) = asked
    seeds = confirmation_seeds(baseline.hash, range(60), MOST_FRESH_SEEDS)
    for cell, count in counts.items():
        assert {trial.seed for trial in study.trials() if trial.cell == cell} == set(seeds[:count])
    least, most, total = min(counts.values()), max(counts.values()), sum(counts.values())
    assert f"3 entries; training {least} to {most} fresh seeds each, {total} trials" in done.stderr
    assert held["margin"] == 20
    for entry in held["entries"]:
        assert entry["confirmed"]["new"]["n"] in counts.values()
        assert entry["verdict"] != "same" or entry["confirmed"]["excluded_drop"] <= 0.2


@pytest.mark.parametrize("margin", ["0", "100", "-5"])
def test_a_margin_of_no_points_or_of_all_is_refused(results: Path, margin: str) -> None:
    refused(check(results, "--margin", margin), 2, f"--margin {margin} must be from 1 to 99 percentage points")


def test_the_commands_that_are_suggested_can_be_pasted(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    other = results / "other.json"
    accepted.write(accepted.read(results / "reference" / "made.json"), other)
    monkeypatch.chdir(results)
    Path("some").mkdir()
    Path("some/made.toml").write_text(as_file())
    folder = ("--results", ".", "--baseline", "other.json")
    told = call("check", "some/made.toml", "--no-confirm", *folder).stdout.splitlines()
    line = "longlag check some/made.toml --results . --baseline other.json"
    assert f"Without --no-confirm, fresh seeds decide on entries that look worse: {line}" in told
    put(study_of(10), results, USUAL, source="old")
    refused(call("check", "some/made.toml", *folder), 2, "; longlag run some/made.toml --fresh --results .\n")


def test_inconclusive_exits_with_5_only_if_strict(results: Path) -> None:
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    done = check(results, "--no-confirm")
    assert done.exit_code == 0
    assert "undecided" in done.stdout
    assert check(results, "--no-confirm", "--strict").exit_code == 5


def test_another_budget_is_not_comparable_and_exits_with_2(results: Path) -> None:
    put(study_of(10, updates=300), results, USUAL)
    done = check(results)
    assert done.exit_code == 2
    assert "updates 300, was 400" in done.stdout


def test_missing_entries_are_listed_and_exit_with_2(results: Path) -> None:
    put(study_of(10, cell=("lstm", "rnn")), results, USUAL)
    done = check(results)
    assert done.exit_code == 2
    assert "only in the baseline" in done.stdout


def test_a_broken_invariant_is_a_regression(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (Invariant("clipping", False, "norm 3 where 1 is promised"),)
    monkeypatch.setattr(regression, "_invariants", lambda entries: broken)
    put(study_of(10), results, USUAL)
    with Store.open_for_writing(store_path("made", results)) as store:
        for trial in study_of(10, cell="lstm").trials():
            store.add(outcome(trial, 0.1, "b"), facts(trial))  # looks worse
    monkeypatch.setattr(training, "train_study", pytest.fail)  # a fault that is certain needs no confirmation
    done = check(results)
    assert done.exit_code == 1
    assert "BROKEN clipping: norm 3 where 1 is promised" in done.stdout
    assert "unchanged" not in done.stdout
    assert done.stdout.startswith("made: REGRESSED (1 invariant broken, 3 inconclusive)\n")
    assert done.stdout.count("an invariant is broken, else: every curve is the same to the last digit") == 2


def test_stale_and_mixed_source_are_refused_with_the_command_to_run(results: Path) -> None:
    put(study_of(10), results, USUAL, source="old")
    refused(check(results), 2, "made by another version of the source; longlag run made --fresh")
    with Store.open_for_writing(store_path("made", results)) as store:
        trial = study_of(10).trials()[0]
        store.add(outcome(trial, 1.0), facts(trial))
    refused(check(results), 2, "2 versions of the source; longlag run made --fresh")


def test_an_unfinished_study_is_refused(results: Path) -> None:
    study = study_of(70)
    with Store.open_for_writing(store_path("made", results)) as store:
        store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
    refused(check(results), 2, "unfinished: 30 of 210 trials are missing; longlag run made --fresh")
    refused(call("baseline", "accept", "made", "--reason", "x", "--results", str(results)), 2, "unfinished")


def test_checks_are_noted_for_the_history(results: Path) -> None:
    put(study_of(10), results, USUAL)
    check(results)
    assert "made: no regression found (3 unchanged)" in call("history", "made", "--results", str(results)).stdout


def test_files_are_written_and_the_same_each_time(results: Path, tmp_path: Path) -> None:
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    written = {}
    for turn in ("one", "two"):
        paths = {kind: tmp_path / f"{turn}.{kind}" for kind in ("markdown", "junit", "json")}
        check(results, "--no-confirm", *(word for kind, path in paths.items() for word in (f"--{kind}", str(path))))
        drawn_files = sorted((results / "made" / "check").iterdir())
        written[turn] = [path.read_bytes() for path in (*paths.values(), *drawn_files)]
    assert written["one"] == written["two"]
    assert len(written["one"]) == 6


def test_a_folder_that_is_missing_is_refused_before_anything_is_trained(results: Path) -> None:
    refused(check(results, "--json", str(results / "no" / "out.json")), 2, "there is no folder")


def test_compare_takes_studies_stores_and_baselines(results: Path) -> None:
    put(study_of(10), results, USUAL, "b")
    sides = ("made", str(store_path("made", results)), str(results / "reference" / "made.json"))
    for before, after in product(sides, sides):
        done = call("compare", before, after, "--results", str(results))
        assert done.exit_code == 0, done.output
        assert done.stdout.count("norm ≤ 1") == 3
        assert not any(ruling in done.stdout for ruling in Ruling)
    held = json.loads(call("compare", sides[2], "made", "--json", "--results", str(results)).stdout)
    assert [entry["before"]["n"] for entry in held["entries"]] == [60, 60, 60]
    refused(call("compare", "made", "mde", "--results", str(results)), 2, "no study called 'mde'")


def test_compare_adjusts_every_p_for_all_tests_of_its_table(results: Path) -> None:
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    sides = (str(results / "reference" / "made.json"), "made", "--results", str(results))
    entries = json.loads(call("compare", *sides, "--json").stdout)["entries"]
    raw, adjusted = ([p for entry in entries for side in of(entry).values() for p in side.values()] for of in P_OF)
    steps = [(len(raw) - place) * p for place, p in enumerate(sorted(raw))]  # Holm 1979, written out
    right = {p: min(1.0, max(steps[: place + 1])) for place, p in enumerate(sorted(raw))}
    assert len(raw) == 18
    assert min(adjusted) < 0.05 < max(raw)
    assert adjusted == pytest.approx([right[p] for p in raw], rel=1e-4)
    assert p_text(min(adjusted), "") in call("compare", *sides).stdout


def test_check_help_explains_the_exit_codes() -> None:
    assert "2: not comparable" in " ".join(call("check", "--help").stdout.split())
    assert call("check").exit_code == 2


@pytest.mark.parametrize("command", ["check", "history"])
def test_a_study_that_nobody_has_run_offers_a_near_one_not_a_command_that_fails(command: str, tmp_path: Path) -> None:
    done = call(command, "cii", "--results", str(tmp_path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "longlag: no study is called 'cii'; did you mean ci?\n"
    assert list(tmp_path.iterdir()) == []

"""The commands that hold results against a baseline: exit codes, files, and what is refused. Nothing is trained."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from regressions import drawn

from bench import provenance, runner
from bench.cli import main, regression, training
from bench.regression import baseline as accepted
from bench.regression.entries import Entry
from bench.regression.formats import as_json, as_junit
from bench.regression.matching import Pair
from bench.regression.render import render_markdown, render_text
from bench.regression.report import Invariant, Report
from bench.regression.verdict import Ruling, Verdict, confirmation_seeds, decide
from bench.seeding import stream
from bench.store import Store, store_path
from bench.study import Study, adhoc
from bench.trial import Status, Trial, TrialResult

CELLS = ("gru", "lstm", "rnn")
USUAL = {"gru": 0.95, "lstm": 0.9, "rnn": 0.85}
SOURCE = provenance.source_hash()


def call(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def outcome(trial: Trial, share: float, code: str = "a", source: str = SOURCE) -> TrialResult:
    """Make up what a trial comes to; ``code`` is what the fingerprint depends on."""
    generator = stream("made-up outcomes", trial.cell, trial.seed, code).generator()
    until = 20 * int(generator.integers(4, 12))
    curve = {"fingerprint": f"{code}{trial.seed:08x}", "wall_seconds": 1.0, "environment": {"source": source}}
    if generator.random() < share:
        return TrialResult(trial, Status.SOLVED, 0.001, 0.001, updates=until, updates_to_solve=until, **curve)
    return TrialResult(trial, Status.UNSOLVED, 0.5 + 0.1 * generator.random(), updates=trial.updates, **curve)


def study_of(seeds: int = 10, **options: object) -> Study:
    usual = {"task": "copy:items=1,symbols=2,blanks=1", "cell": CELLS, "clip": "norm:1", "lr": 0.01, "updates": 400}
    return adhoc("made", **(usual | {"eval_every": 20, "hidden_size": 4, "seeds": seeds} | options))


def put(study: Study, results: Path, shares: dict[str, float], code: str = "a", source: str = SOURCE) -> None:
    """Store a study as a run would."""
    with Store.open_for_writing(store_path(study.name, results)) as store:
        store.write_plan(study.title, [(trial, runner.facts(trial)) for trial in study.trials()])
        for trial in study.trials():
            store.add(outcome(trial, shares[trial.cell], code, source), runner.facts(trial))


@pytest.fixture(autouse=True)
def _no_invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regression, "_invariants", lambda entries: ())
    monkeypatch.setattr(regression, "_measured", lambda entries, workers: entries)  # each would start a process


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with a study of 60 seeds, accepted."""
    put(study_of(60), tmp_path, USUAL)
    done = call("baseline", "accept", "made", "--reason", "first", "--results", str(tmp_path))
    assert done.exit_code == 0, done.output
    return tmp_path


def trains(monkeypatch: pytest.MonkeyPatch, shares: dict[str, float]) -> list[Study]:
    """Let the confirmation's training make up outcomes; return the studies it is asked for."""
    asked = []

    def train(study: Study, results: Path, **options: object) -> None:
        asked.append(study)
        put(study, results, shares, "fresh")

    monkeypatch.setattr(training, "train_study", train)
    return asked


def check(results: Path, *args: str) -> Result:
    return call("check", "made", "--results", str(results), *args)


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


def test_inconclusive_exits_with_5_only_if_strict(results: Path) -> None:
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")
    done = check(results, "--no-confirm")
    assert done.exit_code == 0
    assert "could not be told" in done.stdout
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
    put(study_of(10), results, USUAL | {"lstm": 0.1}, "b")  # looks worse: needs no confirmation
    done = check(results)
    assert done.exit_code == 1
    assert "BROKEN clipping: norm 3 where 1 is promised" in done.stdout


def refused(done: Result, code: int, message: str) -> None:
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_stale_and_mixed_source_are_refused_with_the_command_to_run(results: Path) -> None:
    put(study_of(10), results, USUAL, source="old")
    refused(check(results), 2, "made by other source than the present one; longlag run made --fresh")
    with Store.open_for_writing(store_path("made", results)) as store:
        trial = study_of(10).trials()[0]
        store.add(outcome(trial, 1.0), runner.facts(trial))
    refused(check(results), 2, "2 versions of the source; longlag run made --fresh")


def test_accepting_again_after_a_change_names_the_command_that_gets_there(results: Path) -> None:
    again = "longlag run made --fresh --seeds 100"
    for source, seeds, why in (("old", 60, "was made by other source"), (SOURCE, 10, "at least 50")):
        put(study_of(seeds), results, USUAL, source=source)
        done = call("baseline", "accept", "made", "--reason", "better", "--results", str(results))
        refused(done, 2, why)
        assert done.stderr.endswith(f"; {again}\n")


def test_an_unfinished_study_is_refused(results: Path) -> None:
    study = study_of(70)
    with Store.open_for_writing(store_path("made", results)) as store:
        store.write_plan(study.title, [(trial, runner.facts(trial)) for trial in study.trials()])
    refused(check(results), 2, "unfinished: 30 of 210 trials are missing; longlag run made --fresh")
    refused(call("baseline", "accept", "made", "--reason", "x", "--results", str(results)), 2, "unfinished")


def test_a_study_without_a_baseline_says_how_to_make_one(tmp_path: Path) -> None:
    put(study_of(10), tmp_path, USUAL)
    refused(check(tmp_path), 2, "longlag run made --fresh --seeds 100 && longlag baseline accept made --reason TEXT")


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda text: text.replace('"solved", 0.001', '"solved", 0.002', 1), 2, "was edited"),
        (lambda text: text.replace("first", "second", 1), 2, "was edited"),
        (lambda text: text.replace('"study": "made"', '"study": "other"'), 2, "was edited"),
        (lambda text: '{"tasks": []}', 2, "is no baseline of longlag"),
        (lambda text: "[1, 2]", 2, "is no baseline of longlag"),
        (lambda text: text[: len(text) // 2], 4, "cut short"),
        (lambda text: "", 4, "cut short"),
        (lambda text: "[" * 100_000, 4, "cut short"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), 4, "was written by a newer longlag"),
    ],
)
def test_a_baseline_that_is_not_as_it_was_written_gets_one_line(results: Path, change, code, message) -> None:
    path = results / "reference" / "made.json"
    path.write_text(change(path.read_text()))
    put(study_of(10), results, USUAL)
    before = path.read_text()
    refused(check(results), code, message)
    refused(call("baseline", "accept", "made", "--reason", "again", "--results", str(results)), 2, "made")
    assert path.read_text() == before


def test_the_baseline_of_another_study_is_refused(results: Path) -> None:
    other = results / "other.json"
    held = accepted.read(results / "reference" / "made.json")
    accepted.write(replace(held, study="other"), other)
    put(study_of(10), results, USUAL)
    refused(check(results, "--baseline", str(other)), 2, "is the baseline of study other, not of made")


@pytest.mark.parametrize(
    ("seeds", "reason", "message"),
    [(49, "first", "has 49 seeds, a baseline needs at least 50"), (60, " ", "--reason must be one line of text")],
)
def test_what_cannot_be_accepted(tmp_path: Path, seeds: int, reason: str, message: str) -> None:
    put(study_of(seeds), tmp_path, USUAL)
    refused(call("baseline", "accept", "made", "--reason", reason, "--results", str(tmp_path)), 2, message)
    assert not (tmp_path / "reference").exists()


def test_failed_trials_are_not_accepted(tmp_path: Path) -> None:
    study = study_of(60)
    put(study, tmp_path, USUAL)
    with Store.open_for_writing(store_path("again", tmp_path)) as store:
        store.write_plan(study.title, [(trial, runner.facts(trial)) for trial in study.trials()])
        for place, trial in enumerate(study.trials()):
            lost = TrialResult(trial, Status.FAILED, reason="x", environment={"source": SOURCE})
            store.add(lost if place == 5 else outcome(trial, 0.9), runner.facts(trial))
    refused(call("baseline", "accept", "again", "--reason", "x", "--results", str(tmp_path)), 2, "1 trials of")


def test_a_baseline_reads_back_as_it_was_written_and_keeps_its_history(results: Path) -> None:
    path = results / "reference" / "made.json"
    first = path.read_text()
    assert accepted.as_text(accepted.read(path)) == first
    assert call("baseline", "accept", "made", "--reason", "second", "--results", str(results)).exit_code == 0
    held = accepted.read(path)
    assert [of.reason for of in held.accepted] == ["first", "second"]
    lines = set(first.splitlines()) ^ set(path.read_text().splitlines())
    assert len(lines) <= 6  # an acceptance and the hash: a diff shows nothing else
    printed = call("history", "made", "--results", str(results)).stdout
    assert re.search(r"0\.1\.0\s+\w{16}\s+3\s+\d+%\s+first\n.*second", printed)
    assert (results / "made" / "history" / "trend.png").stat().st_size > 0


def test_a_baseline_of_thirty_entries_and_a_hundred_seeds_is_small() -> None:
    entries = tuple(drawn(0.9, range(100), "size", n, cell=f"lstm:forget_bias={n}", marked="a" * 12) for n in range(30))
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first", "1", "a", accepted.summary_of(entries))
    text = accepted.as_text(accepted.Baseline("made", entries, (when,)))
    assert len(text.encode()) < accepted.LARGEST / 2
    assert text == accepted.as_text(accepted.Baseline("made", entries[::-1], (when,)))


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


def test_check_help_explains_the_exit_codes() -> None:
    assert "2: not comparable" in " ".join(call("check", "--help").stdout.split())
    assert call("check").exit_code == 2


def report(shares: dict[str, float], **options: object) -> Report:
    before = [drawn(USUAL[cell], range(60), "base", cell, cell=cell, marked="a") for cell in CELLS]
    after = [drawn(share, range(60, 70), "new", cell, cell=cell) for cell, share in shares.items()]
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first | <b>", "1", "a", {})
    verdicts = decide(before, [*after, Entry(before[0].setting, before[0].outcomes[:10])], None, [])
    return Report("made", accepted.Baseline("made", tuple(before), (when,)), tuple(verdicts), **options)


def test_markdown_escapes_what_others_wrote_and_folds_what_is_unchanged() -> None:
    text = render_markdown(report({"lstm": 0.0, "rnn": 0.85}))
    assert "first \\| \\<b\\>" in text
    assert "<details><summary>1 unchanged</summary>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert "inconclusive" in rows[2]


@pytest.mark.parametrize("ruling", Ruling)
def test_markdown_stays_small_whatever_it_holds(ruling: Ruling) -> None:
    made = report({"lstm": 0.0, "rnn": 0.85})
    entry = made.verdicts[0].pair.new
    assert entry is not None
    pairs = [Pair(entry, Entry(replace(entry.setting, cell=f"lstm:forget_bias={n}"), ())) for n in range(2000)]
    many = replace(made, verdicts=tuple(Verdict(pair, ruling, "reason " * 20) for pair in pairs))
    text = render_markdown(many)
    assert len(text.encode()) < 60_000
    assert "more" in text


def test_junit_is_what_ci_viewers_read() -> None:
    broken = (Invariant("clip", False, "bad \x00 <&"), Invariant("floor", True, "fine"))
    root = ElementTree.fromstring(as_junit(report({"lstm": 0.0, "rnn": 0.85}, invariants=broken)).encode())
    assert root.tag == "testsuites"
    (suite,) = root
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.attrib["tests"]) == int(root.attrib["tests"]) == 5
    for kind, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        assert int(suite.attrib[kind]) == len(suite.findall(f"testcase/{tag}"))
    assert all(case.attrib["name"] and case.attrib["classname"] for case in cases)
    assert suite.attrib["failures"] == "1"
    assert suite.attrib["skipped"] == "1"
    strict = ElementTree.fromstring(as_junit(report({"lstm": 0.0}, strict=True)).encode())
    assert strict.attrib["failures"] == "1"


def test_json_has_a_schema_and_every_number() -> None:
    held = json.loads(as_json(report({"lstm": 0.0, "rnn": 0.85})))
    assert held["schema"] == 1
    worst = held["entries"][0]
    assert worst["verdict"] == "inconclusive"
    assert worst["screened"]["p_worse"]["solved"] < 0.05
    assert worst["screened"]["solved_change"]["high"] < 0
    assert held["counts"]["unchanged"] == 1


def test_the_text_says_each_drop_it_could_detect() -> None:
    text = render_text(report({"lstm": 0.0, "rnn": 0.85}))
    row = next(line for line in text.splitlines() if line.lstrip().startswith("RNN tanh"))
    assert re.search(r"≤ \d+ %, -\d+ points", row)


def test_other_versions_are_told() -> None:
    made = report({"lstm": 0.9, "rnn": 0.85})
    pair = next(verdict.pair for verdict in made.verdicts if verdict.ruling is not Ruling.UNCHANGED)
    assert pair.baseline is not None
    assert pair.new is not None
    context = [replace(entry, contexts=((("torch", version),),)) for entry, version in zip(
        (pair.baseline, pair.new), ("2.12", "2.13"), strict=True)]  # fmt: skip
    told = replace(made, verdicts=(Verdict(Pair(*context), Ruling.SAME, ""),))
    assert "torch 2.13, was 2.12" in render_text(told)
    unknown = replace(context[1], contexts=((("processor", "znver4"),),))
    told = replace(made, verdicts=(Verdict(Pair(context[0], unknown), Ruling.SAME, ""),))
    assert "(processor znver4, was unknown)" in render_text(told)


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        ({"seconds_per_update": 0.005}, "Slower: RNN tanh · norm ≤ 1 · copy takes 2.5 times as long beside"),
        ({"memory_bytes": 5000}, "Larger: RNN tanh · norm ≤ 1 · copy takes 2.5 times as much memory beside"),
    ],
)
def test_an_entry_that_costs_more_beside_the_others_is_told_but_passes(cost, told) -> None:
    entries = [drawn(0.9, range(60), "base", cell, cell=cell, marked="a") for cell in CELLS]
    before = [replace(entry, seconds_per_update=0.001, memory_bytes=1000) for entry in entries]
    doubled = {"seconds_per_update": 0.002, "memory_bytes": 2000}  # all alike: another machine
    now = [replace(entry, outcomes=entry.outcomes[:10], **doubled) for entry in before]
    when = accepted.Acceptance("2026-01-01T00:00:00Z", "first", "1", "a", {})
    held = accepted.Baseline("made", tuple(before), (when,))
    for after, is_told in ((now, False), ([*now[:2], replace(now[2], **cost)], True)):
        made = Report("made", held, tuple(decide(before, after, None, [])))
        assert (told in render_text(made)) == is_told
        assert made.exit_code == 0


def test_the_memory_of_a_gradient_is_kept_in_the_baseline(results: Path) -> None:
    path = results / "reference" / "made.json"
    held = accepted.read(path)
    assert all(entry.memory_bytes is None for entry in held.entries)
    measured = replace(held, entries=tuple(replace(entry, memory_bytes=2**20) for entry in held.entries))
    accepted.write(measured, path)
    assert accepted.read(path, "made") == measured


def test_judging_needs_no_torch() -> None:
    code = (
        "import sys, bench.regression.verdict, bench.regression.render, bench.regression.formats, "
        "bench.regression.figure, bench.regression.record; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

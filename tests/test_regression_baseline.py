"""The baseline: what may be accepted, what its file holds, and what is said of one that is not as it was written."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_study import SOURCE, USUAL, accepted_study, call, check, outcome, put, refused, study_of
from regressions import drawn, setting, solved

from longlag.plan.trials import facts
from longlag.regression.judge import baseline as accepted
from longlag.regression.judge.entries import Entry
from longlag.store.store import Store, store_path
from longlag.values.trial import Status, TrialResult


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return accepted_study(tmp_path, monkeypatch)


def test_accepting_again_after_a_change_names_the_command_that_gets_there(results: Path) -> None:
    again = f"longlag run made --fresh --seeds 100 --results {results}"
    for source, seeds, why in (("old", 60, "was made by another version of the source"), (SOURCE, 10, "at least 50")):
        put(study_of(seeds), results, USUAL, source=source)
        done = call("baseline", "accept", "made", "--reason", "better", "--results", str(results))
        refused(done, 2, why)
        assert done.stderr.endswith(f"; {again}\n")


def test_a_study_without_a_baseline_says_how_to_make_one(tmp_path: Path) -> None:
    put(study_of(10), tmp_path, USUAL)
    folder = f"--results {tmp_path}"
    accept = f"longlag baseline accept made --reason TEXT {folder}"
    refused(check(tmp_path), 2, f"longlag run made --fresh --seeds 100 {folder} && {accept}\n")


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda text: text.replace('"solved", 0.001', '"solved", 0.002', 1), 2, "was edited"),
        (lambda text: text.replace("first", "second", 1), 2, "was edited"),
        (lambda text: text.replace('"study": "made"', '"study": "other"'), 2, "was edited"),
        (lambda text: '{"tasks": []}', 2, "is not a baseline of longlag"),
        (lambda text: "[1, 2]", 2, "is not a baseline of longlag"),
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
        store.write_plan(study.title, [(trial, facts(trial)) for trial in study.trials()])
        for place, trial in enumerate(study.trials()):
            lost = TrialResult(trial, Status.FAILED, reason="x", environment={"source": SOURCE})
            store.add(lost if place == 5 else outcome(trial, 0.9), facts(trial))
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


def test_the_memory_of_a_gradient_is_kept_in_the_baseline(results: Path) -> None:
    path = results / "reference" / "made.json"
    held = accepted.read(path)
    assert all(entry.memory_bytes is None for entry in held.entries)
    measured = replace(held, entries=tuple(replace(entry, memory_bytes=2**20) for entry in held.entries))
    accepted.write(measured, path)
    assert accepted.read(path, "made") == measured


def test_networks_that_differ_between_their_layers_have_names_and_histories_of_their_own() -> None:
    ways = [{}, {"layers": 2}, {"layers": 2, "skip": "dense"}, {"direction": "bidirectional"}]
    ways.append({"decoder_cell": "gru", "decoder_layers": 1, "decoder_cell_version": 1})
    entries = [Entry(setting(**way), (solved(0, 20),)) for way in ways]
    assert entries[0].label == "copy:items=1,symbols=2,blanks=1 · lstm · norm:1"
    assert entries[2].label == f"{entries[0].label} · 2 layers · skip dense"
    assert len(accepted.summary_of(entries)) == len(ways)

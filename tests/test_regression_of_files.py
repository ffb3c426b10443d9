"""Where a study is named by its file, the commands on baselines mean the trials of that file."""

import json
from pathlib import Path

import pytest
from made_study import USUAL, accepted_study, as_file, call, put, refused, study_of

from longlag.regression.judge import baseline as accepted


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An accepted study of three cells and 60 seeds, which a run of ten seeds has followed."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        accepted_study(folder, patch)
    put(study_of(10), folder, USUAL)
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_measured(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(results.parent)
    monkeypatch.setattr("longlag.cli.baselines.measured", lambda entries, workers: entries)
    monkeypatch.setattr("longlag.cli.regression._invariants", lambda entries: ())


def file(**options: object) -> str:
    Path("made.toml").write_text(as_file(**options))
    return "made.toml"


def test_a_check_is_of_the_files_entries(results: Path) -> None:
    done = call("check", file(cell=["gru", "rnn"]), "--no-confirm", "--json", "check.json", "--results", str(results))
    assert done.exit_code == 2, "the baseline has one entry more"
    entries = json.loads(Path("check.json").read_text())["entries"]
    rulings = {entry["label"].split(" · ")[1]: entry["verdict"] for entry in entries}
    assert rulings == {"gru": "unchanged", "lstm": "not comparable", "rnn": "unchanged"}


def test_seeds_of_the_file_that_are_not_stored_are_missing(results: Path) -> None:
    more = call("check", file(seeds=list(range(70))), "--results", str(results))
    refused(more, 2, "study made is unfinished: 30 of 210 trials are missing; longlag run made.toml --fresh")


def test_a_file_and_a_name_are_two_sides(results: Path) -> None:
    command = ["compare", "made", file(cell="gru", seeds=[3, 4]), "--json", "--results", str(results)]
    found = json.loads(call(*command).stdout)
    assert [entry["after"]["n"] if entry["after"] else 0 for entry in found["entries"]] == [2, 0, 0]


def test_a_file_that_was_run_with_more_seeds_is_judged_at_these(tmp_path: Path) -> None:
    put(study_of(60), tmp_path, USUAL)
    accepts = ["baseline", "accept", file(), "--reason", "x", "--results", str(tmp_path)]
    done = call(*accepts)
    assert done.exit_code == 0, done.output
    assert len(accepted.read(tmp_path / "reference" / "made.json").seeds) == 60
    put(study_of(60, updates=300), tmp_path, USUAL)
    refused(call(*accepts), 2, "norm:1 has 10 seeds, a baseline needs at least 50")


def test_a_baseline_is_accepted_of_the_files_trials(results: Path) -> None:
    one = file(cell="lstm", seeds=list(range(55)))
    done = call("baseline", "accept", one, "--reason", "x", "--baseline", "one.json", "--results", str(results))
    assert done.exit_code == 0, done.output
    (entry,) = accepted.read(Path("one.json")).entries
    assert (entry.setting.cell, entry.n) == ("lstm", 55)


def test_a_history_is_of_the_files_entries(results: Path) -> None:
    shares = {}
    for study in ("made", file(cell="rnn")):
        lines = call("history", study, "--results", str(results)).stdout.splitlines()
        shares[study] = lines[3].split()[3]
    assert shares == {"made": "3", "made.toml": "1"}
    rows = (results / "made" / "history" / "trend.csv").read_text().splitlines()[1:]
    assert rows
    assert all(" · rnn · " in row for row in rows)
    other = call("history", file(cell="mgu"), "--results", str(results))
    refused(other, 2, "the baseline has no entry for the trials of this file, such as copy:items=1")


@pytest.mark.parametrize(
    "command", [["check"], ["history"], ["baseline", "accept", "--reason", "x"], ["compare", "made"]]
)
def test_a_file_that_is_not_there_is_refused(command: list[str], results: Path) -> None:
    refused(call(*command, "mde.toml", "--results", str(results)), 2, "longlag: mde.toml: No such file or directory")

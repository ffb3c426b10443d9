"""Reports on a study that is named by its file: its trials in its order, whatever the last run planned."""

import json
from pathlib import Path

import pytest
from made_study import USUAL, call, put, refused, study_of
from matplotlib.figure import Figure

from longlag.report.figures import all as figures
from longlag.report.figures.panels import Drawing
from longlag.store.results import StudyData

NEAR, FAR = (f"copy:items=1,symbols=2,blanks={blanks}" for blanks in (1, 2))
FILE = f"""
title = "Less than was stored, and the other way round"
[[grids]]
task = ["{FAR}", "{NEAR}"]
cell = ["rnn", "gru"]
clip = "norm:1"
lr = 0.01
updates = 400
eval_every = 20
hidden_size = 4
seeds = [2, 1]
"""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with the study `made` of three cells and seeds, and a file of that name beside it."""
    folder = tmp_path / "results"
    put(study_of(3, task=(NEAR, FAR)), folder, USUAL)
    (tmp_path / "made.toml").write_text(FILE)
    monkeypatch.setattr(figures, "FIGURES", {"solved": drawn, "depth": drawn})
    return folder


def drawn(study: StudyData) -> Drawing:
    """Stand in for a figure, which takes seconds to draw."""
    return Drawing(Figure(), study.plan[["task", "cell"]])


def report(results: Path, command: str, *args: str, study: str = "made.toml") -> str:
    named = str(results.parent / study) if study.endswith(".toml") else study
    done = call(command, named, *args, "--results", str(results))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_summary_has_the_settings_of_the_file_in_its_order(results: Path) -> None:
    found = json.loads(report(results, "show", "--json"))
    assert [task["task"] for task in found["tasks"]] == [FAR, NEAR]
    assert {row["cell"] for row in found["settings"]} == {"rnn", "gru"}
    assert found["title"] == "Less than was stored, and the other way round"
    assert (found["planned"], found["with_result"], found["outside"]) == (8, 8, 10)


def test_rows_keep_the_order_of_the_files_cells_and_clips(results: Path) -> None:
    (results.parent / "made.toml").write_text(FILE.replace('["rnn", "gru"]', '["gru", "rnn"]'))
    listed = [row["cell"] for row in json.loads(report(results, "show", "--json"))["settings"]]
    assert listed == ["gru", "rnn"] * 2
    (results.parent / "made.toml").write_text(FILE)
    assert [row["cell"] for row in json.loads(report(results, "show", "--json"))["settings"]] == ["rnn", "gru"] * 2
    report(results, "tables")
    rows = (results / "made" / "tables" / "summary.csv").read_text().splitlines()[1:]
    assert ["gru" in row for row in rows] == [False, True] * 2


def test_rows_are_those_of_the_file(results: Path) -> None:
    keys = {line.partition(",")[0] for line in report(results, "export").splitlines()[1:]}
    assert len(keys) == 8
    assert keys < {line.partition(",")[0] for line in report(results, "export", study="made").splitlines()}


def test_tables_and_figures_are_those_of_the_file(results: Path) -> None:
    report(results, "tables")
    assert "LSTM" not in (results / "made" / "tables" / "summary.md").read_text()
    report(results, "figures")
    lines = (results / "made" / "figures" / "solved.csv").read_text().splitlines()
    assert (len(lines), lines[1]) == (9, f'"{FAR}",rnn')


def test_trials_of_the_file_that_are_not_stored_are_missing(results: Path) -> None:
    (results.parent / "made.toml").write_text(FILE.replace("[2, 1]", "[2, 11]"))
    assert json.loads(report(results, "show", "--json"))["missing"] == 4


@pytest.mark.parametrize("command", ["show", "figures", "tables", "export"])
def test_a_file_that_is_not_there_is_refused(command: str, results: Path) -> None:
    refused(call(command, "mde.toml", "--results", str(results)), 2, "longlag: mde.toml: No such file or directory")


def test_what_an_earlier_plan_had_tables_and_figures_of_is_removed(results: Path) -> None:
    old = ["tables/transfer.md", "tables/horizons.csv", "figures/depth.png", "figures/depth.csv"]
    own = ["tables/notes.md", "figures/mine.png"]
    for name in old + own:
        (results / "made" / name).parent.mkdir(exist_ok=True)
        (results / "made" / name).write_text("old")
    report(results, "tables", study="made")
    report(results, "figures", study="made")
    assert [name for name in old + own if (results / "made" / name).exists()] == own

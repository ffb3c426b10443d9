"""The summary says what the trials say, in every format."""

import csv
import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from synthetic import ADDING, COPY, Shape, make_study

from longlag.plan.rates import Basis
from longlag.report.outcomes import into_panels, outcomes
from longlag.report.paper.latex import escape
from longlag.report.summary import summarise
from longlag.report.text.clip_lines import Comparison, Side, differences
from longlag.report.text.files import write_tables
from longlag.report.text.summary_lines import stories
from longlag.report.text.terminal import render_text, to_json
from longlag.values.trial import Status

IRNN = "rnn:nonlinearity=relu,init=identity"
BROKEN = Shape(stored=0.6, seeds=8, failed=True, sources=2, outside=3, timed=True)


def row_of(summary, **setting):
    found = summary
    for name, value in setting.items():
        found = found[found[name] == value]
    assert len(found) == 1
    return found.iloc[0]


def with_statuses(*statuses, errors=None):
    """Return a study of one setting whose trials ended so."""
    study = make_study(Shape(tasks=(COPY,), cells=("lstm",), clips=("none",), seeds=len(statuses)))
    trials = study.trials.sort_values("seed").assign(status=list(map(str, statuses)))
    trials["error"] = errors or [0.4] * len(statuses)
    solved = trials["status"] == Status.SOLVED
    trials["updates_to_solve"] = pd.Series(range(100, 100 * len(trials) + 1, 100), index=trials.index).where(solved)
    return replace(study, trials=trials)


def test_diverged_and_exploded_trials_count_as_unsolved_and_as_the_floor():
    study = with_statuses(Status.SOLVED, Status.DIVERGED, Status.EXPLODED, errors=[0.0, None, 0.1])
    row = summarise(study).iloc[0]
    assert (row["n"], row["N"], row["solved_count"]) == (3, 3, 1)
    assert (row["error_min"], row["error"], row["error_max"]) == (0, 0.875, 0.875)
    assert row["diverged_fraction"] == row["exploded_fraction"] == pytest.approx(1 / 3)
    assert outcomes(study)["watched_updates"].tolist() == [100, 1000, 1000]


def test_failed_late_and_missing_trials_count_in_planned_only():
    study = with_statuses(Status.SOLVED, Status.FAILED, Status.TIMEOUT, Status.TIMEOUT, Status.UNSOLVED)
    study = replace(study, trials=study.trials.iloc[:4])
    row = summarise(study).iloc[0]
    assert (row["n"], row["N"]) == (1, 5)
    assert (row["failed_count"], row["timeout_count"], row["missing_count"]) == (1, 2, 1)
    assert row["solved_fraction"] == 1


def test_timeouts_are_told_apart_from_failures_everywhere(tmp_path):
    study = with_statuses(Status.SOLVED, Status.FAILED, Status.TIMEOUT, Status.TIMEOUT)
    text, content = render_text(study), json.loads(to_json(study))
    assert "1 failed, 2 timeout" in next(line for line in text.splitlines() if line.startswith("  LSTM"))
    assert "Of 4 trials 1 failed, 2 timeout: they count in N, not in n." in text
    assert (content["with_result"], content["failed"], content["timeout"]) == (1, 1, 2)
    write_tables(study, tmp_path)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "tables" / "summary.csv").read_text(encoding="utf-8")))
    assert (row["failed_count"], row["timeout_count"]) == ("1", "2")
    head, _, row = (tmp_path / "tables" / "summary.md").read_text(encoding="utf-8").splitlines()[-5:-2]
    told = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert (told["failed"], told["timeout"]) == ("1", "2")


def test_reasons_of_failures_are_counted_a_line_each_and_say_where_the_rest_is(tmp_path):
    study = with_statuses(*[Status.FAILED] * 8, Status.TIMEOUT, Status.SOLVED)
    trials = study.trials.assign(reason=["a\n b"] * 3 + ["c", "d", "e", "f", "g"] + ["took longer than 5 s", None])
    study = replace(study, trials=trials)
    first = min(trials["key"].iloc[:3])
    told = json.loads(to_json(study))["reasons"]
    assert told[0] == f"failed 3: a b, such as {first}"
    assert told[1] == f"failed 1: c, such as {trials['key'].iloc[3]}"
    assert told[5:] == ["2 more reasons; each trial's own: column reason of `longlag export made-up`"]
    assert f"  {told[0]}\n" in render_text(study)
    write_tables(study, tmp_path)
    assert f"> {told[0]}\n" in (tmp_path / "tables" / "summary.md").read_text(encoding="utf-8")


def test_a_study_without_failures_tells_no_reasons():
    assert "Why trials" not in render_text(make_study())
    assert json.loads(to_json(make_study()))["reasons"] == []


def test_the_median_is_above_the_budget_below_half_solved():
    row = summarise(with_statuses(Status.SOLVED, Status.UNSOLVED, Status.UNSOLVED)).iloc[0]
    assert pd.isna(row["updates_to_solve"])
    assert "> 1000" in render_text(with_statuses(Status.SOLVED, Status.UNSOLVED, Status.UNSOLVED))
    half = summarise(with_statuses(Status.SOLVED, Status.SOLVED, Status.UNSOLVED)).iloc[0]
    assert half["updates_to_solve"] == 200


def test_the_score_is_one_minus_error_over_floor():
    row = summarise(with_statuses(Status.UNSOLVED, errors=[0.4375])).iloc[0]
    assert row["score"] == pytest.approx(0.5)


def test_rows_come_best_first_within_a_task():
    summary = summarise(make_study())
    assert list(summary["task"].unique()) == [COPY, ADDING, "agreement:nouns=0-4"]  # the study's order
    for _, rows in summary.groupby("task"):
        assert rows["solved_fraction"].is_monotonic_decreasing
        tied = rows[rows["solved_fraction"] == 1]["updates_to_solve"]
        assert tied.is_monotonic_increasing


def test_columns_of_axes_with_one_value_are_left_out(tmp_path):
    write_tables(make_study(), tmp_path)
    columns = pd.read_csv(tmp_path / "tables" / "summary.csv").columns
    assert {"task", "cell", "clip", "lr"} <= set(columns)
    assert not {"hidden_size", "optimizer", "dtype"} & set(columns)


def test_numbers_in_the_csv_are_those_of_the_trials(tmp_path):
    study = make_study()
    write_tables(study, tmp_path)
    row = row_of(pd.read_csv(tmp_path / "tables" / "summary.csv"), task=COPY, cell=IRNN, clip="norm:1")
    trials = study.trials.query("task == @COPY and cell == @IRNN and clip == 'norm:1'")
    assert row["solved_count"] == (trials["status"] == "solved").sum() == 3
    assert row["updates_to_solve"] == trials["updates_to_solve"].median()
    assert row["solved_low"] == pytest.approx(0.2924, abs=1e-4)


def test_tables_are_the_same_bytes_for_the_same_results(tmp_path):
    study = make_study(BROKEN)
    shuffled = replace(study, trials=study.trials.sample(frac=1, random_state=1), curves=study.curves.iloc[::-1])
    for first, second in zip(write_tables(study, tmp_path / "a"), write_tables(shuffled, tmp_path / "b"), strict=True):
        assert first.read_bytes() == second.read_bytes()
        assert b"\r" not in first.read_bytes()


@pytest.mark.parametrize("name", ["summary.md", "summary.tex"])
def test_readable_tables_tell_what_is_missing_and_mixed(tmp_path, name):
    write_tables(make_study(BROKEN), tmp_path)
    text = (tmp_path / "tables" / name).read_text(encoding="utf-8")
    for said in ("not trained yet", "failed: they count in N", "Mixed source: 2", "3 stored trials lie outside"):
        assert said in text


def test_the_csv_and_json_tell_what_is_missing_and_mixed(tmp_path):
    study = make_study(BROKEN)
    write_tables(study, tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / "summary.csv").read_text(encoding="utf-8"))))
    assert {row["mixed_source"] for row in rows} == {"True"}
    assert sum(int(row["failed_count"]) for row in rows) > 0
    content = json.loads(to_json(study))
    assert content["mixed_source"]
    assert content["planned"] == sum(content[name] for name in ("with_result", "failed", "timeout", "missing"))
    assert sum(row["missing_count"] for row in content["settings"]) == content["missing"] > 0


def test_latex_is_escaped_and_has_one_cell_a_column(tmp_path):
    write_tables(make_study(), tmp_path)
    text = (tmp_path / "tables" / "summary.tex").read_text(encoding="utf-8")
    assert {"\\toprule", "\\midrule", "\\bottomrule"} <= set(text.split())
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in body if "multicolumn" not in line}) == 1
    assert len(body) == 46 + 3, "a row a setting, a heading, a line a task"
    assert "%" not in body[1].replace(r"\%", "")
    assert escape("a_b & 5 % ≤ #1") == r"a\_b \& 5 \% $\le$ \#1"


def test_markdown_has_one_row_a_setting(tmp_path):
    write_tables(make_study(), tmp_path)
    text = (tmp_path / "tables" / "summary.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 45
    assert len({row.count("|") for row in rows}) == 1


def test_timings_are_in_a_file_of_their_own(tmp_path):
    assert [path.name for path in write_tables(make_study(), tmp_path)] == ["summary.csv", "summary.md", "summary.tex"]
    paths = write_tables(make_study(Shape(timed=True)), tmp_path)
    assert paths[-1].name == "timings.csv"
    assert {"wall_seconds", "updates_per_second"} <= set(pd.read_csv(paths[-1]).columns)
    assert all("1.25" not in path.read_text(encoding="utf-8") for path in paths[:-1])


def test_text_fits_a_terminal_and_shows_floors_and_lags():
    text = render_text(make_study())
    remarks = ("also", "exploded")  # stand at the end of a row, and may wrap
    assert max(len(line) for line in text.splitlines() if not line.endswith(remarks)) <= 100
    assert "copy (items 3, blanks 10) · lag 13 · floor 0.875" in text
    assert "1 diverged, 1 exploded" in text


def test_a_study_without_results_is_told_as_such(tmp_path):
    study = make_study(Shape(stored=0))
    assert "No results yet of 45 trials." in render_text(study)
    assert json.loads(to_json(study))["with_result"] == 0
    assert write_tables(study, tmp_path)


def test_the_story_says_undecided_with_three_seeds_and_decides_with_eight():
    few = stories(make_study())[COPY]
    assert (
        "at these rates, whether clipping matters is undecided for IRNN (norm ≤ 1 3/3, no clip 0/3, both at 0.01)"
        in few
    )
    assert "decides" not in few
    many = stories(make_study(Shape(seeds=8)))[COPY]
    assert "at these rates, clipping decides for IRNN (norm ≤ 1 8/8, no clip 0/8, both at 0.01; p = .0078)" in many


def test_all_tasks_of_a_study_are_corrected_for_together():
    tasks = [f"copy:items={items}" for items in range(1, 9)]
    eight = {task: [comparison(seeds=8)] for task in tasks}
    assert not any(test.decided for tests in differences(eight).values() for test in tests)  # .05 / 8 < .0078
    assert all(
        test.decided for tests in differences({task: eight[task] for task in tasks[:6]}).values() for test in tests
    )


def comparison(seeds, basis=Basis.GIVEN, lr=0.01):
    sides = [Side(clip, lr, basis, dict.fromkeys(range(seeds), clip != "none")) for clip in ("norm:1", "none")]
    return Comparison("IRNN", "at these rates", *sides)


@pytest.mark.parametrize(
    ("basis", "told"),
    [
        (
            Basis.TUNED,
            "at the best rate of each clip, clipping decides for IRNN (norm ≤ 1 8/8, no clip 0/8, both at 0.01;",
        ),
        (Basis.EDGE, "at these rates, clipping decides for IRNN (norm ≤ 1 8/8, no clip 0/8, both at 0.01;"),
        (Basis.COARSE, "at these rates, clipping decides for IRNN (norm ≤ 1 8/8, no clip 0/8, both at 0.01;"),
    ],
)
def test_the_best_rate_of_each_clip_is_spoken_of_where_it_was_looked_for(basis, told):
    study = make_study(Shape(tasks=(COPY,), cells=(IRNN,), clips=("none", "norm:1"), seeds=8, rate_basis=basis))
    assert told in stories(study)[COPY]


def test_a_clip_for_which_no_rate_was_found_is_said_to_have_none():
    study = make_study(Shape(tasks=(COPY,), cells=(IRNN,), clips=("none", "norm:1"), seeds=8, rate_basis=Basis.TUNED))
    basis = study.plan["rate_basis"].mask(study.plan["clip"] == "none", Basis.NEIGHBOUR)
    study = replace(study, plan=study.plan.assign(rate_basis=basis))
    told = (
        "at the best rate of each clip, clipping decides for IRNN (norm ≤ 1 8/8 at 0.01, no clip 0/8 with no rate found"
    )
    assert told in stories(study)[COPY]
    assert "no rate found" in next(
        line for line in render_text(study).splitlines() if line.startswith("  IRNN  no clip")
    )


def test_where_a_study_tries_several_rates_the_best_of_each_clip_are_compared_too():
    """Clipping widens the window of rates: it decides at the higher one, and the best of each are alike."""
    study = make_study(Shape(tasks=(ADDING,), cells=("gru",), clips=("none", "norm:1"), lrs=(0.2, 0.6), seeds=8))
    lost = (study.trials["clip"] == "none") & (study.trials["lr"] == 0.6)
    status = pd.Series(Status.SOLVED, index=study.trials.index).mask(lost, Status.EXPLODED)
    study = replace(study, trials=study.trials.assign(status=status.map(str), updates_to_solve=500))
    story = stories(study)[ADDING]
    assert "at these rates, clipping decides for GRU (norm ≤ 1 8/8, no clip 0/8, both at 0.6; p = .0078)" in story
    assert "at the best of the 2 rates for each clip, clipping changes no count" in story


def test_the_best_rate_is_that_of_the_largest_share_and_not_of_the_largest_count():
    study = make_study(Shape(tasks=(ADDING,), cells=("gru",), clips=("none", "norm:1"), lrs=(0.2, 0.6), seeds=8))
    trials = study.trials
    at_low, plain = trials["lr"] == 0.2, trials["clip"] == "none"
    lost = plain & at_low & (trials["seed"] >= 4)  # without a clip 4 of 8 at .2, and all of the 3 that ran at .6
    status = pd.Series(Status.SOLVED, index=trials.index).mask(lost, Status.UNSOLVED)
    trials = trials.assign(status=status.map(str), updates_to_solve=status.map({Status.SOLVED: 500}))
    study = replace(study, trials=trials[~plain | at_low | (trials["seed"] < 3)].reset_index(drop=True))
    (best,) = [part for part in stories(study)[ADDING].split("; ") if "at the best of the 2 rates" in part]
    assert "4/8" not in best


def test_the_story_names_budget_start_and_those_at_the_floor_and_those_that_diverged():
    study = with_statuses(Status.UNSOLVED, Status.UNSOLVED, errors=[0.87, 0.88])
    told = "Within 1000 updates no trial of LSTM (0/2) solves it, with a median error at the floor."
    assert stories(study)[COPY] == told
    forgetful = replace(study, plan=study.plan.assign(**{"cell.forget_bias": 1.0, "cell.init": "default"}))
    assert stories(forgetful)[COPY] == told.replace("LSTM", "LSTM from forget bias 1")
    told = stories(with_statuses(Status.DIVERGED, Status.SOLVED))[COPY]
    assert told == "Within 1000 updates some trials of LSTM (1/2) solve it; diverged: LSTM with no clip (1/2)."


def test_errors_far_above_the_floor_are_not_told_as_the_floor():
    study = with_statuses(Status.UNSOLVED, Status.UNSOLVED, errors=[1.4, 1.5])
    assert stories(study)[COPY].endswith("no trial of LSTM (0/2) solves it, with a median error above the floor.")


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (
            [Status.DIVERGED, Status.EXPLODED],
            "Within 1000 updates every trial of LSTM (2/2) diverges or explodes; diverged: LSTM with no clip (1/2); "
            "exploded: LSTM with no clip (1/2).",
        ),
        (
            [Status.UNSOLVED, Status.DIVERGED, Status.DIVERGED],
            "Within 1000 updates no trial of LSTM (0/1) solves it, with a median error below the floor; "
            "diverged: LSTM with no clip (2/3).",
        ),
        (
            [Status.UNSOLVED, Status.FAILED, Status.TIMEOUT],
            "Within 1000 updates no trial of LSTM (0/1) solves it, with a median error below the floor; "
            "failed: LSTM (1/3); timeout: LSTM (1/3).",
        ),
        ([Status.FAILED, Status.TIMEOUT], "No results of 2 trials: 1 failed, 1 timeout."),
    ],
)
def test_the_story_puts_nobody_at_the_floor_who_never_got_there(statuses, told):
    assert stories(with_statuses(*statuses))[COPY] == told


def test_rates_that_differ_between_cells_do_not_split_panels_and_two_of_one_cell_do():
    assert len(into_panels(outcomes(make_study()))) == 3  # gru has another rate than lstm
    split = into_panels(outcomes(make_study(Shape(tasks=(ADDING,), lrs=(0.06, 0.6), optimizers=("adam", "sgd")))))
    assert [part.label for part in split] == [
        "adding (length 30), adam, lr 0.06",
        "adding (length 30), adam, lr 0.6",
        "adding (length 30), sgd, lr 0.06",
        "adding (length 30), sgd, lr 0.6",
    ]

"""The safe clip window: what is swept, what counts as safe, what is said and drawn of it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from longlag.cli import main
from longlag.experiments import clip_window
from longlag.experiments.clip_window import Window
from longlag.plan.trials import facts
from longlag.report.figures import clip_windows
from longlag.report.text import windows
from longlag.store import results as stored
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, Trial, TrialResult

SWEPT = Window("safe", "adding:length=8", ("gru",), "norm", (0.1, 1.0, 10.0), 0.003, (0.001, 0.003, 0.01), 4)


def call(*args: str) -> Result:
    return CliRunner().invoke(main, ["window", *args])


def threshold(trial: Trial) -> float:
    return float("inf") if trial.clip == "none" else float(trial.clip.partition(":")[2])


def solves_between(low: float, high: float) -> Callable[[Trial], Status]:
    """Return a stand-in for training: solved where the threshold lies in a range, else exploded."""
    return lambda trial: Status.SOLVED if low <= threshold(trial) <= high else Status.EXPLODED


def swept(folder: Path, outcome: Callable[[Trial], Status], swept: Window = SWEPT) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Store what a stand-in for training gives; return the settings and the trials."""
    study = swept.study()
    with Store.open_for_writing(store_path(study.name, folder)) as store:
        trials = study.trials()
        store.write_plan(study.title, [(trial, facts(trial)) for trial in trials])
        for trial in trials:
            status = outcome(trial)
            when = 100 * (trial.seed + 1) if status == Status.SOLVED else None
            clipped = None if trial.clip == "none" else 1 / (1 + threshold(trial))
            done = TrialResult(trial, status, 0.1, updates=500, updates_to_solve=when, clipped_fraction=clipped)
            store.add(done, facts(trial))
    found = stored.load(study.name, folder)
    return clip_window.measured(swept, found), found


def test_both_sweeps_cross_in_trials_that_are_trained_once() -> None:
    trials = SWEPT.study().trials()
    assert len(trials) == 4 * (4 + 2 * 3 - 2)
    assert {trial.clip for trial in trials if trial.lr == 0.003} == {"norm:0.1", "norm:1", "norm:10", "none"}
    assert {trial.clip for trial in trials if trial.lr == 0.01} == {"norm:1", "none"}


def test_a_setting_counts_what_solved_was_lost_and_is_missing(tmp_path: Path) -> None:
    def outcome(trial: Trial) -> Status:
        if trial.clip == "norm:10":
            return [Status.SOLVED, Status.FAILED, Status.DIVERGED, Status.UNSOLVED][trial.seed]
        return Status.SOLVED

    rows, _ = swept(tmp_path, outcome)
    (row,) = rows[rows["clip"] == "norm:10"].to_dict("records")
    assert (row["solved"], row["n"], row["failed"], row["timeout"], row["lost"]) == (1, 3, 1, 0, 1)
    assert row["solved_fraction"] == pytest.approx(1 / 3)
    assert pd.isna(row["median_updates"])
    one = rows[(rows["clip"] == "norm:0.1")].iloc[0]
    assert (one["median_updates"], one["high"]) == (200, 1.0)
    assert one["low"] == pytest.approx(0.3976, abs=1e-4)
    assert one["clipped_fraction"] == pytest.approx(1 / 1.1)


def test_timeouts_are_told_apart_from_failures(tmp_path: Path) -> None:
    ended = [Status.FAILED, Status.TIMEOUT, Status.TIMEOUT, Status.SOLVED]
    rows, _ = swept(tmp_path, lambda trial: ended[trial.seed])
    assert "   1 failed, 2 timeout\n" in windows.render(SWEPT, rows)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (solves_between(0.5, 20), "norm:1 to norm:10 solve at least 90 % of the seeds."),
        (solves_between(0.5, 2), "norm:1 solves at least 90 % of the seeds."),
        (solves_between(5, float("inf")), "norm:10 to none solve at least 90 % of the seeds."),
        (
            solves_between(0, 0.5),
            "norm:0.1 solves at least 90 % of the seeds; the window reaches the lowest value tried.",
        ),
        (
            lambda trial: Status.UNSOLVED if trial.clip == "norm:1" else Status.SOLVED,
            "norm:0.1 and norm:10 to none solve at least 90 % of the seeds; the window reaches the lowest value tried.",
        ),
        (
            lambda trial: Status.SOLVED if trial.clip == "norm:1" and trial.seed else Status.UNSOLVED,
            "No setting solves at least 90 % of its seeds within 500 updates; most: norm:1, 3/4.",
        ),
        (lambda trial: Status.UNSOLVED, "No setting solves in any seed within 500 updates."),
    ],
)
def test_one_sentence_says_the_window(outcome: Callable[[Trial], Status], said: str, tmp_path: Path) -> None:
    rows, _ = swept(tmp_path, outcome)
    assert windows.sentence("clip", rows[rows["sweep"] == "clip"], 500) == said.replace("90 %", "90%")


def test_the_sentence_on_rates_names_them(tmp_path: Path) -> None:
    rows, _ = swept(tmp_path, lambda trial: Status.SOLVED if trial.lr >= 0.003 else Status.UNSOLVED)
    of = rows[(rows["sweep"] == "rate") & (rows["clip"] == "none")]
    said = "Rates of 0.003 to 0.01 solve at least 90% of the seeds; the window reaches the highest value tried."
    assert windows.sentence("rate", of, 500) == said


def test_a_share_without_results_is_not_safe() -> None:
    assert clip_window.safe_runs([None, float("nan"), 0.89, 0.9]) == [(3, 3)]


@pytest.mark.parametrize("cells", [("gru",), ("gru", "lstm")])
def test_the_same_rows_draw_the_same_bytes(cells: tuple[str, ...], tmp_path: Path) -> None:
    made = Window("safe", "adding:length=8", cells, "norm", SWEPT.thresholds, SWEPT.lr, SWEPT.rates, 3)
    rows, trials = swept(tmp_path, solves_between(0.5, 20), made)
    first, second = (clip_windows.write(made, rows, trials, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert {path.name for path in first} == {"window.png", "window.pdf", "window.csv"}


@pytest.mark.parametrize("kind", sorted(clip_window.THRESHOLDS))
def test_the_usual_sweep_has_at_least_seven_thresholds_with_one_in_the_middle(kind: str) -> None:
    assert len(clip_window.THRESHOLDS[kind]) >= 7
    assert list(clip_window.THRESHOLDS[kind]) == sorted(clip_window.THRESHOLDS[kind])


@pytest.mark.parametrize("kind", sorted(clip_window.THRESHOLDS))
def test_every_usual_sweep_makes_trials(kind: str) -> None:
    made = Window(
        "safe", "adding", ("gru",), kind, clip_window.swept(kind, ()), 0.003, clip_window.rates_around(0.003), 1
    )
    assert len(made.study().trials()) == 8 + 2 * 7 - 2


def test_rates_lie_around_the_one_given() -> None:
    assert clip_window.rates_around(0.6) == (0.03, 0.1, 0.3, 0.6, 3.0, 10.0, 30.0)
    assert clip_window.rates_around(0.6, (0.5, 0.1)) == (0.1, 0.5)
    with pytest.raises(UsageError, match="--rate must be given at least twice"):
        clip_window.rates_around(0.6, (0.5,))


def test_the_plan_is_shown_without_training(tmp_path: Path) -> None:
    result = call("--task", "adding", "--cell", "lstm", "--plan", "--results", str(tmp_path))
    assert "norm:30, none at a rate of 0.003" in result.stdout
    assert "trials    200, 0 stored" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--task", "addign"], "no task is called 'addign'; did you mean adding?"),
        (["--clip", "nrom"], "--clip must be a kind of clip, such as norm, not 'nrom'; did you mean norm?"),
        (["--clip", "norm:1"], "thresholds go to --threshold"),
        (["--clip", "none"], "--clip none has no threshold to sweep"),
        (["--threshold", "1"], "--threshold must be given at least twice"),
        (["--threshold", "1", "--threshold", "-1"], "--threshold must be a finite number above 0"),
        (["--clip", "quantile", "--threshold", "0.5", "--threshold", "2"], "clip 'quantile:2'"),
        (["--lr", "0"], "--lr must be a finite number above 0, not 0"),
        (["--seeds", "0"], "--seeds must be a whole number from 1"),
        (["--optimizer", "adma"], "did you mean adam?"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(args: list[str], message: str, tmp_path: Path) -> None:
    given = ["--cell", "lstm", "--results", str(tmp_path), *args]
    result = call(*given) if "--task" in args else call("--task", "adding", *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_real_sweep_is_resumed(tmp_path: Path) -> None:
    command = ["--task", "adding:length=8", "--cell", "rnn", "--seeds", "1", "--updates", "4", "--hidden-size", "3"]
    command += ["--threshold", "0.1", "--threshold", "1", "--rate", "0.003", "--rate", "0.01", "--workers", "1"]
    command += ["--results", str(tmp_path)]
    first = call(*command)
    assert first.exit_code == 0, first.output
    assert "RNN tanh, rate 0.003" in first.stdout
    assert {path.name for path in (tmp_path / "window" / "window").iterdir()} == {
        *("window.png", "window.pdf", "window.csv")
    }
    second = call(*command)
    assert second.stdout == first.stdout
    assert "0 to train" in second.stderr

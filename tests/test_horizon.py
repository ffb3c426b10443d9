"""How far back: the ladder, the climb, the fit and what is drawn of it."""

import math
import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.experiments import horizon
from longlag.plan.grid import Grid
from longlag.plan.study import Study
from longlag.plan.trials import facts
from longlag.registry import plugins
from longlag.report.figures import horizons
from longlag.report.figures.support import ladders
from longlag.report.text.files import write_tables
from longlag.report.text.terminal import render_text
from longlag.stats.horizons import horizon as fitted
from longlag.store.results import StudyData, load_study
from longlag.store.store import Store, store_path
from longlag.tasks.adding import Adding
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Status, Trial, TrialResult

NOT_TURNED = {"agreement_constructions", "digits"}  # has no dial; needs a library
WITH_A_DIAL = [name for name in registry.names("task") if name not in NOT_TURNED]


@pytest.mark.parametrize("name", WITH_A_DIAL)
def test_a_ladder_climbs_by_a_factor_of_about_root_two(name: str) -> None:
    lags = [task.min_lag for task in horizon.rungs(name, longest=70)]
    factors = np.array(lags[1:]) / np.array(lags[:-1])
    assert len(lags) >= 3
    assert all((factors > 1.05) & (factors < 2.3))
    assert max(lags) <= 70


def test_no_distance_far_beyond_the_longest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = Adding.floor
    monkeypatch.setattr(Adding, "floor", lambda task, window: asked.append(task.length) or plain(task, window))
    assert [task.min_lag for task in horizon.rungs("adding:length=9", longest=40)] == [8, 11, 16, 23, 32]
    assert max(asked) <= 4 * 40


def test_a_floor_that_takes_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "LOAD_SECONDS", 0.2)
    skeleton = (files("longlag.registry.skeletons") / "task.py").read_text()
    path = tmp_path / "mine.py"
    path.write_text(
        skeleton.replace("return 0.0 if", "self.length > 30 and __import__('time').sleep(9)\n        return 0.0 if")
    )
    registry.use([path])
    try:
        with pytest.raises(UsageError, match=r"took longer than 0.2 s, when asked for a min_lag of 23; --longest ends"):
            horizon.rungs("mine", longest=64)
        assert [task.min_lag for task in horizon.rungs("mine", longest=12)] == [8, 11]
    finally:
        registry.use(())


def test_a_single_rate_is_not_tried_first(tmp_path: Path) -> None:
    climb = horizon.Climb("one", ("adding",), ("gru",), ("none",), (0.01,), 4, 8, {"updates": 10})
    trained: list[Study] = []

    def train(study: Study) -> None:
        trained.append(study)
        remembers({"gru": 50})(study, tmp_path)

    rows = horizon.run(climb, tmp_path, train)
    assert [[trial.seed for trial in study.trials()] for study in trained] == [[0, 1, 2, 3]]
    assert len(horizon.whole_ladder(climb).trials()) == 4
    assert rows[["lr", "solved", "n"]].to_numpy().tolist() == [[0.01, 4, 4]]


def test_turning_the_dial_keeps_the_other_options() -> None:
    assert {task.items for task in horizon.rungs("copy:items=2", 40)} == {2}


def test_a_ladder_without_rungs_is_refused() -> None:
    with pytest.raises(UsageError, match="no distance with a min_lag from 8 to 9"):
        horizon.rungs("copy:items=20", 9)


@pytest.mark.parametrize("true_lag", [20, 60])
def test_the_fit_finds_where_half_of_the_seeds_solve(true_lag: int) -> None:
    lags = [8, 11, 16, 23, 32, 45, 64, 91, 128]
    chances = 1 / (1 + (np.array(lags) / true_lag) ** 4)
    found = fitted(lags, np.round(chances * 200).astype(int).tolist(), [200] * len(lags), "a test")
    assert found.lag == pytest.approx(true_lag, rel=0.05)
    assert found.low < true_lag < found.high


def covered(ceiling: float, stops: bool, times: int, seeds: int = 10) -> float:
    """Return how often the interval holds the truth of a setting whose seeds learn at all with some chance.

    Args:
        ceiling: That chance.
        stops: Whether its ladder ends after two empty rungs.
        times: Simulated ladders.
        seeds: On each rung.
    """
    lags, truth = [8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256], 37
    generator = np.random.default_rng(1)
    hits = 0
    for draw in range(times):
        solved = generator.binomial(seeds, ceiling / (1 + (np.array(lags) / truth) ** 4)).tolist()
        pairs = list(pairwise(solved))
        end = pairs.index((0, 0)) + 2 if stops and (0, 0) in pairs else len(lags)
        found = fitted(lags[:end], solved[:end], [seeds] * end, draw)
        hits += (found.low or 0) <= truth <= (found.high or math.inf)
    return hits / times


@pytest.mark.parametrize("ceiling", [1.0, 0.6])
def test_the_interval_holds_the_truth_whether_or_not_all_seeds_learn(ceiling: float) -> None:
    assert covered(ceiling, stops=True, times=20) >= 0.8  # below 17 of 20 has a chance of 1.6 % where 95 % is true


@pytest.mark.slow
@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("ceiling", [1.0, 0.8, 0.6])
def test_the_interval_holds_the_truth_in_nine_of_ten_ladders(ceiling: float, stops: bool) -> None:
    assert covered(ceiling, stops, times=500) >= 0.9


def remembers(lag_by_cell: dict[str, int], rate: float = 0.01):
    """Return a stand-in for training: a cell solves up to its lag, and only at one rate."""

    def train(study: Study, results: Path) -> None:
        with Store.open_for_writing(store_path(study.name, results)) as store:
            trials = study.trials()
            store.write_plan(study.title, [(trial, facts(trial)) for trial in trials])
            held = store.stored()
            for trial in trials:
                if trial.key not in held:
                    store.add(result(trial, lag_by_cell[trial.cell], rate), facts(trial))

    return train


def result(trial: Trial, lag: int, rate: float) -> TrialResult:
    solved = registry.task(trial.task).min_lag <= lag and trial.lr == rate
    status = Status.SOLVED if solved else Status.UNSOLVED
    return TrialResult(
        trial, status, 0.001 if solved else 0.15, updates=10, updates_to_solve=5 if solved else None, state_size=32
    )


def climbed(results: Path, **options: object) -> pd.DataFrame:
    climb = horizon.Climb(
        "far", ("adding",), ("gru", "rnn"), ("norm:1",), (0.001, 0.01), 4, 100, {"updates": 10} | options
    )
    train = remembers({"gru": 50, "rnn": 8})
    return horizon.run(climb, results, lambda study: train(study, results))


def test_a_climb_ends_after_two_rungs_without_a_solved_seed_and_uses_the_rate_that_works(tmp_path: Path) -> None:
    rows = climbed(tmp_path)
    gru, rnn = rows[rows["cell"] == "gru"], rows[rows["cell"] == "rnn"]
    assert gru["lag"].tolist() == [8, 11, 16, 23, 32, 45, 64, 91]
    assert gru["solved"].tolist() == [4, 4, 4, 4, 4, 4, 0, 0]
    assert rnn["lag"].tolist() == [8, 11, 16]
    assert set(gru["lr"][:-2]) == {0.01}
    assert set(rows["n"]) == {4}


def test_reported_seeds_never_choose_the_rate(tmp_path: Path) -> None:
    climbed(tmp_path)
    with Store.open_for_reading(store_path("far", tmp_path)) as store:
        seeds_by_rate = {
            (row["lr"], row["seed"] >= horizon.TUNING_SEEDS[0]) for row in store.trials() if row["cell"] == "gru"
        }
    assert seeds_by_rate == {(0.001, True), (0.01, True), (0.01, False), (0.001, False)}


def test_horizons_are_reported_with_intervals_and_censoring(tmp_path: Path) -> None:
    found = horizons.horizons(climbed(tmp_path)).set_index("cell")
    assert found.loc["gru", "text"] == "54 [45, 74]"
    assert found.loc["rnn", "text"] == "9 [< 8, 13]"
    printed = horizons.render(found.reset_index())
    assert printed.index("GRU") < printed.index("RNN tanh")


def test_figures_and_tables_are_written_twice_with_the_same_bytes(tmp_path: Path) -> None:
    rows = climbed(tmp_path)
    first = {path.name: path.read_bytes() for path in horizons.write(rows, tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in horizons.write(rows, tmp_path / "b")}
    assert first == second
    assert set(first) == {"rungs.csv", "horizons.csv", "horizons.md", "horizons.png", "horizons.pdf"}


def test_the_table_to_read_has_a_row_a_cell_and_a_column_a_clip(tmp_path: Path) -> None:
    lines = horizons.markdown(horizons.horizons(climbed(tmp_path))).splitlines()
    assert lines[-4:] == ["| cell | norm ≤ 1 |", "| :-- | --: |", "| GRU | 54 [45, 74] |", "| RNN tanh | 9 [< 8, 13] |"]


def test_rungs_without_a_result_say_nothing() -> None:
    rungs = pd.DataFrame(
        [
            {"task": "adding", "cell": cell, "clip": "none", "lag": lag, "solved": solved, "n": n, "budget_updates": 10}
            for cell, lag, solved, n in [("gru", 8, 4, 4), ("gru", 16, 0, 0), ("rnn", 8, 0, 0)]
        ]
    )
    assert horizons.horizons(rungs)[["cell", "text"]].to_numpy().tolist() == [["gru", "> 8"]]


def ladder(name: str, results: Path, **keys: object) -> StudyData:
    """Store a study of several distances, of which gru solves those up to 50 and rnn none, and load it."""
    tasks = tuple(f"adding:length={length}" for length in (16, 34, 68, 136))
    study = Study(name, "a title", (Grid(tasks, ("gru", "rnn"), lr=(0.01,), seeds=(0, 1), updates=10),))
    remembers({"gru": 50, "rnn": 8})(study.replaced(**keys), results)
    return load_study(name, results)


def test_a_study_of_several_distances_reports_horizons(tmp_path: Path) -> None:
    study = ladder("ladder", tmp_path)
    assert ladders.rungs(study).query("cell == 'gru'")[["task", "lag", "solved", "n"]].to_numpy().tolist() == [
        ["adding", 16, 2, 2], ["adding", 32, 2, 2], ["adding", 64, 0, 2], ["adding", 128, 0, 2],
    ]  # fmt: skip
    assert "GRU                      no clip        45 [32, > 128]       n = 2" in render_text(study)
    assert (
        "| GRU | 45 [32, > 128] |"
        in {path.name: path for path in write_tables(study, tmp_path)}["horizons.md"].read_text()
    )
    assert "ladder, 16 trials" in horizons.horizons_figure(study).figure.get_suptitle()


@pytest.mark.parametrize("keys", [{"lr": (0.01, 0.1)}, {"task": ("adding:length=16", "adding:length=34")}])
def test_where_there_is_no_one_ladder_there_are_no_horizons(keys: dict[str, object], tmp_path: Path) -> None:
    assert not ladders.has_horizons(ladder("none", tmp_path, **keys))


def test_the_dial_is_the_option_with_the_most_values() -> None:
    specs = [f"copy:items={items},blanks={blanks}" for items in (1, 3) for blanks in (5, 10, 20)]
    assert list(ladders._ladders(specs).values()) == ["copy:items=1"] * 3 + ["copy:items=3"] * 3


def test_the_command_shows_its_ladder_without_training(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["horizon", "--task", "adding", "--cell", "gru", "--longest", "40", "--plan", "--results", str(tmp_path)]
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "adding: 8, 11, 16, 23, 32 (smallest window); up to 19 trials per rung"
    assert re.fullmatch(r"time to climb to the end: .+ if no trial stops early, \d+ workers \(estimated .+\)", lines[1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--task", "addign", "--cell", "gru"], "no task is called 'addign'; did you mean adding?"),
        (["--task", "adding", "--cell", "lsmt"], "no cell is called 'lsmt'; did you mean lstm?"),
        (["--task", "adding", "--cell", "gru", "--seeds", "0"], "--seeds must be a whole number from 1 to 1000, not 0"),
        (["--task", "adding", "--cell", "gru", "--lr", "-1"], "--lr must be a finite number above 0"),
        (
            ["--task", "adding", "--cell", "gru", "--longest", "2"],
            "task adding has no distance with a min_lag from 8 to 2",
        ),
        (
            ["--task", "adding", "--cell", "gru", "--longest", "nan"],
            "--longest must be a finite number above 0, not nan",
        ),
        (
            ["--task", "adding", "--cell", "gru", "--workers", "0"],
            "--workers must be a whole number from 1 to 1024, not 0",
        ),
        (["--task", "adding", "--cell", "gru", "--name", "quick"], "--name quick: a study file has that name"),
        (["--task", "adding", "--task", "adding:length=50", "--cell", "gru"], "'adding' is given twice"),
        (["--task", "adding", "--cell", "rnn", "--cell", "rnn:nonlinearity=tanh"], "cell 'rnn' is given twice"),
    ],
)
def test_bad_input_to_the_command_gets_one_line(args: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["horizon", *args, "--results", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_real_climb_is_resumed(tmp_path: Path) -> None:
    command = [
        "horizon",
        "--task",
        "adding",
        "--cell",
        "rnn:nonlinearity=tanh",
        "--clip",
        "norm:1.0",
        "--longest",
        "8",
        "--seeds",
        "1",
        "--lr",
        "0.01",
    ]
    command += ["--updates", "4", "--hidden-size", "3", "--workers", "1", "--results", str(tmp_path)]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    assert "RNN tanh" in first.stdout
    second = CliRunner().invoke(main, command)
    assert second.stdout == first.stdout
    assert "0 to train" in second.stderr

"""Length transfer: which distances are tested, that the tests change nothing else, and what reports make of them."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from synthetic import COPY, Shape, make_study
from test_runs import go, small

from longlag import registry
from longlag.cli import main
from longlag.networks.recurrent import Network
from longlag.plan.lags import at_lags, trained_lags
from longlag.process import state
from longlag.report.figures.all import FIGURES
from longlag.report.figures.transfer import errors_by_lag, transfer_table
from longlag.report.text.files import write_tables
from longlag.store.results import load_study, load_transfer
from longlag.store.store import Store, store_path
from longlag.tasks.support.errors import UsageError
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.seeding import stream
from longlag.values.trial import Status, Trial

NOT_TURNED = {"agreement_constructions", "digits"}  # has no dial; needs a library
DIALS = [name for name in registry.names("task") if name not in NOT_TURNED]
BASE = Trial("copy:items=1,symbols=2,blanks=2", "rnn", "none", 0.01, 0, hidden_size=4, batch_size=3, updates=10)


@pytest.fixture
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)


def trained(*trials):
    found = {}
    train(trials, lambda result: found.__setitem__(result.trial, result))
    return found


@pytest.mark.parametrize("name", DIALS)
def test_every_dial_reaches_lags_near_those_asked_for(name):
    task = registry.task(name)
    lags = (task.lag, task.lag + 7, 2 * task.lag)
    for lag, turned in zip(lags, at_lags(task, lags, "--test-lags"), strict=True):
        setting = getattr(turned, task.dial)
        setting = getattr(setting, "high", setting)
        nearer = [task.turned(setting + 1).lag] + ([task.turned(setting - 1).lag] if turned.lag > lag else [])
        assert all(abs(turned.lag - lag) <= abs(other - lag) for other in nearer)
        assert (turned.input_size, turned.output_size) == (task.input_size, task.output_size)


def test_a_range_is_tested_at_one_distance():
    task = registry.task("parity:steps=3-40")
    assert [turned.spec for turned in at_lags(task, (5, 99), "")] == ["parity:steps=6", "parity:steps=100"]
    assert trained_lags(task) == (2, 39)


def test_lags_that_the_dial_cannot_tell_apart_are_tested_once():
    task = registry.task("agreement:nouns=0-4")  # four words a noun
    assert [turned.lag for turned in at_lags(task, (29, 30, 31), "")] == [30]


def test_other_lags_than_those_asked_for_are_told_before_training_and_their_table_after(tmp_path: Path):
    asked = ["--task", "agreement:nouns=0-4", "--cell", "rnn", "--test-lags", "29,30,31", "--updates", "2"]
    asked += ["--hidden-size", "3", "--seeds", "1", "--workers", "1", "--name", "far", "--results", str(tmp_path)]
    told = "agreement is tested at the nearest lags that its dial allows: 30 instead of 29, 30 instead of 31"
    assert f"tests     {told}\n" in CliRunner().invoke(main, ["plan", *asked]).stdout
    run = CliRunner().invoke(main, ["run", *asked]).stderr.splitlines()
    assert run[1] == told
    assert run[-2] == f"errors at other distances: {tmp_path / 'far' / 'tables' / 'transfer.md'}"
    assert CliRunner().invoke(main, ["show", "far", "--results", str(tmp_path)]).stderr == f"{run[-2]}\n"
    assert "tests  " not in CliRunner().invoke(main, ["plan", *asked[:4], "--test-lags", "30"]).stdout


@pytest.mark.parametrize(
    ("task", "lags", "message"),
    [
        ("copy:blanks=10", "201", "--test-lags must be at most 10 times the lag that copy:blanks=10 is trained at, 20"),
        ("copy:blanks=10", "10", "--test-lags: the shortest lag of copy:blanks=10 is 11, not 10"),
        ("agreement:nouns=0-6", "83", "--test-lags: the longest lag of agreement:nouns=0-6 is 82, not 83"),
        ("copy:blanks=10", "20,x", "--test-lags must be whole numbers such as 50,100,200, not 'x'"),
        ("copy:blanks=10", "0", "--test-lags must be a whole number from 1 to"),
        ("copy:blanks=10", "20,20", "--test-lags has 20 twice"),
        ("agreement_constructions", "9", "no dial for the distance: each construction has the distance it has; agree"),
    ],
)
def test_lags_out_of_reach_are_refused(task, lags, message, tmp_path):
    args = ["run", "--task", task, "--cell", "gru", "--test-lags", lags, "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "results").exists()


def test_a_task_whose_sizes_follow_the_dial_is_refused(monkeypatch):
    task = registry.task("copy:blanks=10")
    monkeypatch.setattr(type(task), "input_size", property(lambda self: self.blanks))
    with pytest.raises(UsageError, match="copy has other inputs or outputs at another blanks"):
        at_lags(task, (30,), "--test-lags")


def test_without_test_lags_a_trial_keeps_its_key():
    assert BASE.key == replace(BASE, test_lags="").key != replace(BASE, test_lags="20").key


def test_a_test_changes_nothing_else_and_is_the_error_on_the_turned_task(few_sequences):
    with_tests = replace(BASE, test_lags="3,9")
    found, plain = trained(with_tests)[with_tests], trained(BASE)[BASE]
    assert [point.lag for point in found.transfer] == [3, 9]
    same = replace(found, trial=BASE, transfer=(), wall_seconds=None, environment=plain.environment)
    assert same == replace(plain, wall_seconds=None)

    with state.arithmetic():
        cohort = Cohort([BASE], {})
        while cohort.update < BASE.updates:
            cohort.advance()
    turned = registry.task("copy:items=1,symbols=2,blanks=8")
    batch = turned.draw(stream("transfer", turned.spec, turned.version, 0).generator(0), 40, held_out=True)
    network = Network.for_task(registry.cell("rnn"), turned, BASE.hidden_size)
    with torch.no_grad():
        outputs = network.outputs(network.layout.views(cohort.parameters[0]), batch)
    assert found.transfer[1].error == turned.errors(outputs, batch).double().mean().item()
    assert (found.transfer[1].baseline_error, found.transfer[1].min_lag) == (0.5, 10)


def test_where_a_range_was_trained_its_shortest_lag_is_told(few_sequences):
    ranged = replace(BASE, task="parity:steps=3-6", test_lags="4,9")
    assert [point.trained_from for point in trained(ranged)[ranged].transfer] == [2, 2]


def test_tests_do_not_depend_on_the_cohort(few_sequences):
    trials = [replace(BASE, test_lags="3,30", seed=seed, clip=clip) for seed in (0, 1) for clip in ("none", "norm:1")]
    together = trained(*trials)
    for trial in trials:
        assert trained(trial)[trial].transfer == together[trial].transfer


def test_tests_are_stored_resumed_and_the_same_over_workers(tmp_path: Path):
    study = small(test_lags=(6, 20), clip=("none", "norm:1"))
    go(study, tmp_path / "one")
    go(study, tmp_path / "two", workers=2)
    assert len(go(study, tmp_path / "one").missing) == 0
    one, two = (load_transfer("small", tmp_path / name) for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    assert len(one) == 4 * 2
    assert one["lag"].tolist() == [6, 20] * 4
    assert (one["trained_to"] == 3).all()
    with Store.open_for_reading(store_path("small", tmp_path / "one")) as store:
        stored = store.result(one["key"][0])
    assert stored is not None
    assert stored.trial.test_lags == "6,20"
    assert [point.error for point in stored.transfer] == one["error"][:2].tolist()


def test_a_store_of_before_opens(tmp_path: Path):
    go(small(), tmp_path)
    with closing(sqlite3.connect(store_path("small", tmp_path))) as connection:
        for table, column in (("plan", "test_lags"), ("trials", "test_lags"), ("trials", "transfer")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.commit()
    data = load_study("small", tmp_path)
    assert data.transfer.empty
    assert (data.plan["test_lags"] == "").all()
    assert len(go(small(), tmp_path).missing) == 0
    go(small(test_lags=(6,)), tmp_path)
    assert len(load_transfer("small", tmp_path)) == 2


SHAPE = Shape(tasks=(COPY,), cells=("gru", "rnn:nonlinearity=relu,init=identity"), test_lags=(13, 26, 52))


def test_trials_that_diverged_count_as_the_floor_of_the_distance():
    study = make_study(SHAPE)
    lost = study.trials[study.trials["status"].isin([Status.DIVERGED, Status.EXPLODED])]
    rows = errors_by_lag(study).set_index("key").loc[lost["key"]]
    assert len(rows) == 3 * len(lost) > 0
    assert (rows["error"] == 0.875).all()


def test_the_table_has_a_row_a_setting_and_distance():
    found = transfer_table(make_study(SHAPE))
    assert len(found) == 2 * 3 * 3
    assert found["lag"].tolist() == [13, 26, 52] * 6
    assert found["times"].tolist() == [1, 2, 4] * 6
    assert (found["n"] == 3).all()
    gru = found[(found["cell"] == "gru") & (found["clip"] == "none")]
    errors = make_study(SHAPE).transfer.set_index("key")
    keys = errors_by_lag(make_study(SHAPE)).query("cell == 'gru' and clip == 'none'")["key"].unique()
    assert gru["solved_count"].tolist() == [
        int((errors.loc[keys].query("lag == @lag")["error"] < 0.01).sum()) for lag in (13, 26, 52)
    ]


def test_the_figure_shades_what_was_trained_and_draws_floors():
    drawing = FIGURES["transfer"](make_study(SHAPE))
    ax = drawing.figure.axes[0]
    (shade,) = ax.patches
    left, right = shade.get_x(), shade.get_x() + shade.get_width()
    assert left < 13 < right < 26
    floor = ax.get_lines()[0]
    assert floor.get_xdata().tolist() == [13, 26, 52]
    assert np.allclose(floor.get_ydata(), 0.875)
    medians = drawing.data[drawing.data["seed"].astype(str) == "median"]
    assert len(medians) == 2 * 3 * 3


def test_tables_are_written_only_where_something_was_tested(tmp_path: Path):
    assert {"transfer.csv", "transfer.md"} <= {path.name for path in write_tables(make_study(SHAPE), tmp_path)}
    plain = write_tables(make_study(replace(SHAPE, test_lags=())), tmp_path)
    assert not {"transfer.csv", "transfer.md"} & {path.name for path in plain}

"""Studies: which trials a plan makes, how options change it, and every way to get one wrong."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from longlag import registry
from longlag.plan.grid import Grid
from longlag.plan.rates import Rate
from longlag.plan.study import Study, adhoc
from longlag.plan.trials import facts
from longlag.tasks.support.errors import UsageError
from longlag.values.trial import Trial

COPY, ADDING = "copy:items=3,blanks=10", "adding:length=20"
GRID = Grid((COPY, ADDING), ("rnn", "lstm"), ("none", "norm:1"), lr=(0.01,), seeds=(0, 1), updates=200)


def study(*grids: Grid, rates: tuple[Rate, ...] = ()) -> Study:
    return Study("mine", "A title", grids, rates)


def one_trial(**changes: object) -> Trial:
    (trial,) = adhoc(**({"task": ADDING, "cell": "gru", "seeds": 1} | changes)).trials()
    return trial


def test_a_key_does_not_change() -> None:
    trial = Trial(COPY, "lstm", "norm:1", 0.003, 2, optimizer="sgd:momentum=0.9", updates=1200)
    assert trial.key == "1eec0e3d32145b78"


def test_a_trial_has_no_dictionary_and_its_copy_the_same_key() -> None:
    trial = Trial("copy", "lstm", "norm:1", 0.01, 3, updates=200)
    assert not hasattr(trial, "__dict__"), "a million of them would not fit into 1.5 GiB"
    assert pickle.loads(pickle.dumps(trial)).key == trial.key != replace(trial, seed=4).key


def test_trials_are_the_product_in_a_stable_order() -> None:
    trials = study(GRID).trials()
    assert len(trials) == 2 * 2 * 2 * 2
    settings_ = [(trial.task, trial.cell, trial.clip, trial.seed) for trial in trials[:5]]
    assert settings_ == [
        (COPY, "rnn", "none", 0),
        (COPY, "rnn", "none", 1),
        (COPY, "rnn", "norm:1", 0),
        (COPY, "rnn", "norm:1", 1),
        (COPY, "lstm", "none", 0),
    ]


def test_a_trial_holds_every_setting_of_its_grid() -> None:
    options = {
        "task": ["adding:length=30"],
        "cell": ["gru"],
        "clip": ["value:.10"],
        "optimizer": ["sgd:momentum=.9"],
        "lr": [0.5],
        "seeds": [7],
        "updates": 30,
        "eval_every": 10,
        "batch_size": 4,
        "hidden_size": 5,
        "layers": 2,
        "skip": "dense",
        "direction": "bidirectional",
        "normalisation": "layer",
        "dropout": 0.2,
        "schedule": "warmup:updates=20",
        "weight_decay": 0.25,
        "dtype": "float64",
        "device": "cuda",
    }
    expected = options | {
        "task": "adding:length=30",
        "cell": "gru",
        "clip": "value:0.1",
        "optimizer": "sgd:momentum=0.9",
        "lr": 0.5,
    }
    del expected["seeds"]
    assert adhoc(**options).trials() == [Trial(**expected, seed=7)]


def test_equal_settings_in_two_grids_are_trained_once() -> None:
    longer = replace(GRID, task=("copy:blanks=10,items=3",), seeds=(1, 2))
    trials = study(GRID, longer).trials()
    assert len(trials) == len({trial.key for trial in trials}) == 16 + 4


def test_specs_are_shortened_and_versions_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from longlag.tasks.copy import Copy

    monkeypatch.setattr(Copy, "version", 7)
    trial = one_trial(task="copy:symbols=8,blanks=10,items=3", cell="lstm:forget_bias=1.0")
    assert (trial.task, trial.cell, trial.task_version, trial.cell_version) == (COPY, "lstm", 7, 1)


def test_a_spec_given_twice_in_two_spellings_is_refused() -> None:
    with pytest.raises(UsageError, match="cell 'lstm:forget_bias=1' is given twice, before as 'lstm'"):
        adhoc(task=ADDING, cell=["lstm", "lstm:forget_bias=1"])


@pytest.mark.parametrize(
    ("clip", "optimizer", "lr"),
    [("none", "adam", 0.1), ("none", "sgd", 0.2), ("norm:1", "adam", 0.3), ("norm:1", "sgd", 0.4)],
)
def test_the_most_specific_rate_wins(clip: str, optimizer: str, lr: float) -> None:
    rates = (
        Rate(COPY, "rnn", 0.1),
        Rate("copy:blanks=10,items=3", "rnn", 0.4, clip="norm:1.0", optimizer="sgd"),
        Rate(COPY, "rnn", 0.2, optimizer="sgd"),
        Rate(COPY, "rnn", 0.3, clip="norm:1"),
        Rate(COPY, "lstm", 0.9),
    )
    grid = Grid((COPY,), ("rnn",), (clip,), optimizer=(optimizer,), seeds=(0,))
    assert [trial.lr for trial in study(grid, rates=rates).trials()] == [lr]


def test_a_missing_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="no learning rate for task adding:length=20, cell rnn, clip none"):
        study(replace(GRID, lr=()), rates=(Rate(COPY, "rnn", 0.1), Rate(COPY, "lstm", 0.1))).trials()


def test_two_rates_for_the_same_are_refused() -> None:
    with pytest.raises(UsageError, match=r"there are two learning rates for copy:items=3,blanks=10, rnn$"):
        study(GRID, rates=(Rate(COPY, "rnn", 0.1), Rate("copy:blanks=10,items=3", "rnn", 0.2))).trials()


def test_far_too_many_trials_are_refused_before_they_are_made() -> None:
    many = replace(GRID, lr=tuple(range(1, 1000)), seeds=tuple(range(10_000)))
    with pytest.raises(UsageError, match="study mine has 79920000 trials; at most 1000000"):
        study(many).trials()


def test_options_replace_the_values_of_every_grid() -> None:
    changed = study(GRID, replace(GRID, hidden_size=8, clip=("none",))).replaced(seeds=1, cell="gru", hidden_size=16)
    trials = changed.trials()
    assert {(trial.cell, trial.hidden_size, trial.seed) for trial in trials} == {("gru", 16, 0)}
    assert len(trials) == 2 * 2


def test_a_task_given_with_a_study_leaves_out_the_grids_of_other_tasks() -> None:
    other = replace(GRID, task=("adding:length=21",), updates=333)
    trials = study(GRID, other).replaced(task="adding:length=21").trials()
    assert {(trial.task, trial.updates) for trial in trials} == {("adding:length=21", 333)}


def test_a_task_that_no_grid_holds_takes_the_place_of_all() -> None:
    trials = study(GRID).replaced(task="adding:length=7", lr=0.1).trials()
    assert {trial.task for trial in trials} == {"adding:length=7"}


def test_a_rate_option_replaces_the_rates() -> None:
    grid = Grid((COPY,), ("rnn",), seeds=(0,))
    changed = study(grid, rates=(Rate(COPY, "rnn", 0.1),)).replaced(lr=[0.5, 0.6])
    assert [trial.lr for trial in changed.trials()] == [0.5, 0.6]


def test_options_that_are_not_given_change_nothing() -> None:
    assert study(GRID).replaced(cell=None, lr=None) == study(GRID)


def test_a_shorter_budget_brings_an_unsaid_interval_with_it() -> None:
    assert [one_trial(updates=updates).eval_every for updates in (2, 31, 100, 101, 1000)] == [1, 16, 50, 100, 100]
    assert {trial.eval_every for trial in study(GRID).replaced(updates=50).trials()} == {25}


def test_an_interval_that_was_said_is_never_changed() -> None:
    with pytest.raises(UsageError, match=r"--eval-every must be below updates \(50\), for two .*, not 50"):
        adhoc(task=COPY, cell="rnn", updates=50, eval_every=50)
    with pytest.raises(UsageError, match=r"--eval-every must be below updates \(200\), for two .*, not 201"):
        study(GRID).replaced(eval_every=201)
    with pytest.raises(UsageError, match=r"--updates must be at least 2, for two evaluations in a row, not 1"):
        adhoc(task=COPY, cell="rnn", updates=1)


def test_an_ad_hoc_study_has_sensible_defaults() -> None:
    made = adhoc(task=COPY, cell="rnn")
    assert made.name == "adhoc"
    assert made.trials() == [Trial(COPY, "rnn", "none", 0.003, seed) for seed in range(3)]


def test_an_ad_hoc_study_needs_a_task_and_a_cell() -> None:
    with pytest.raises(UsageError, match="an ad-hoc study needs at least one --cell"):
        adhoc(task=COPY)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "reference", "Perf", "x" * 65, "-x", "a b", "x\n"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a study"):
        Study(name, "A title", (GRID,))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("seeds", 0, "--seeds must be a whole number from 1 to 10000, not 0"),
        ("seeds", 10**12, "--seeds must be a whole number from 1 to 10000, not 1000000000000"),
        ("batch_size", 0, "--batch-size must be a whole number from 1 to 65536, not 0"),
        ("batch_size", 10**12, "--batch-size .* not 1000000000000"),
        ("hidden_size", -1, "--hidden-size must be a whole number from 1 to 16384, not -1"),
        ("hidden_size", 10**12, "--hidden-size"),
        ("hidden_size", 10**40, "--hidden-size .* not a number of more than 30 digits"),
        ("updates", 0, "--updates must be a whole number from 1 to 10000000, not 0"),
        ("updates", 10**12, "--updates"),
        ("eval_every", 0, "--eval-every must be a whole number from 1 to 10000000, not 0"),
        ("layers", 0, "--layers must be a whole number from 1 to 32"),
        ("updates", 1.5, "--updates must be a whole number .* not 1.5"),
        ("updates", True, "--updates must be a whole number .* not True"),
        ("lr", 0.0, r"--lr must be a finite number above 0, not 0\.0"),
        ("lr", -1, "--lr must be a finite number above 0, not -1"),
        ("lr", float("nan"), "--lr .* not nan"),
        ("lr", float("inf"), "--lr .* not inf"),
        ("lr", 10**400, "--lr .* not a number of more than 30 digits"),
        ("lr", [0.1, 0.1], r"--lr has 0\.1 twice"),
        ("weight_decay", -0.1, "--weight-decay must be a finite number of at least 0"),
        ("dtype", "float23", "--dtype must be float32 or float64, not 'float23'; did you mean float32"),
        ("device", "gpu", "--device must be cpu or cuda, not 'gpu'"),
        ("task", "coppy", "no task is called 'coppy'; did you mean copy"),
        ("task", ["copy", "copy"], "--task has copy twice"),
        ("cell", "lsmt", "no cell is called 'lsmt'; did you mean lstm"),
        ("clip", "norm:0", "clip 'norm:0'"),
        ("clip", "nrom:1", "no clip is called 'nrom'; did you mean norm"),
        ("optimizer", "adamm", "no optimizer is called 'adamm'; did you mean adam"),
        ("schedule", "cosin", "no schedule is called 'cosin'; did you mean cosine"),
        ("hidden", 3, "options: no key 'hidden'; did you mean hidden_size"),
    ],
)
def test_a_wrong_option_is_refused_with_its_rule(option: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        adhoc(**({"task": COPY, "cell": "rnn"} | {option: value}))
    assert "\n" not in str(refusal.value)
    with pytest.raises(UsageError, match=said):
        study(GRID).replaced(**{option: value})


def test_facts_follow_from_task_and_cell() -> None:
    found = facts(one_trial(task=COPY, cell="lstm"))
    assert (found["lag"], found["min_lag"], found["baseline_error"], found["solved_below"]) == (13, 14, 0.875, 0.01)
    assert found["task_options"] == {"items": 3, "symbols": 8, "blanks": 10, "variant": "fixed"}
    assert found["cell_options"] == registry.cell("lstm").values()
    assert found["cell_options"]["forget_bias"] == 1.0
    assert json.dumps(found)


TWO_GRIDS = """
title = "Two grids, of which neither has both"
[[grids]]
task = "copy:items=3,blanks=10"
cell = ["gru", "rnn"]
lr = 0.01
seeds = 1
updates = 200
[[grids]]
task = ["adding:length=20", "adding:length=10"]
cell = "lstm"
optimizer = ["adam", "sgd"]
lr = 0.02
seeds = 1
updates = 400
"""
PLANS = """
import sys
from longlag.plan import files
two = files.find(sys.argv[1])
options = ({}, {"task": ("copy:items=3,blanks=10",), "cell": ("lstm",)}, {"cell": ("rnn",), "optimizer": ("sgd",)})
options += ({"task": ("adding",), "cell": ("gru",), "clip": ("norm:1",), "optimizer": ("sgd",)},)
for study in (two, files.find("smoke")):
    for given in options:
        print([trial.key for trial in study.replaced(**given).trials()])
"""


def test_plans_do_not_depend_on_the_order_of_sets(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(TWO_GRIDS)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PLANS, str(tmp_path / "two.toml")],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
        )
        for seed in range(3)
    ]
    plans = [process.communicate()[0] for process in running]
    assert all(process.returncode == 0 for process in running)
    assert len(set(plans)) == 1
    assert len(set(plans[0].splitlines())) == len(plans[0].splitlines()) == 8


def test_where_grids_hold_either_the_task_or_the_cell_the_task_decides() -> None:
    grids = (replace(GRID, task=(COPY,), cell=("rnn",)), replace(GRID, task=(ADDING,), cell=("lstm",), updates=400))
    cut = study(*grids).replaced(task=(COPY,), cell=("lstm",))
    assert [(grid.task, grid.cell, grid.updates) for grid in cut.grids] == [((COPY,), ("lstm",), 200)]

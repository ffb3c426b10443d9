"""Every option of `run` is seen where it acts, in trials, cohorts, workers, or on disk; nothing is trained."""

from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main, training
from longlag.plan.grid import GIVEN
from longlag.run import run as running
from longlag.run.engines.cohort import train_cohort
from longlag.store.results import load
from longlag.values.trial import Status, TrialResult

GRID = {
    "task": "copy:items=2,symbols=3,blanks=3", "cell": "rnn", "layers": "2",
    "updates": "50", "eval_every": "10", "lr": "0.01", "seeds": "64",
}  # fmt: skip
OTHER = {
    "task": "copy:items=2,symbols=4,blanks=3", "cell": "gru", "clip": "norm:1", "lr": "0.02", "seeds": "3",
    "hidden_size": "9", "layers": "3", "optimizer": "sgd", "skip": "residual", "direction": "bidirectional",
    "normalisation": "layer", "dropout": "0.5", "decoder_cell": "gru", "decoder_layers": "2",
    "initial_state": "learned", "truncate": "4", "batch_size": "7", "updates": "40", "eval_every": "5",
    "schedule": "cosine", "stop": "never", "weight_decay": "0.5", "weight_noise": "0.5", "dtype": "float64",
    "device": "cuda", "test_lags": "6",
}  # fmt: skip
"""Another value of each axis."""
WITH_A_DECODER = {"task": "reverse:items=3,symbols=4", "decoder_cell": "rnn"}
CLIP = """
from longlag.clips.none import NoClip

class Mine(NoClip):
    pass
"""
STUDY = """
title = "A study"
[[grids]]
task = "adding:length=9"
cell = "lstm"
clip = "none"
lr = 0.01
updates = 70
"""


class Engine:
    """Stands in for the engine: notes what it is given, and ends every trial at once as other source would have."""

    made: ClassVar[list["Engine"]] = []
    status: ClassVar[Status] = Status.UNSOLVED

    def __init__(self, workers, timeout_seconds, train):
        self.workers, self.timeout_seconds, self.train, self.cohorts = workers, timeout_seconds, train, []
        Engine.made.append(self)

    def run(self, cohorts):
        self.cohorts = cohorts
        for trial in (trial for cohort in cohorts for trial in cohort):
            yield TrialResult(trial, self.status, 0.5, updates=trial.updates, environment={"source": "other"})


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command with a grid and more; return what the engine was given."""
    monkeypatch.setattr(running, "LocalEngine", Engine)
    monkeypatch.setattr(training, "write_reports", lambda *_: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    def run(*more: str, code: int = 0, **changed: str) -> Engine:
        given = {key: value for key, value in (GRID | changed).items() if value}
        grid = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
        place = [] if "--results" in more else ["--results", str(tmp_path)]
        Engine.made.clear()
        done = CliRunner().invoke(main, ["run", *grid, *place, *more])
        assert done.exit_code == code, done.output
        return Engine.made[0]

    yield run
    registry.use(())


def trials_of(engine):
    return [trial for cohort in engine.cohorts for trial in cohort]


@pytest.mark.parametrize("key", GIVEN)
def test_an_axis_reaches_the_trials_that_are_trained(key, go):
    assert key in OTHER, f"give a value of --{key} here"
    name = next(name for name, axis in ((axis.name, axis) for axis in GIVEN.values()) if axis is GIVEN[key])
    beside = {"seeds": "1"} | (WITH_A_DECODER if key.startswith("decoder") else {})
    trials = trials_of(go(**(beside | {key: OTHER[key]})))
    if key == "seeds":
        assert sorted(trial.seed for trial in trials) == [0, 1, 2]
    else:
        assert {str(getattr(trial, name)) for trial in trials} == {OTHER[key]}
        before = trials_of(go("--name", "before", **beside))
        assert {str(getattr(trial, name)) for trial in before} != {OTHER[key]}


# What changes no result


def test_memory_cuts_cohorts(go):
    wide = {"hidden_size": "512"}
    plain, small = go("--workers", "1", **wide), go("--memory", "64MiB", "--name", "small", "--workers", "1", **wide)
    assert [len(cohort) for cohort in plain.cohorts] == [8] * 8
    assert len(small.cohorts) > 8
    assert {trial.key for trial in trials_of(small)} == {trial.key for trial in trials_of(plain)}


def test_timeout_and_workers_are_the_engines(go):
    engine = go("--timeout", "77", "--workers", "3", seeds="2")
    assert (engine.timeout_seconds, engine.workers) == (77, 3)
    plain = go("--name", "plain", "--workers", "1", seeds="2")
    assert plain.timeout_seconds == running.TIMEOUT_SECONDS == 3600
    assert len(engine.cohorts) > len(plain.cohorts), "more workers, smaller cohorts"


def test_fresh_trains_again_what_other_source_made(go):
    assert len(trials_of(go())) == 64
    assert trials_of(go()) == []
    assert len(trials_of(go("--fresh"))) == 64


def test_retry_trains_again_what_three_runs_have_given_up(go, monkeypatch):
    monkeypatch.setattr(Engine, "status", Status.FAILED)
    for _ in range(3):
        assert len(trials_of(go(seeds="2", code=3))) == 2
    assert trials_of(go(seeds="2", code=3)) == []
    assert len(trials_of(go("--retry", seeds="2", code=3))) == 2
    assert trials_of(go(seeds="2", code=3)) == [], "it failed again"


def test_keep_networks_trains_again_what_has_none_and_keeps_it_in_the_studys_folder(go, tmp_path):
    plain = go(seeds="2").train
    untold = {"networks": None, "unchecked": False, "lenses": (), "audit_every": False}
    assert (plain.func, plain.keywords) == (train_cohort, untold)
    engine = go("--keep-networks", seeds="2")
    assert len(trials_of(engine)) == 2
    assert engine.train.keywords["networks"] == (tmp_path / "adhoc" / "networks").absolute()


def test_audit_is_handed_to_the_worker(go):
    assert go("--audit", "every", seeds="2").train.keywords["audit_every"] is True


def test_unchecked_marks_the_rows_of_plugins(go):
    assert go("--unchecked", seeds="2").train.keywords["unchecked"] is True


def test_lens_looks_at_what_is_trained_and_trains_again_what_it_has_not_seen(go):
    assert len(trials_of(go(seeds="2"))) == 2
    engine = go("--lens", "reach", "--lens", "bound", seeds="2", layers="1")
    assert engine.train.keywords["lenses"] == ("bound", "reach")
    assert len(trials_of(engine)) == 2
    assert len(trials_of(go("--lens", "reach", seeds="2"))) == 2, "stored, but nobody looked"


def test_budget_minutes_cut_the_seeds(go):
    assert 0 < len(trials_of(go("--budget-minutes", "0.5", "--workers", "1", updates="5000"))) < 64


def test_name_and_results_say_where_rows_are_stored(go, tmp_path):
    go("--name", "mine", "--results", str(tmp_path / "elsewhere"), seeds="1")
    assert len(load("mine", tmp_path / "elsewhere")) == 1


def test_a_study_is_the_one_that_is_named(go, tmp_path):
    (tmp_path / "own.toml").write_text(STUDY)
    trials = trials_of(go(str(tmp_path / "own.toml"), **dict.fromkeys(GRID, "")))
    assert {(trial.task, trial.cell, trial.updates) for trial in trials} == {("adding:length=9", "lstm", 70)}


def test_match_and_its_target_pick_the_hidden_sizes(go):
    few, many = (
        trials_of(go("--match", "parameters", "--match-target", target, "--name", f"of{target}", seeds="1"))
        for target in ("500", "5000")
    )
    assert few[0].hidden_size < many[0].hidden_size
    state = trials_of(go("--match", "state", "--match-target", "500", "--name", "state", seeds="1"))
    assert state[0].hidden_size != few[0].hidden_size


def test_a_plugin_is_used(go, tmp_path):
    (tmp_path / "mine.py").write_text(CLIP)
    (trial,) = trials_of(go("--plugin", str(tmp_path / "mine.py"), clip="mine", seeds="1"))
    assert trial.plugins.startswith("mine:")


SEEN_HERE = {
    "study", "name", "workers", "timeout", "memory", "fresh", "budget_minutes", "keep_networks", "results", "match",
    "match_target", "plugin", "unchecked", "lenses", "audit", "retry",
}  # fmt: skip
SEEN_ELSEWHERE = {"shard", "spool", "engine", "address"}
"""In `test_shares.py`, `test_shards.py` and `test_cluster.py`: they decide where trials are trained, and go."""


def test_no_option_is_without_a_test_of_its_effect():
    options = {parameter.name for parameter in training.run.params}
    assert options == SEEN_HERE | SEEN_ELSEWHERE | set(GIVEN), "say above what the new option changes"

"""Frames of studies: taken on the way, stored beside the trials, read from kept networks; they change no trial."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
import sample_results
from click.testing import CliRunner

from longlag.cli import main
from longlag.lens.support.kept import frames_at_start
from longlag.lens.support.named import lens
from longlag.lens.support.watching import Watch, phase_at
from longlag.plan.study import adhoc
from longlag.process import state
from longlag.registry import shipped
from longlag.store.store import Store
from longlag.training.cohort import train
from longlag.values.frames import PHASES, REFUSED, Found, Frame
from longlag.values.trial import Trial

pytestmark = pytest.mark.usefixtures("nothing_drawn")

GRID = [
    *("--task", "copy:items=1,symbols=2,blanks=1", "--cell", "rnn", "--cell", "gru", "--lr", "0.01", "--updates", "12"),
    *("--eval-every", "3", "--hidden-size", "4", "--seeds", "2", "--workers", "1"),
]
TINY = Trial("copy:items=1,symbols=2,blanks=1", "gru", "none", 0.01, 0, hidden_size=4, updates=12, eval_every=3)


def trained(trials, lenses=()):
    """Train in this process; return the results by trial."""
    found = []
    watch = Watch(lenses)
    train(trials, watch.with_frames(found.append), {}, None, watch.look if lenses else None)
    return {result.trial: result for result in found}


def test_a_lens_changes_nothing_of_a_trial_and_draws_from_nothing_shared():
    trials = [replace(TINY, cell=cell, task=task) for cell, task in (("gru", TINY.task), ("rnn", "adding:length=5"))]
    for one in [*trials, replace(TINY, cell="torchrecurrent:cell=LiGRU")]:
        before = state.random_state()
        plain, seen = trained([one])[one], trained([one], ["reach", "bound", "share"])[one]
        assert state.moved(before) == []
        assert seen.frames
        assert not plain.frames
        assert replace(seen, frames=(), wall_seconds=None) == replace(plain, wall_seconds=None)
        assert seen.fingerprint == plain.fingerprint
        assert seen.trial.key == plain.trial.key


def test_a_trial_has_the_same_frames_alone_and_in_a_cohort():
    trials = [replace(TINY, seed=seed, clip=clip) for seed in (0, 1, 2) for clip in ("none", "norm:1")]
    together = trained(trials, ["reach", "share"])
    for trial in trials[1:4]:
        alone = trained([trial], ["reach", "share"])[trial]
        assert alone.frames == together[trial].frames
    other = trials[0], trials[2]
    assert together[other[0]].frames != together[other[1]].frames


def test_frames_are_taken_at_the_start_at_a_quarter_and_at_the_end():
    frames = trained([TINY], ["reach"])[TINY].frames
    assert [(frame.phase, frame.update) for frame in frames] == [("start", 0), ("quarter", 3), ("end", 12)]
    assert {frame.lens for frame in frames} == {"reach"}
    assert phase_at(replace(TINY, updates=100, eval_every=10), 30, False) == "quarter"
    assert phase_at(replace(TINY, updates=100, eval_every=10), 20, False) is None
    assert phase_at(TINY, 3, True) == "end"


def test_the_start_needs_no_training():
    assert frames_at_start(["reach"], TINY) == list(trained([TINY], ["reach"])[TINY].frames[:1])


def test_a_lens_that_raises_costs_its_own_frame_only(monkeypatch):
    monkeypatch.setattr(type(lens("reach")), "frame", lambda self, subject: 1 / 0)
    result = trained([TINY], ["reach"])[TINY]
    assert [frame.found.numbers[REFUSED] for frame in result.frames] == [
        "raised ZeroDivisionError: division by zero"
    ] * 3
    assert result.status.is_result


def call(*args):
    return CliRunner().invoke(main, list(args))


def rows(results, name="mine"):
    with closing(sqlite3.connect(results / name / "store.sqlite")) as connection:
        found = connection.execute('SELECT key, lens, phase, "update", numbers, parts FROM lenses').fetchall()
        trials = connection.execute("SELECT key, fingerprint FROM trials").fetchall()
    return found, trials


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A study run with lenses, and one without that was asked for them later, from networks that it kept."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("mine", ["--lens", "reach", "--lens", "bound"]), ("plain", ["--keep-networks"])):
        done = call("run", *GRID, "--name", name, "--results", str(folder), *more)
        assert done.exit_code == 0, done.output
    return folder


def test_frames_are_stored_beside_trials_which_are_the_same_without(runs):
    frames, trials = rows(runs)
    assert trials == rows(runs, "plain")[1]
    assert {(lens, phase) for _, lens, phase, *_ in frames} == {
        (lens, p) for lens in ("reach", "bound") for p in PHASES
    }
    said = {json.loads(numbers).get(REFUSED) for _, lens, *_, numbers, _ in frames if lens == "bound"}
    assert said == {None, "the theorem is about h = f(x W + b + h U); cell gru has other equations"}


def test_the_same_command_again_trains_nothing_and_another_lens_trains_again(runs):
    again = call("plan", *GRID, "--name", "mine", "--results", str(runs), "--lens", "reach", "--lens", "bound")
    assert "to train  0 in 0 cohorts" in again.stdout
    more = call("plan", *GRID, "--name", "mine", "--results", str(runs), "--lens", "share")
    assert "lenses    share; 4 stored trials lack them and are trained again" in more.stdout
    assert "to train  4" in more.stdout
    half = call("plan", *GRID, "--name", "mine", "--results", str(runs), "--lens", "reach", "--lens", "share")
    assert "4 stored trials lack them and are trained again" in half.stdout, "one of two is not both"


def test_a_trial_that_was_only_looked_at_before_training_lacks_the_lens(tmp_path):
    grid = [*GRID, "--seeds", "1", "--name", "early", "--results", str(tmp_path), "--lens", "reach"]
    assert call("run", *grid).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "early" / "store.sqlite")) as store, store:
        store.execute("DELETE FROM lenses WHERE phase != 'start' AND key = (SELECT min(key) FROM lenses)")
    assert "1 stored trials lack them and are trained again" in call("plan", *grid).stdout


def test_kept_networks_are_looked_at_without_training(runs):
    asked = [*GRID, "--name", "plain", "--results", str(runs), "--lens", "reach"]
    assert "lenses run on the kept networks of 4 stored trials" in call("plan", *asked).stdout
    before = rows(runs, "plain")
    assert before[0] == []
    done = call("run", *asked)
    assert done.exit_code == 0, done.output
    frames, trials = rows(runs, "plain")
    assert trials == before[1]
    expected = [row for row in rows(runs)[0] if row[1] == "reach" and row[2] != "quarter"]
    assert frames == expected


def test_a_network_of_another_fingerprint_takes_old_frames_away(tmp_path):
    path = tmp_path / "a" / "store.sqlite"
    frame = Frame("reach", 1, "end", 200, Found({"reach_1pct": 3}, {"input": {"lag": [0], "median": [1.0]}}))
    with Store.open_for_writing(path) as store:
        store.add(sample_results.result(fingerprint="a" * 16, frames=(frame,)), sample_results.FACTS)
        store.flush()
        assert store.looked_at({"reach": 1}) == {(sample_results.trial().key, "reach", "end")}
        assert store.looked_at({"reach": 2}) == set()
        store.add(sample_results.result(fingerprint="a" * 16), sample_results.FACTS)
        store.flush()
        assert store.looked_at({"reach": 1}) == {(sample_results.trial().key, "reach", "end")}
        store.add(sample_results.result(fingerprint="b" * 16), sample_results.FACTS)
        store.flush()
        assert store.looked_at({"reach": 1}) == set()


def test_a_store_without_the_table_is_read_and_gets_it_when_written(tmp_path):
    path = tmp_path / "a" / "store.sqlite"
    sample_results.write(path, [sample_results.result()])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE lenses")
        connection.commit()
    with Store.open_for_reading(path) as store:
        assert store.looked_at({"reach": 1}) == set()
        assert [len(page["key"]) for page in store.pages("lenses")] == [0]
    with Store.open_for_writing(path) as store:
        assert store.looked_at({"reach": 1}) == set()
        assert len(store.stored()) == 1


def test_every_file_of_the_folder_is_a_lens():
    assert {"reach", "bound", "share"} <= set(shipped("lens"))
    for name in shipped("lens"):
        made = lens(name)
        assert made.name() == name
        assert made.version >= 1
        assert made.summary
        assert made.reference


def test_an_unknown_lens_is_refused_with_a_near_one(tmp_path):
    for command in ("run", "plan"):
        done = call(command, *GRID, "--results", str(tmp_path), "--lens", "raech")
        assert done.exit_code == 2
        assert done.stderr == "longlag: --lens: no lens is called 'raech'; did you mean reach?\n"
    study = tmp_path / "own.toml"
    study.write_text('title = "A"\nlenses = ["raech"]\n[[grids]]\ntask = "copy"\ncell = "rnn"\nlr = 0.1\n')
    done = call("run", str(study), "--results", str(tmp_path))
    assert done.exit_code == 2
    assert "own.toml: lenses: no lens is called 'raech'; did you mean reach?" in done.stderr
    assert list(tmp_path.iterdir()) == [study]


def test_a_lens_that_no_network_has_anything_for_is_one_line(tmp_path):
    grid = ["gru" if word == "rnn" else word for word in GRID if word != "--cell"]
    grid = [*grid[:2], "--cell", "gru", *[word for word in grid[2:] if word != "gru"]]
    done = call("run", *grid, "--results", str(tmp_path), "--lens", "bound")
    assert done.exit_code == 2
    assert done.stderr.startswith("longlag: lens bound: the theorem is about h = f(x W + b + h U)")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_quick_and_the_study_of_doses_have_reach_on_and_the_others_nothing():
    from longlag.plan import files

    looked = {name: files.find(name).lenses for name in files.names() if files.find(name).lenses}
    assert looked == {"quick": ("reach",), "dose": ("reach",)}
    assert adhoc(task="copy", cell="rnn").lenses == ()

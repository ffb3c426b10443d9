"""What `longlag perf` measures and writes; no test says how fast anything is."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from longlag import registry
from longlag.cli import main
from longlag.lens.support.watching import Watch
from longlag.perf import kernels, lenses, measure, ordinary, peak, report, shares, storage, studies, updates
from longlag.plan import files
from longlag.values.seeding import stream
from longlag.values.trial import Trial


def test_two_calls_are_timed_in_turn() -> None:
    called: list[str] = []
    found = measure.in_turns((lambda: called.append("ours"), lambda: called.append("theirs")), repeats=2)
    last = called[len(called) // 2 :]
    assert called[0] == "ours"
    assert {"ours", "theirs"} <= set(last)
    assert [len(of_one) for of_one in found] == [2, 2]


def test_a_comparison_gives_the_median_ratio_and_its_range() -> None:
    one = measure.Timing("kernels", "rnn", "T=1", 0.002, 0.004, "nn.RNN", (1.0, 2.0, 4.0))
    row = one.row()
    assert (row["ours_ms"], row["reference_ms"], row["ratio"], row["ratio_low"], row["ratio_high"]) == (2, 4, 2, 1, 4)
    assert "2.00 times" in report.line(one)


@pytest.mark.parametrize("cell", kernels.CELLS)
def test_our_layer_and_torchs_give_gradients_of_as_many_weights(cell: str) -> None:
    ours = kernels.our_layer(cell, 3, 2, 4)()
    theirs = kernels.torch_layer(cell, 3, 2, 4)()
    gates = len(registry.cell(cell).gates)
    recurrent = [gradient for gradient in ours if gradient.shape == (4, gates * 4)]
    assert len(recurrent) == 1
    assert theirs[1].shape == recurrent[0].T.shape


def test_the_ordinary_loop_learns() -> None:
    trial = Trial(registry.task("adding:length=4").spec, "gru", "norm:1", 0.02, 0, batch_size=64)
    loop = ordinary.OrdinaryTrial(trial)
    batch = loop.task.draw(stream("evaluation").generator(), 200)
    before = loop.evaluate(batch)
    for _ in range(200):
        loop.step()
    assert loop.evaluate(batch) < 0.1 * before


def test_updates_are_timed_at_the_shapes_of_quick() -> None:
    adam = [trial for trial in files.find("quick").trials() if trial.optimizer == "adam"]
    assert set(updates.shapes_of_quick()) == {(trial.task, trial.hidden_size) for trial in adam}


@pytest.mark.parametrize("task", updates.TASKS)
def test_the_ordinary_network_answers_at_the_same_steps(task: str) -> None:
    made = registry.task(task)
    batch = made.draw(stream("any").generator(), 3)
    outputs = ordinary.OrdinaryNetwork(made, "lstm", 5)(batch)
    assert outputs.shape == (len(batch.scored), made.output_size)
    assert made.loss(outputs, batch).isfinite()


def test_a_layer_is_held_against_its_arithmetic_at_the_cores_peak() -> None:
    lines = list(kernels.measure((3,), ((2, 4),), 2))
    assert [one.reference for one in lines[:3]] == ["nn.RNN", "its products alone", "its products at the peak"]
    few, many = peak.arithmetic(10**3), peak.arithmetic(10**8)
    assert np.isfinite(few())
    assert many() == pytest.approx(12.0), "each chain x <- x / 2 + 1 / 2 ends at 1"


def test_the_shares_of_a_study_add_up_and_go_by_the_files_that_spent_them() -> None:
    profiled = {
        ("/here/longlag/scans/engine/scan.py", 1, "scan_forward"): (1, 1, 3.0, 3.0, {}),
        ("/here/longlag/scans/engine/layer.py", 1, "pack"): (1, 1, 1.0, 1.0, {}),
        ("~", 0, "mm"): (1, 1, 2.0, 2.0, {("/here/longlag/networks/readout.py", 1, "read"): (1, 1, 2.0, 2.0)}),
        ("/lib/json.py", 1, "load"): (1, 1, 0.5, 0.5, {}),
    }
    found = shares.shares(SimpleNamespace(stats=profiled))
    assert sorted(found.values(), reverse=True) == [3.0, 2.0, 1.0, 0.5]
    assert found["readout and loss"] == 2.0
    line = report.line(measure.Timing("study", "batches", "8 trials", 1.0, 4.0, "all of it", (0.25,)))
    assert line.endswith("25%")


def test_the_mixed_study_has_equal_shares_and_no_early_end() -> None:
    trials = studies.mixed(seeds=2, updates=10).trials()
    assert {cell: sum(trial.cell == cell for trial in trials) for cell in studies.CELLS} == dict.fromkeys(
        studies.CELLS, 2
    )
    assert {trial.eval_every for trial in trials} == {10}


def test_the_lens_is_measured_on_every_trial_of_quick_that_has_one_of_the_seeds(monkeypatch) -> None:
    of_quick = [trial for trial in files.find("quick").trials() if trial.seed < 2]
    cohorts = [cohort for some in lenses.cut(2, None).values() for cohort in some]
    assert sorted((trial for cohort in cohorts for trial in cohort), key=str) == sorted(of_quick, key=str)
    short = lenses.cut(1, 2)
    monkeypatch.setattr(
        lenses, "cut", lambda seeds, updates: {task: some[:1] for task, some in list(short.items())[:1]}
    )
    looked = []
    monkeypatch.setattr(Watch, "look", lambda self, trial, update, *rest: looked.append(update))
    (found,) = lenses.measure(1, 2)
    assert set(looked) >= {0, 2}
    assert found.ratio == pytest.approx(found.theirs / found.ours)


def test_storage_is_measured_on_as_many_trials_as_it_says() -> None:
    steps = {one.what: one for one in storage.measure(40)}
    assert list(steps) == ["plan", "store", "resume", "load", "tables", "figures"]
    assert {one.setting for one in steps.values()} == {"40 trials"}


def test_the_command_writes_table_json_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longlag.perf.suite._PARTS", {"kernels": lambda quick: kernels.measure((3,), ((2, 4),), 2)})
    result = CliRunner().invoke(main, ["perf", "--part", "kernels", "--json", "--results", str(tmp_path)])
    content = json.loads(result.stdout)
    assert {row["what"] for row in content["rows"]} == set(kernels.CELLS)
    assert content["environment"]["torch"].startswith(torch.__version__.split("+")[0])
    assert {path.name for path in (tmp_path / "perf").iterdir()} == {"perf.csv", "perf.json", "kernels.png"}

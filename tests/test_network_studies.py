"""The shipped studies of networks: complete, fair, and planned for no more than the time they state."""

from collections import Counter

import pytest

from longlag import registry
from longlag.plan import files
from longlag.run.plan import make_plan
from longlag.values.wiring import DIRECTIONS, SKIPS


def test_depth_asks_every_rate_of_every_stack() -> None:
    trials = files.find("depth").trials()
    counts = Counter((trial.layers, trial.skip, trial.lr) for trial in trials)
    rates = {trial.lr for trial in trials}
    assert {(layers, skip) for layers, skip, _ in counts} == {(1, "none")} | {
        (layers, skip) for layers in (2, 4, 8, 16) for skip in SKIPS
    }
    assert len(counts) == (1 + 4 * len(SKIPS)) * len(rates)
    assert len(set(counts.values())) == 1


def test_direction_asks_both_of_every_cell_beside_a_task_that_needs_one() -> None:
    trials = files.find("direction").trials()
    counts = Counter((trial.task, trial.cell, trial.direction) for trial in trials)
    cells = ("rnn", "lstm", "gru", "transformer")
    tasks = {trial.task for trial in trials}
    assert set(counts) == {(task, cell, way) for task in tasks for cell in cells for way in DIRECTIONS}
    assert len(set(counts.values())) == 1
    looks_ahead = {task: registry.task(task).looks_ahead for task in tasks}
    assert sorted(looks_ahead.values()) == [False, True]
    ahead = next(task for task in tasks if looks_ahead[task])
    assert registry.task(ahead).baseline_error == 0.5
    assert {trial.seed for trial in trials}.isdisjoint({0}), "the rates were chosen with seed 0"


@pytest.mark.parametrize(("name", "minutes"), [("depth", 16), ("direction", 1), ("seq2seq", 10)])
def test_no_study_is_planned_for_longer_than_it_says(name, minutes, tmp_path) -> None:
    assert make_plan(files.find(name), tmp_path).seconds(workers=2) <= 60 * minutes

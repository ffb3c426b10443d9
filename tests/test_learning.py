"""An easy task is solved by who should solve it, and what cannot reach back far enough stays at the floor."""

from dataclasses import replace

import pytest
import torch

from longlag import registry
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.trial import Status, Trial

pytestmark = pytest.mark.slow


def result_of(trial):
    finished = []
    train([trial], finished.append)
    return finished[0]


@pytest.mark.parametrize("clip", ["none", "norm:1", "value:0.1"])
def test_gru_solves_short_adding_under_every_clip(clip):
    result = result_of(Trial("adding:length=20", "gru", clip, 3e-2, 0, updates=600, eval_every=50))
    assert result.status is Status.SOLVED
    assert result.updates_to_solve < 400
    assert result.confirmed_error < 0.01


def test_orthogonal_rnn_solves_short_copy():
    trial = Trial("copy:items=3,blanks=10", "rnn:init=orthogonal", "norm:1", 3e-3, 0, updates=800)
    result = result_of(trial)
    assert result.status is Status.SOLVED
    assert result.measurements[-1].loss < 0.1


@pytest.mark.parametrize("task", ["copy:items=3,blanks=60", "adding:length=100"])
def test_rnn_that_cannot_reach_back_stays_at_the_floor(task):
    """Never better than the best answer without memory, beyond four times the sampling error."""
    trial = Trial(task, "rnn", "norm:1", 1e-3, 0, updates=300)
    result = result_of(trial)
    assert result.status is Status.UNSOLVED
    floor = registry.task(task).baseline_error
    deviation = {"copy": (floor * (1 - floor) / 3000) ** 0.5, "adding": (7 / 180 / 1000) ** 0.5}  # of the mean error
    assert all(point.error > floor - 4 * deviation[task.partition(":")[0]] for point in result.measurements)
    assert result.error < 1.2 * floor, "it learnt what can be had without memory"


def test_the_same_short_copy_is_solved_on_fresh_sequences_too():
    trial = Trial("copy:items=1,symbols=4,blanks=3", "gru", "none", 1e-2, 0, updates=400, eval_every=400)
    cohort = Cohort([trial], {})
    cohort.advance()
    errors = [evaluation.confirm(cohort.network, cohort.task, cohort.parameters[0], look) for look in (1, 2)]
    assert torch.tensor(errors).max() < 0.001


def deep(skip):
    return Trial("adding:length=20", "lstm", "norm:1", 1e-2, 0, layers=8, skip=skip, updates=600, eval_every=50)


@pytest.mark.parametrize("skip", ["residual", "dense", "highway"])
def test_eight_layers_learn_short_adding_with_skip_connections(skip):
    result = result_of(deep(skip))
    assert result.status is Status.SOLVED
    assert result.confirmed_error < 0.01


def test_eight_plain_layers_stay_at_the_floor_of_what_one_layer_learns():
    trial = deep("none")
    assert result_of(replace(trial, layers=1)).status is Status.SOLVED
    result = result_of(trial)
    assert result.status is Status.UNSOLVED
    assert result.error > 0.9 * registry.task(trial.task).baseline_error

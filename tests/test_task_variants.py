"""Variants as their authors' code has them: lengths and criteria, what is counted as wrong, one cue."""

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn, hunt

from longlag.tasks.memorisation import Memorisation
from longlag.tasks.selective_copy import SelectiveCopy, shares_of_few
from longlag.tasks.temporal_order import TemporalOrder, order_of

DRAWS = 10_000


# Temporal order


@pytest.mark.parametrize("marked", [2, 3])
def test_pascanus_code_draws_a_length_for_each_training_batch_and_for_each_tested_sequence(marked):
    task = TemporalOrder(length=24, marked=marked, variant="pascanu2013_code")
    trained = [drawn(task, 20, key, held_out=False) for key in range(120)]
    assert all(len(set(batch.lengths.tolist())) == 1 for batch in trained)
    assert {batch.lengths[0].item() for batch in trained} == set(range(10, 25))
    batch = drawn(task, DRAWS)
    lengths = batch.lengths.numpy()
    assert np.bincount(lengths)[10:] == pytest.approx(DRAWS / 15, abs=SIGMAS * (DRAWS / 15) ** 0.5)
    steps, columns = np.nonzero((batch.inputs < 2).numpy())
    for place, tenth in enumerate((1, 5) if marked == 2 else (1, 3, 6)):
        step = np.sort(steps[np.argsort(columns, kind="stable")].reshape(DRAWS, marked))[:, place]
        assert (tenth * lengths // 10 <= step).all()
        assert (step < tenth * lengths // 10 + lengths // 10).all()
    by_length = torch.from_numpy(order_of(batch.inputs.numpy(), marked))[np.argsort(lengths, kind="stable")]
    assert torch.equal(batch.targets, by_length)


def test_pascanus_code_asks_for_none_wrong_in_ten_thousand():
    task = TemporalOrder(variant="pascanu2013_code")
    assert 0 < task.solved_below <= 1 / 10_000
    assert TemporalOrder(variant="pascanu2013").solved_below == 0.01


@pytest.mark.parametrize("window", [0, 4, 6, 8, 10, 12])
def test_its_floor_is_the_mean_over_lengths(window):
    task = TemporalOrder(length=12, variant="pascanu2013_code")
    assert hunt(task, drawn(task, 20_000), window).agrees_with(task.floor(window))


# Memorisation


def test_a_sequence_with_any_wrong_step_is_wrong():
    task = Memorisation(distractors=3, wrong="sequences")
    batch = drawn(task, 4)
    outputs = torch.nn.functional.one_hot(batch.targets, 3).float()
    assert task.errors(outputs, batch).tolist() == [0, 0, 0, 0]
    outputs[1] *= -1  # the first step of the second sequence, where nothing is recalled
    outputs[[-1, -5]] *= -1  # the last two steps of the fourth
    assert task.errors(outputs, batch).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("pattern", ["bits", "symbols"])
def test_a_guessed_pattern_is_rarely_right(pattern):
    task = Memorisation(distractors=1, pattern=pattern, wrong="sequences")
    batch = drawn(task, DRAWS)
    outputs = torch.nn.functional.one_hot(batch.targets, task.output_size).float()
    recalled = batch.mask.shape[0] - task.lag
    outputs[-recalled * DRAWS :] = torch.rand(recalled * DRAWS, task.output_size, generator=torch.manual_seed(0))
    outputs[:, -1] *= torch.arange(len(outputs)) < len(outputs) - recalled * DRAWS  # no blank is recalled
    floor = task.floor(0)
    assert (
        abs(task.errors(outputs, batch).mean().item() - floor) <= SIGMAS * (floor * (1 - floor) / DRAWS) ** 0.5 + 1e-6
    )
    assert (task.floor(task.lag), task.floor(task.lag + 1)) == (floor, 0)


# Selective copy


def test_mad_shows_one_cue_before_blank_steps_of_recall():
    task = SelectiveCopy(items=3, symbols=4, blanks=6, variant="mad2024")
    batch = drawn(task, 300)
    assert task.length == 13
    distances = batch.slices["lag_at_least"].view(3, 300).T
    for column in range(300):
        tokens = batch.inputs[:, column].tolist()
        places = [step for step, token in enumerate(tokens) if token < 4]
        assert tokens[9:] == [5, 4, 4, 4]
        assert places[-1] == 8
        assert batch.targets.view(3, 300)[:, column].tolist() == [tokens[place] for place in places]
        by_hand = [10 + item - place for item, place in enumerate(places)]
        lows = distances[column].tolist()
        assert all(low <= lag < 2 * low for low, lag in zip(lows, by_hand, strict=True))
    assert batch.mask.nonzero()[:, 0].unique().tolist() == [10, 11, 12]


@pytest.mark.parametrize(("items", "blanks"), [(2, 4), (3, 3), (1, 2)])
def test_mads_floors_are_what_counting_reaches(items, blanks):
    task = SelectiveCopy(items=items, symbols=2, blanks=blanks, variant="mad2024")
    batch = drawn(task, 8000)
    found = {window: (hunt(task, batch, window), task.floor(window)) for window in range(task.length + 1)}
    assert {window: both for window, both in found.items() if not both[0].agrees_with(both[1])} == {}


def test_shares_of_few_blanks_are_those_of_dice():
    gaps = np.random.default_rng(0).integers(5, size=(2000, 30))
    counts = np.stack([(gaps <= item).sum(1) for item in range(5)])
    found = [(counts <= few).mean() for few in range(31)]
    assert shares_of_few(30, 5) == pytest.approx(found, abs=SIGMAS * 0.5 / 2000**0.5)
    assert shares_of_few(50_000, 200)[[0, -1]] == pytest.approx([0, 1])

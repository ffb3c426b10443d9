"""Tasks that ask for what was seen: layouts by hand, answers worked out a plain way, what is kept out of training."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks.copy import Copy
from longlag.tasks.memorisation import Memorisation, memorised
from longlag.tasks.permutation import Permutation
from longlag.tasks.recall_pairs import RecallPairs
from longlag.tasks.selective_copy import SelectiveCopy
from longlag.tasks.support.errors import UsageError

DRAWS = 10_000


def columns(batch):
    """List, for every sequence, its inputs and its (step, target) questions."""
    asked = [[] for _ in range(batch.mask.shape[1])]
    steps, sequences = np.divmod(batch.scored.numpy(), batch.mask.shape[1])
    for step, sequence, target in zip(steps.tolist(), sequences.tolist(), batch.targets.tolist(), strict=True):
        asked[sequence].append((step, target))
    return list(zip(batch.inputs.T.tolist(), asked, strict=True))


def outputs_of(targets, size, wrong=()):
    """Return outputs that answer right, but for the places in ``wrong``."""
    outputs = torch.nn.functional.one_hot(targets, size).float()
    outputs[list(wrong)] *= -1
    return outputs


# Copy with a delay of its own in every sequence


def test_variable_copy_asks_after_a_marker_that_comes_1_to_t_steps_after_the_items():
    batch = drawn(Copy(items=2, symbols=3, blanks=4, variant="variable"), 500)
    delays = set()
    for (inputs, asked), length in zip(columns(batch), batch.lengths.tolist(), strict=True):
        marker = inputs.index(4)
        delay = marker - 1
        assert asked == [(marker + 1, inputs[0]), (marker + 2, inputs[1])]
        assert inputs[2:marker] == [3] * (delay - 1)
        assert inputs[marker + 1 :] == [3] * (len(inputs) - marker - 1)
        assert length == marker + 3
        delays.add(delay)
    assert delays == {1, 2, 3, 4}
    assert set(batch.slices["lag_at_least"].tolist()) == {2, 4}


def test_variable_copy_reaches_as_far_back_as_fixed_copy():
    fixed, varied = Copy(blanks=100), Copy(blanks=100, variant="variable")
    assert (fixed.lag, fixed.min_lag, varied.lag) == (110, 111, 110)
    assert 109 <= varied.min_lag <= 111
    assert varied.floor(11 + 50) == pytest.approx(0.875 / 2)


# Memorisation


def test_memorisation_lays_out_pattern_distractors_cue_and_recall():
    inputs, targets = memorised(torch.tensor([[0, 4], [3, 1]]), distractors=2, values=5)
    assert inputs.T.tolist() == [[0, 3, 5, 5, 6, 5], [4, 1, 5, 5, 6, 5]]
    assert targets.T.tolist() == [[5, 5, 5, 5, 0, 3], [5, 5, 5, 5, 4, 1]]


@pytest.mark.parametrize(("pattern", "items", "values"), [("bits", 5, 2), ("symbols", 10, 5)])
def test_memorisation_trains_on_all_steps_and_scores_the_recall(pattern, items, values):
    task = Memorisation(pattern=pattern, distractors=7)
    batch = drawn(task, 3)
    assert batch.mask.all()
    assert len(batch.inputs) == 7 + 2 * items
    assert torch.equal(batch.targets[-3 * items :].view(items, 3), batch.inputs[:items])
    errors = task.errors(outputs_of(batch.targets, values + 1, wrong=[0, 1, -3]), batch)
    assert errors.tolist() == [0] * (3 * items - 3) + [1, 0, 0]
    assert batch.slices["position"].tolist() == [item for item in range(items) for _ in range(3)]


def test_all_32_patterns_of_bits_are_drawn():
    codes = (drawn(Memorisation(), 2000).inputs[:5] * 2 ** torch.arange(5).unsqueeze(1)).sum(0)
    assert len(codes.unique()) == 32


# Permutation


def test_permutation_repeats_its_first_symbol_which_stands_nowhere_else():
    batch = drawn(Permutation(length=20), DRAWS)
    assert torch.equal(batch.targets, batch.inputs[0])
    assert set(batch.inputs[0].tolist()) == {0, 1}
    assert set(batch.inputs[1:].unique().tolist()) == set(range(2, 100))
    assert abs(batch.targets.double().mean().item() - 0.5) < SIGMAS * 0.5 / DRAWS**0.5
    assert Permutation(length=20).min_lag == 20


# Selective copy


def test_selective_copy_asks_for_the_items_in_the_order_in_which_they_stood():
    task = SelectiveCopy(items=3, symbols=4, blanks=6)
    batch = drawn(task, 300)
    distances = iter(batch.slices["lag_at_least"].view(3, 300).T.tolist())
    for inputs, asked in columns(batch):
        places = [step for step, token in enumerate(inputs) if token < 4]
        assert asked == [(9 + item, inputs[place]) for item, place in enumerate(places)]
        assert inputs[9:] == [5, 5, 5]
        assert sum(token == 4 for token in inputs) == 6
        by_hand = [9 + item - place for item, place in enumerate(places)]
        assert all(low <= lag < 2 * low for low, lag in zip(next(distances), by_hand, strict=True))


def test_selective_copy_chooses_all_sets_of_steps_alike():
    batch = drawn(SelectiveCopy(items=2, symbols=2, blanks=3), DRAWS)
    taken = batch.inputs[:5] < 2
    counts = np.unique((taken * 2 ** torch.arange(5).unsqueeze(1)).sum(0).numpy(), return_counts=True)[1]
    assert len(counts) == 10
    assert np.abs(counts / DRAWS - 0.1).max() < SIGMAS * (0.09 / DRAWS) ** 0.5


# Recall of pairs


def test_recall_pairs_asks_each_key_once_for_the_value_that_followed_it():
    task = RecallPairs(pairs=3, vocabulary=5, length=20)
    for inputs, asked in columns(drawn(task, 300)):
        pairs = dict(zip(inputs[0:6:2], inputs[1:6:2], strict=True))
        assert len(pairs) == len(set(pairs.values())) == 3
        assert all(key < 5 <= value < 10 for key, value in pairs.items())
        assert {inputs[step]: 5 + target for step, target in asked} == pairs
        assert all(step >= 6 and step % 2 == 0 for step, _ in asked)
        assert [token for step, token in enumerate(inputs) if step >= 6 and step not in dict(asked)] == [10] * 11


def test_recall_pairs_slices_by_the_distance_of_the_pair():
    batch = drawn(RecallPairs(pairs=3, vocabulary=5, length=20), 100)
    steps, sequences = np.divmod(batch.scored.numpy(), 100)
    tokens = batch.inputs.numpy()
    keys = tokens[steps, sequences]
    placed = 2 * (tokens[0:6:2][:, sequences] == keys).argmax(0)
    lows = batch.slices["lag_at_least"].numpy()
    assert ((lows <= steps - placed) & (steps - placed < 2 * lows)).all()


def test_pairs_that_are_kept_out_of_training_are_as_frequent_as_others_in_evaluation():
    task = RecallPairs(pairs=3, vocabulary=8, length=20)
    for held_out, share in ((False, 0), (True, 1 / 8)):
        batch = drawn(task, DRAWS, held_out=held_out)
        keys, values = batch.inputs[0:6:2], batch.inputs[1:6:2] - 8
        unmet = values == (keys + 1) % 8
        assert unmet.double().mean().item() == pytest.approx(share, abs=0.01)
        assert batch.slices["held_out"].sum() == unmet.sum()
        pairs = torch.stack([keys, values]).flatten(1).unique(dim=1)
        assert pairs.shape[1] == 64 - 8 * (not held_out), "every other pair is met"
        assert torch.bincount(values.flatten(), minlength=8).double().std() < 0.03 * values.numel() / 8


def test_few_keys_keep_no_pair_out():
    task = RecallPairs(pairs=3, vocabulary=7, length=20)
    assert torch.equal(drawn(task, 50, held_out=False).inputs, drawn(task, 50).inputs)
    assert not drawn(task, 500).slices["held_out"].any()


@pytest.mark.parametrize("pairs", [2, 5, 40])
def test_no_training_pair_is_one_that_is_kept_out(pairs):
    task = RecallPairs(pairs=pairs, vocabulary=40, length=4 * pairs + 8)
    batch = drawn(task, 3000, held_out=False)
    keys, values = batch.inputs[0 : 2 * pairs : 2], batch.inputs[1 : 2 * pairs : 2] - 40
    assert not (values == (keys + 1) % 40).any()
    assert (values.sort(0).values.diff(dim=0) > 0).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("recall_pairs:pairs=40", "pairs must be at most the vocabulary, 32, not 40"),
        ("recall_pairs:pairs=20", "20 pairs need a length of 80 or more, not 64"),
        ("recall_pairs:variant=zoo", "variant must be one of even, zoology.*did you mean zoology"),
        ("recall_pairs:variant=zoology,length=5000", "zoology has at most 4096 time steps, not 5000"),
        ("memorisation:pattern=bit", "did you mean bits"),
        ("selective_copy:items=0", "items must be from 1 to 200, not 0"),
        ("permutation:symbols=2", "symbols must be from 3 to 10000, not 2"),
        ("recall:loud=1", "loud must be from 2 to 100, not 1"),
        ("copy:variant=random", "variant must be one of fixed, variable"),
    ],
)
def test_bad_options_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.task(spec)


@pytest.mark.parametrize(
    "spec",
    ["copy:variant=variable", "selective_copy", "recall_pairs", "recall_pairs:variant=zoology", "recall:clauses=0"],
)
def test_floors_fall_with_the_window(spec):
    task = registry.task(spec)
    floors = [task.floor(window) for window in range(task.length + 2)]
    assert all(later <= earlier for earlier, later in pairwise(floors))
    assert floors[-1] == 0

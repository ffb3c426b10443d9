"""Counting: words by hand, floors by trying every set of sequences that one rule can get right."""

from itertools import combinations

import pytest
import torch
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks.counting import Counting
from longlag.tasks.support.errors import UsageError

DRAWS = 5000


def test_words_are_as_many_bs_as_as_and_every_b_is_asked_what_follows():
    batch = drawn(Counting(most=6), 50)
    targets = torch.full(batch.mask.shape, -1)
    targets[batch.mask] = batch.targets
    for column, length in enumerate(batch.lengths.tolist()):
        count = length // 2
        word = "".join("ab"[token] for token in batch.inputs[:length, column].tolist())
        assert word == "a" * count + "b" * count
        assert targets[:length, column].tolist() == [-1] * count + [0] * (count - 1) + [1]
        assert (targets[length:, column] == -1).all()


@pytest.mark.parametrize(("counts", "fewest"), [("upper", 4), ("all", 2)])
def test_counts_are_uniform(counts, fewest):
    counted = drawn(Counting(most=7, counts=counts), DRAWS).lengths // 2
    shares = counted.bincount(minlength=8)[fewest:].double() / DRAWS
    assert counted.min() == fewest
    assert (shares - 1 / (8 - fewest)).abs().max() < SIGMAS * (0.25 / DRAWS) ** 0.5


def test_counts_at_twice_the_most_were_never_met():
    assert drawn(Counting(most=10), DRAWS).lengths.max() < drawn(Counting(most=20), DRAWS).lengths.min()


def test_one_wrong_step_makes_a_sequence_wrong():
    task = Counting(most=5)
    batch = drawn(task, 3)
    outputs = torch.nn.functional.one_hot(batch.targets, 2).float()
    assert task.errors(outputs, batch).tolist() == [0, 0, 0]
    second = batch.scored % 3 == 1
    for place in second.nonzero().flatten():
        spoilt = outputs.clone()
        spoilt[place] = spoilt[place].flip(0)
        assert task.errors(spoilt, batch).tolist() == [0, 1, 0]


def looks(count, window):
    """List what is seen at each b of a word, with the time, and whether it is the last: a rule has an answer a look."""
    word = "a" * count + "b" * count
    steps = range(count, 2 * count)
    return [((step, word[max(step + 1 - window, 0) : step + 1]), step == 2 * count - 1) for step in steps]


def most_right(counts, window):
    """Return how many words one rule can get right: the largest set without a look that asks for both answers."""
    answers = {count: dict(looks(count, window)) for count in counts}

    def agree(one, other):
        return all(answers[other].get(look, answer) == answer for look, answer in answers[one].items())

    for size in range(len(counts), 0, -1):
        if any(all(agree(*pair) for pair in combinations(chosen, 2)) for chosen in combinations(counts, size)):
            return size
    return 0


@pytest.mark.parametrize(("most", "counts"), [(3, "upper"), (10, "upper"), (15, "upper"), (10, "all")])
def test_floors_are_those_of_the_best_rule(most, counts):
    task = Counting(most=most, counts=counts)
    words = range(most // 2 + 1 if counts == "upper" else 2, most + 1)
    best = [1 - most_right(words, window) / len(words) for window in range(2 * most + 1)]
    assert [task.floor(window) for window in range(2 * most + 1)] == pytest.approx(best, abs=1e-12)
    assert task.min_lag == next(window for window, error in enumerate(best) if error < 1e-12)


@pytest.mark.parametrize("most", [3, 500, 10_000])
@pytest.mark.parametrize("counts", ["upper", "all"])
def test_floors_fall_from_above_0_to_0(most, counts):
    task = Counting(most=most, counts=counts)
    floors = [task.floor(window) for window in range(0, 2 * most + 1, max(most // 100, 1))]
    assert floors == sorted(floors, reverse=True)
    assert floors[0] > task.solved_below > floors[-1] == 0
    assert 0.98 * most - 2 < task.min_lag < task.lag == 2 * most - 1


def test_too_few_counts_are_refused():
    with pytest.raises(UsageError, match="most must be from 3 to 10000, not 2"):
        registry.task("counting:most=2")

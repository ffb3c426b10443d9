"""Recall of pairs: floors are those of Bayes' rule over every sequence there is, and of a guesser in larger ones."""

from collections import defaultdict
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks.recall_pairs import RecallPairs
from longlag.tasks.support.places import different, power_law, shares_taken, weighted

DRAWS = 10_000
SMALL = [
    "recall_pairs:pairs=2,vocabulary=2,length=9",
    "recall_pairs:pairs=2,vocabulary=4,length=12",
    "recall_pairs:pairs=3,vocabulary=3,length=12",
    "recall_pairs:pairs=3,vocabulary=4,length=12",
    "recall_pairs:pairs=2,vocabulary=2,length=10,variant=zoology",
    "recall_pairs:pairs=2,vocabulary=3,length=8,variant=zoology",
]


def slot_orders(task):
    """Yield the slots of the pairs, each with its chance: alike, or drawn one by one by a power law and dealt out."""
    slots = (task.length - 2 * task.pairs) // 2
    weights = [(slot + 1) ** -0.99 if task.variant == "zoology" else 1 for slot in range(slots)]
    chances = defaultdict(float)
    for order in permutations(range(slots), task.pairs):
        chance, left = 1.0, sum(weights)
        for slot in order:
            chance, left = chance * weights[slot] / left, left - weights[slot]
        chances[frozenset(order)] += chance
    for chosen, chance in chances.items():
        orders = list(permutations(chosen))
        yield from ((order, chance / len(orders)) for order in orders)


def every_sequence(task):
    """Yield every sequence of a task as tokens, its (step, value) questions, and its chance."""
    count, size = task.pairs, task.vocabulary
    for order, chance in slot_orders(task):
        queries = [2 * count + 2 * slot for slot in order]
        free = [step for step in range(2 * count, task.length) if step not in queries]
        fillers = (
            list(product(range(2 * size), repeat=len(free))) if task.variant == "zoology" else [[2 * size] * len(free)]
        )
        for keys, values in product(permutations(range(size), count), repeat=2):
            tokens = [token for key, value in zip(keys, values, strict=True) for token in (key, size + value)]
            tokens += [0] * (task.length - len(tokens))
            for query, key in zip(queries, keys, strict=True):
                tokens[query] = key
            for filler in fillers:
                for step, token in zip(free, filler, strict=True):
                    tokens[step] = token
                yield tuple(tokens), list(zip(queries, values, strict=True)), chance / len(fillers)


def least_errors(task, clock):
    """Return the error of Bayes' rule for every window, from 0 to the whole, with or without knowledge of the time."""
    looks = [defaultdict(lambda: [0.0] * task.vocabulary) for _ in range(task.length + 1)]
    total = 0.0
    for tokens, asked, chance in every_sequence(task):
        for step, value in asked:
            total += chance
            for window, of_window in enumerate(looks):
                seen = tokens[max(step + 1 - window, 0) : step + 1]
                of_window[seen, step if clock else None][value] += chance
    return [1 - sum(max(chances) for chances in of_window.values()) / total for of_window in looks]


@pytest.mark.parametrize("spec", SMALL)
def test_floors_are_the_errors_of_bayes_rule_over_every_sequence(spec):
    task = registry.task(spec)
    found = least_errors(task, clock=True)
    assert [task.floor(window) for window in range(task.length + 1)] == pytest.approx(found, abs=1e-12)
    assert task.min_lag == next(window for window, error in enumerate(found) if error < 1e-12)


def test_the_time_tells_nothing_where_blanks_do():
    task = registry.task("recall_pairs:pairs=2,vocabulary=3,length=12")
    assert least_errors(task, clock=False) == pytest.approx(least_errors(task, clock=True), abs=1e-12)


def test_known_numbers():
    task = RecallPairs(pairs=2, vocabulary=4, length=12)
    assert task.floor(0) == 0.75
    assert task.floor(9) == pytest.approx(1 / 12)
    assert (task.min_lag, task.lag) == (10, 10)


@pytest.mark.parametrize(
    "spec", ["recall_pairs:pairs=4,vocabulary=6,length=24", "recall_pairs:vocabulary=40,variant=zoology"]
)
def test_who_guesses_among_the_values_that_are_left_reaches_the_floor(spec):
    """Reads the steps in its window: a pair that it holds, else the value that begins it, else a value not in it."""
    task = registry.task(spec)
    batch = drawn(task, 3000)
    steps, sequences = np.divmod(batch.scored.numpy(), 3000)
    tokens = batch.inputs.numpy()
    pairs, values = 2 * task.pairs, tokens[1 : 2 * task.pairs : 2].T - task.vocabulary
    place = (tokens[0:pairs:2][:, sequences] == tokens[steps, sequences]).argmax(0)
    unlike = np.stack([np.setdiff1d(np.arange(task.vocabulary), row) for row in values])
    generator = np.random.default_rng(0)
    for window in range(0, task.length + 1, 3):
        first = np.minimum(np.maximum(steps - window + 1, 0), pairs)
        hidden = (first + 1) // 2
        left = unlike.shape[1] + hidden  # values in no pair that is seen, those of hidden pairs the first of them
        guessed = np.where(first % 2, hidden - 1, generator.integers(np.maximum(left, 1)))
        errors = np.where(2 * place >= first, False, guessed != place)
        assert abs(errors.mean() - task.floor(window)) <= SIGMAS * errors.std() / 3000**0.5, window


def test_zoology_fills_every_step_and_asks_soon():
    task = registry.task("recall_pairs:pairs=4,vocabulary=16,length=64,variant=zoology")
    batch = drawn(task, DRAWS, held_out=False)
    tokens = batch.inputs[8:][~batch.mask[8:]]
    shares = tokens.bincount(minlength=32).double() / len(tokens)
    assert len(shares) == task.input_size == len(task.token_names) == 32
    assert (shares - 1 / 32).abs().max() < SIGMAS * (len(tokens) * 32) ** -0.5
    asked = batch.mask[8::2].double().mean(1)
    assert asked[0] > 0.7 > 4 * asked[-1]
    assert not batch.slices["held_out"].any()
    keys, values = batch.inputs[0:8:2], batch.inputs[1:8:2] - 16
    assert (values == (keys + 1) % 16).double().mean().item() == pytest.approx(1 / 16, abs=0.01)


# Places


def shares_by_hand(weights, count):
    found = np.zeros(len(weights))
    for order in permutations(range(len(weights)), count):
        chance, left = 1.0, sum(weights)
        for place in order:
            chance, left = chance * weights[place] / left, left - weights[place]
        found[list(order)] += chance
    return found


@pytest.mark.parametrize(
    ("size", "exponent", "count"), [(2, 0.99, 1), (6, 0.99, 4), (7, 0.5, 6), (5, 0.0, 2), (8, 2.0, 3)]
)
def test_shares_of_places_are_those_of_all_orders_of_drawing(size, exponent, count):
    found = shares_taken(size, exponent, count)
    assert found == pytest.approx(shares_by_hand(power_law(size, exponent), count), abs=1e-12)


@pytest.mark.parametrize(("size", "count"), [(60, 28), (250, 64), (64, 64)])
def test_places_are_drawn_by_their_shares_and_all_different(size, count):
    drawn_places = weighted(np.random.default_rng(0), power_law(size, 0.99), count, DRAWS)
    shares = shares_taken(size, 0.99, count)
    found = np.bincount(drawn_places.ravel(), minlength=size) / DRAWS
    assert found == pytest.approx(shares, abs=SIGMAS * 0.5 / DRAWS**0.5)
    assert shares.sum() == pytest.approx(count)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(shares))
    assert (np.diff(np.sort(drawn_places, axis=0), axis=0) > 0).all()


def test_different_places_come_in_every_order_alike():
    orders = different(np.random.default_rng(0), 4, 2, DRAWS)
    counts = np.unique(orders, axis=1, return_counts=True)[1]
    assert len(counts) == 12
    assert np.abs(counts / DRAWS - 1 / 12).max() < SIGMAS * (DRAWS * 12) ** -0.5

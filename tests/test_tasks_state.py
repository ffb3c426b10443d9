"""Tasks that keep a state: every answer worked out a plain way, one step at a time, and shapes drawn evenly."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks.brackets import Brackets, balanced
from longlag.tasks.cycle import Cycle
from longlag.tasks.flip_flop import FlipFlop
from longlag.tasks.group_words import GroupWords, product_table
from longlag.tasks.mod_arithmetic import ModArithmetic
from longlag.tasks.support.errors import UsageError

DRAWS = 10_000


def questions(batch):
    """List (inputs up to the question, target) of every question."""
    steps, sequences = np.divmod(batch.scored.numpy(), batch.mask.shape[1])
    tokens = batch.inputs.numpy()
    return [(tokens[: step + 1, column].tolist(), target) for step, column, target in zip(
        steps, sequences, batch.targets.tolist(), strict=True
    )]  # fmt: skip


def last_written(tokens):
    """Return the bit after the last write before a read, in a flip-flop sequence that ends with the read."""
    assert tokens[-1] == 1
    place = max(step for step in range(0, len(tokens) - 1, 2) if tokens[step] == 0)
    return tokens[place + 1] - 3


def kind_that_closes(tokens, kinds):
    """Return the kind of the innermost bracket that is open."""
    stack = []
    for token in tokens:
        stack = stack[:-1] if token >= kinds else [*stack, token]
    return stack[-1]


def value_of(tokens, modulus):
    """Evaluate an expression as Python does."""
    return eval("".join("+-*"[token - modulus] if token >= modulus else str(token) for token in tokens)) % modulus


def product_of(tokens, count):
    """Send every thing through one permutation after the other, and number where they end."""
    elements = list(permutations(range(count)))
    places = list(range(count))
    for token in tokens:
        places = [elements[token][place] for place in places]
    return elements.index(tuple(places))


RULES = {
    "parity:steps=3-9": lambda tokens: sum(tokens) % 2,
    "even_pairs:steps=2-9": lambda tokens: sum(a != b for a, b in pairwise(tokens)) % 2,
    "cycle:steps=1-9": lambda tokens: sum(token - 1 for token in tokens) % 5,
    "cycle:steps=9,places=7": lambda tokens: sum(token - 1 for token in tokens) % 7,
    "mod_arithmetic:digits=1-7": lambda tokens: value_of(tokens, 5),
    "mod_arithmetic:digits=4,modulus=10": lambda tokens: value_of(tokens, 10),
    "group_words:steps=2-9": lambda tokens: product_of(tokens, 3),
    "group_words:steps=9,group=S5": lambda tokens: product_of(tokens, 5),
    "flip_flop:instructions=10,acting=4": last_written,
    "brackets:depth=3,filler=5": lambda tokens: kind_that_closes(tokens, 3),
    "brackets:depth=1,filler=0,kinds=5": lambda tokens: kind_that_closes(tokens, 5),
}


@pytest.mark.parametrize("spec", RULES)
def test_every_answer_is_the_one_worked_out_step_by_step(spec):
    batch = drawn(registry.task(spec), 100)
    asked = questions(batch)
    assert asked
    assert [RULES[spec](tokens) for tokens, _ in asked] == [target for _, target in asked]


@pytest.mark.parametrize("name", ["parity", "even_pairs", "cycle", "group_words"])
def test_lengths_are_uniform_over_their_range_and_a_slice(name):
    task = registry.task(f"{name}:steps=3-6")
    batch = drawn(task, DRAWS)
    shares = batch.lengths.bincount(minlength=7)[3:].double() / DRAWS
    assert (shares - 0.25).abs().max() < SIGMAS * (0.25 * 0.75 / DRAWS) ** 0.5
    assert task.length == 6
    assert task.min_lag == 6
    assert (batch.inputs[batch.lengths.max() - 1 :, batch.lengths < 6] == 0).all()


@pytest.mark.parametrize("name", ["parity", "even_pairs", "cycle", "group_words"])
def test_one_length_needs_no_lengths(name):
    batch = drawn(registry.task(f"{name}:steps=4"), 10)
    assert batch.lengths is None
    assert "length" not in batch.slices
    assert registry.task(f"{name}:steps=4").min_lag == 4


def test_groups_are_groups_of_their_order():
    for group, order in (("S3", 6), ("A5", 60), ("S5", 120)):
        table = product_table(group)
        assert table.shape == (order, order)
        assert (np.sort(table) == np.arange(order)).all()
        a, b, c = np.random.default_rng(0).integers(order, size=(3, 500))
        assert (table[table[a, b], c] == table[a, table[b, c]]).all()
        assert (table[0] == np.arange(order)).all()
        assert (table != table.T).any(), "none of them is commutative"


def test_group_words_score_the_last_product_only():
    task = GroupWords()
    batch = drawn(task, 50)
    assert batch.mask.all()
    assert batch.headline.tolist() == [False] * (19 * 50) + [True] * 50


def test_modular_arithmetic_guesses_no_better_than_counting_over_all_short_expressions():
    every = np.array(np.meshgrid([0, 1, 2], [3, 4, 5], [0, 1, 2], indexing="ij")).reshape(3, -1).T.tolist()
    values = [value_of(tokens, 3) for tokens in every]
    for window in range(4):
        looks = {}
        for tokens, value in zip(every, values, strict=True):
            looks.setdefault(tuple(tokens[3 - window :]), Counter())[value] += 1
        right = sum(counts.most_common(1)[0][1] for counts in looks.values()) / len(every)
        assert ModArithmetic(digits=registry.task("mod_arithmetic:digits=2").digits, modulus=3).floor(
            window
        ) == pytest.approx(1 - right)


def test_flip_flop_instructions_have_their_shares():
    batch = drawn(FlipFlop(instructions=20, acting=7.2), DRAWS)
    instructions, bits = batch.inputs[::2], batch.inputs[1::2]
    assert (instructions[0] == 0).all()
    assert (instructions[-1] == 1).all()
    shares = instructions[1:-1].flatten().bincount().double() / instructions[1:-1].numel()
    assert shares.tolist() == pytest.approx([0.2, 0.2, 0.6], abs=0.01)
    assert set(bits.unique().tolist()) == {3, 4}
    assert torch.equal(batch.mask, batch.inputs == 1)


def test_flip_flop_slices_reads_by_the_last_instruction_that_was_not_ignored():
    batch = drawn(FlipFlop(instructions=15, acting=3.9), 200)
    for (tokens, _), low in zip(questions(batch), batch.slices["lag_at_least"].tolist(), strict=True):
        clue = max(step for step in range(0, len(tokens) - 1, 2) if tokens[step] != 2)
        assert low <= len(tokens) - 1 - (clue + 1) < 2 * low


def test_cycle_walks_begin_at_place_0():
    assert Cycle(steps=registry.task("cycle:steps=1").steps).floor(0) == pytest.approx(2 / 3)
    assert registry.task("cycle:steps=40").baseline_error == pytest.approx(0.8, abs=1e-9)


def test_balanced_fillers_are_uniform_over_all_shapes():
    moves = balanced(np.random.default_rng(0), 3, DRAWS)
    assert (moves.cumsum(0) >= 0).all()
    assert (moves.sum(0) == 0).all()
    counts = np.unique(moves, axis=1, return_counts=True)[1]
    assert len(counts) == 5, "the third Catalan number"
    assert np.abs(counts / DRAWS - 0.2).max() < SIGMAS * 0.4 / DRAWS**0.5


def test_outer_brackets_open_first_close_last_and_are_the_error():
    task = Brackets(depth=2, filler=3, kinds=2)
    batch = drawn(task, 200)
    headline = batch.scored[batch.headline]
    assert sorted(set((headline // 200).tolist())) == [task.length - 2, task.length - 1]
    assert torch.equal(batch.targets[batch.headline].view(2, 200), batch.inputs[:2].flip(0))
    assert int(batch.mask.sum()) == 5 * 200
    assert (task.lag, task.min_lag, task.length) == (8, 9, 9)
    depths = batch.slices["depth"]
    assert set(depths[batch.headline].tolist()) == {1, 2}
    assert int(depths.max()) == 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("flip_flop:instructions=1", "instructions must be from 2 to 50000, not 1"),
        ("flip_flop:acting=49", "acting must be at most 48, two less than the instructions, not 49"),
        ("parity:steps=1", "steps must be from 2 to 100000, not 1"),
        ("parity:steps=9-3", "steps"),
        ("even_pairs:steps=1-5", "steps must be from 2"),
        ("group_words:group=A4", "did you mean A5"),
        ("mod_arithmetic:modulus=1", "modulus must be from 2 to 10, not 1"),
        ("brackets:kinds=1", "kinds must be from 2 to 1000, not 1"),
        ("cycle:places=2", "places must be from 3 to 100, not 2"),
    ],
)
def test_bad_options_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.task(spec)

"""Tasks with marked steps: where the markers lie, what is asked, and what a rule reaches that sees the last steps."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn

from longlag import registry
from longlag.tasks.adding import Adding
from longlag.tasks.multiplication import Multiplication
from longlag.tasks.support.drawing import TwoMarkers
from longlag.tasks.support.errors import UsageError
from longlag.tasks.temporal_order import TemporalOrder
from longlag.tasks.xor import Xor

DRAWS = 10_000
MARKED = ["adding", "adding:variant=tcn2018", "adding:variant=pascanu2013,length=55", "multiplication"]
MARKED += ["adding:variant=hochreiter1997,length=55", "multiplication:variant=pascanu2013,length=55"]
MARKED += ["multiplication:variant=hochreiter1997,length=55", "xor"]


def by_sequence(batch):
    """Return values, markers and lengths of every sequence, (T, B), (T, B), (B,), and its target, (B,)."""
    values, markers = batch.inputs.double().numpy().transpose(2, 0, 1)
    steps, columns = np.divmod(batch.scored.numpy(), batch.mask.shape[1])
    targets = np.empty(len(columns))
    lengths = np.empty(len(columns), dtype=int)
    targets[columns], lengths[columns] = batch.targets.double().numpy().reshape(-1), steps + 1
    return values, markers, lengths, targets


def marked_steps(batch, column):
    """List the marked steps of a sequence as a 1997 paper would: the first step where only one other is seen."""
    _, markers, _, _ = by_sequence(batch)
    seen = np.flatnonzero(markers[:, column] == 1).tolist()
    return seen if len(seen) == 2 else [0, *seen]


def assert_share(found, expected, count):
    assert abs(found - expected) <= SIGMAS * math.sqrt(expected * (1 - expected) / count) + 1e-12


# Where the markers lie


@pytest.mark.parametrize("task", ["adding", "multiplication", "xor"])
def test_ordinary_sequences_have_a_marker_in_each_half_and_end_at_their_question(task):
    batch = drawn(registry.task(f"{task}:length=9"), 2000)
    _, markers, lengths, _ = by_sequence(batch)
    assert (markers[:4].sum(0) == 1).all()
    assert (markers[4:].sum(0) == 1).all()
    assert (markers.any(1)).all(), "every step is marked in some sequence"
    assert (lengths == 9).all()
    assert batch.lengths is None


def test_tcn2018_marks_any_two_steps_all_pairs_alike():
    _, markers, _, _ = by_sequence(drawn(Adding(length=5, variant="tcn2018"), DRAWS))
    assert (markers.sum(0) == 2).all()
    codes = (markers * 2.0 ** np.arange(5)[:, None]).sum(0)
    shares = np.unique(codes, return_counts=True)[1] / DRAWS
    assert len(shares) == 10
    assert np.abs(shares - 0.1).max() < SIGMAS * math.sqrt(0.09 / DRAWS)


@pytest.mark.parametrize("task", [Adding(110, "pascanu2013"), Multiplication(110, "pascanu2013")])
def test_pascanu2013_marks_the_first_tenth_and_the_next_four_of_lengths_from_100_to_109(task):
    values, markers, lengths, _ = by_sequence(drawn(task, DRAWS))
    assert set(lengths.tolist()) == set(range(100, 110))
    assert (markers.sum(0) == 2).all()
    first, second = markers.argmax(0), len(markers) - 1 - markers[::-1].argmax(0)
    tenth = lengths // 10
    assert (first < tenth).all()
    assert ((second >= tenth) & (second < tenth + lengths * 4 // 10)).all()
    assert set(first[lengths == 104].tolist()) == set(range(10))
    assert set(second.tolist()) == set(range(10, 53))
    assert (values >= 0).all()
    assert (values[:100].max(1) > 0.99).all()


@pytest.mark.parametrize("task", [Adding(110, "hochreiter1997"), Multiplication(110, "hochreiter1997")])
def test_hochreiter1997_marks_one_of_ten_and_one_of_49_others_of_lengths_from_100_to_110(task):
    batch = drawn(task, DRAWS)
    values, markers, lengths, _ = by_sequence(batch)
    assert set(lengths.tolist()) == set(range(100, 111))
    column = np.arange(DRAWS)
    assert (markers[0] == -1).all()
    assert (markers[lengths - 1, column] == -1).all()
    assert (np.isin(markers, (-1, 0, 1))).all()
    seen = (markers == 1).sum(0)
    assert set(seen.tolist()) == {1, 2}
    assert_share((seen == 1).mean(), 0.1 + 0.9 / 48, DRAWS)
    first = (markers == 1).argmax(0)
    last = len(markers) - 1 - (markers == 1)[::-1].argmax(0)
    assert (first[seen == 2] < 10).all()
    assert set(last.tolist()) == set(range(1, 49))
    neutral = 0 if isinstance(task, Adding) else 1
    assert (values[0, seen == 1] == neutral).all()
    assert (values[0, seen == 2] != neutral).all()
    padded = np.arange(len(values))[:, None] >= lengths
    assert (values[padded] == 0).all()
    assert (markers[padded] == 0).all()


def test_values_of_hochreiter1997_fill_their_interval():
    adding, _, _, _ = by_sequence(drawn(Adding(110, "hochreiter1997"), 1000))
    product_values, _, _, _ = by_sequence(drawn(Multiplication(110, "hochreiter1997"), 1000))
    assert adding.min() < -0.99
    assert product_values.min() == 0
    assert adding.max() > 0.99
    assert abs(adding[1:100].mean()) < 0.01
    assert product_values[1:100].mean() == pytest.approx(0.5, abs=0.01)


# What is asked


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        ("adding:variant=tcn2018,length=30", lambda a, b: a + b),
        ("adding:variant=pascanu2013,length=30", lambda a, b: (a + b) / 2),
        ("adding:variant=hochreiter1997,length=30", lambda a, b: 0.5 + (a + b) / 4),
        ("multiplication:length=30", lambda a, b: a * b),
        ("multiplication:variant=pascanu2013,length=30", lambda a, b: a * b),
        ("multiplication:variant=hochreiter1997,length=30", lambda a, b: a * b),
        ("xor:length=30", lambda a, b: float(a != b)),
    ],
)
def test_targets_are_those_of_the_two_marked_values(spec, rule):
    batch = drawn(registry.task(spec), 300)
    values, _, _, targets = by_sequence(batch)
    by_hand = [rule(*values[marked_steps(batch, column), column]) for column in range(300)]
    assert targets == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "right", "wrong"),
    [
        ("adding:variant=pascanu2013", 0.199, 0.201),
        ("adding:variant=hochreiter1997", 0.0399, 0.0401),
        ("multiplication:variant=pascanu2013", -0.199, -0.201),
        ("multiplication:variant=hochreiter1997", -0.0399, -0.0401),
    ],
)
def test_an_answer_is_wrong_from_the_papers_tolerance_on(spec, right, wrong):
    task = registry.task(spec)
    batch = drawn(task, 4)
    assert task.errors(batch.targets + right, batch).tolist() == [0] * 4
    assert task.errors(batch.targets + wrong, batch).tolist() == [1] * 4
    assert task.errors(batch.targets + torch.nan, batch).tolist() == [1] * 4
    assert task.error_name.endswith("(share)")


# Floors


def answer_from(spec, values, markers, lengths, window):
    """Answer as well as anyone can who sees the last steps only: by what is marked there and what is not."""
    task = registry.task(spec)
    steps = np.arange(len(values))[:, None]
    seen = (steps >= lengths - window) & (steps < lengths) & (markers == 1)
    whole = window >= lengths
    count = seen.sum(0)
    sums = (seen * values).sum(0)
    products = np.where(seen, values, 1).prod(0)
    if "hochreiter1997" in spec:
        count = np.where(whole, 2, count)  # the first step is then known to be neutral where only one other is marked
    if isinstance(task, Adding):
        missing = (2 - count) * (0 if "hochreiter1997" in spec else 0.5)
        answer = sums + missing
        return {"pascanu2013": answer / 2, "hochreiter1997": 0.5 + answer / 4}.get(task.variant, answer)
    if isinstance(task, Xor):
        return np.where(count == 2, sums % 2, 0)
    if task.variant == "halves":
        return products * 0.5 ** (2 - count)
    tolerance = {"pascanu2013": 0.2, "hochreiter1997": 0.04}[task.variant]
    guess = np.where(count == 1, np.maximum(products - tolerance + 1e-6, tolerance), tolerance)
    return np.where(count == 2, products, guess)


@pytest.mark.parametrize("spec", MARKED)
@pytest.mark.parametrize("key", [0, *(pytest.param(key, marks=pytest.mark.slow) for key in range(1, 11))])
def test_floors_are_what_the_best_rule_on_the_last_steps_gets(spec, key):
    task = registry.task(spec)
    batch = drawn(task, DRAWS, key)
    values, markers, lengths, targets = by_sequence(batch)
    for window in (0, 1, task.length // 4, task.length // 2, task.length * 3 // 4, task.length - 3, task.length):
        away = answer_from(spec, values, markers, lengths, window) - targets
        tolerance = {"pascanu2013": 0.2, "hochreiter1997": 0.04}.get(getattr(task, "variant", ""))
        errors = np.square(away) if tolerance is None else (np.abs(away) > tolerance - 1e-7).astype(float)
        assert abs(errors.mean() - task.floor(window)) <= SIGMAS * max(errors.std(), 0.01) / math.sqrt(DRAWS), window


@pytest.mark.parametrize("spec", MARKED)
def test_no_constant_beats_the_baseline(spec):
    task = registry.task(spec)
    batch = drawn(task, DRAWS)
    for constant in np.linspace(0, 1.2, 61):
        answers = torch.full((DRAWS, task.output_size), float(constant))
        answers[:, 0] += (constant > 0.6) * (task.output_size - 1)  # of two classes one or the other
        errors = task.errors(answers, batch)
        assert errors.mean().item() > task.baseline_error - SIGMAS * errors.std().item() / math.sqrt(DRAWS)


def test_baselines_are_those_that_are_known():
    assert Adding().baseline_error == pytest.approx(1 / 6)
    assert Adding(variant="tcn2018").baseline_error == pytest.approx(1 / 6)
    assert Adding(110, "pascanu2013").baseline_error == pytest.approx(0.36)
    assert Adding(110, "hochreiter1997").baseline_error == pytest.approx(0.846, abs=0.001)
    assert Multiplication().baseline_error == pytest.approx(7 / 144)
    assert Multiplication().partial_floors == {"one of the two values": pytest.approx(1 / 36)}
    assert TemporalOrder().baseline_error == 0.75
    assert TemporalOrder(marked=3).baseline_error == 0.875


def test_variances_of_1997_are_those_simulated_before():
    _, _, _, sums = by_sequence(drawn(Adding(110, "hochreiter1997"), 10 * DRAWS))
    _, _, _, products = by_sequence(drawn(Multiplication(110, "hochreiter1997"), 10 * DRAWS))
    assert sums.var() == pytest.approx(0.039, abs=0.001)
    assert products.var() == pytest.approx(0.058, abs=0.002)
    assert products.mean() == pytest.approx(0.275, abs=0.01)


@pytest.mark.parametrize("rule", ["halves", "anywhere", "tenths", "first_ten"])
@pytest.mark.parametrize("above", [0, 1])
def test_shares_of_unseen_markers_are_those_of_all_pairs_counted_one_by_one(rule, above):
    markers = TwoMarkers(rule, 33)
    for window in range(35):
        shares = np.zeros(3)
        for length in markers.lengths:
            first, second = markers.spans(length)
            pairs = [(p, q) for p, q in product(range(*first), range(*second)) if p != q]
            for p, q in pairs:
                unseen = (p < length - window) + (q < length - window)
                shares[unseen] += (min(p, q) >= above) / len(pairs) / len(markers.lengths)
        assert markers.unseen(window, above) == pytest.approx(tuple(shares[1:]))


def test_the_guaranteed_distance_of_1997_is_half_a_sequence():
    task = Adding(110, "hochreiter1997")
    assert task.floor(50) == task.baseline_error
    assert task.min_lag > 90


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adding:length=25,variant=hochreiter1997", "hochreiter1997 needs a length of at least 26, not 25"),
        ("adding:variant=hochreiter", "did you mean hochreiter1997"),
        ("multiplication:length=10,variant=pascanu2013", "pascanu2013 needs a length of at least 11, not 10"),
        ("temporal_order:length=10", "hochreiter1997 needs a length of 11 or more, not 10"),
        ("temporal_order:marked=4", "marked must be from 2 to 3, not 4"),
        ("xor:length=1", "length must be from 2 to 100000, not 1"),
    ],
)
def test_bad_options_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.task(spec)


@pytest.mark.parametrize("spec", ["adding:length=26,variant=hochreiter1997", "adding:length=11,variant=pascanu2013"])
def test_the_shortest_sequences_allowed_can_be_drawn(spec):
    task = registry.task(spec)
    drawn(task, 100)
    assert 0 < task.min_lag <= task.length


def test_a_named_default_is_the_task_as_it_was():
    assert Adding(variant="arjovsky2016").spec == "adding"
    assert registry.task("copy:variant=fixed").spec == "copy"

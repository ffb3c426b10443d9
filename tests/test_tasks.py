"""What every task promises, and the answers and floors of copy and adding worked out another way."""

import doctest
import importlib
import math
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.checks.tasks import check_task
from longlag.tasks.adding import Adding, marked_sum
from longlag.tasks.copy import Copy, copy_inputs
from longlag.tasks.support.drawing import ask_once
from longlag.values.seeding import stream

NEEDS_LIBRARY = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="needs the extra: pip install 'longlag[digits]'"
)
TASKS = [pytest.param(name, marks=[NEEDS_LIBRARY] * (name == "digits")) for name in registry.names("task")]
BATCH = 6


def draw(task, seed=0, update=1, size=BATCH, held_out=False):
    return task.draw(stream("batches", task.spec, seed).generator(update), size, held_out)


@pytest.fixture(params=TASKS)
def task(request):
    return registry.task(request.param)


def outputs_for(task, batch):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(int(batch.mask.sum()), task.output_size, generator=generator)


def test_every_task_passes_its_check(task):
    assert [one.line for one in check_task(task.spec, timed=False, hunted=False) if not one.ok] == []


WITHOUT_LAST_TARGET = {
    *("agreement", "agreement_constructions", "brackets", "counting", "digits", "flip_flop", "recall", "recall_pairs"),
    *("sentiment", "sentiment_before"),
}
"""Where a sequence with one symbol exchanged may have no right answer."""


def test_tasks_tell_the_last_target_by_inputs_alone_where_any_inputs_have_one(task):
    batch = draw(task)
    last = torch.full((BATCH,), len(batch.mask) - 1)
    assert (task.last_target(batch.inputs, last) is None) == (task.name() in WITHOUT_LAST_TARGET)


def test_scored_steps_are_places_in_time_major_order(task):
    batch = draw(task)
    assert batch.scored.tolist() == [place for place, asked in enumerate(batch.mask.flatten().tolist()) if asked]


def test_without_memory_the_floor_is_the_baseline(task):
    assert task.floor(0) == task.baseline_error > 0
    assert task.score(task.baseline_error) == 0
    assert task.score(0.0) == 1


def test_a_task_says_what_it_is(task):
    described = (task.reference, task.reduction, task.error_name)
    assert all(isinstance(text, str) and text and "\n" not in text for text in described)
    assert isinstance(task.causal, bool)
    assert task.lag >= 1


def test_a_task_has_an_example_that_runs(task):
    module = importlib.import_module(type(task).__module__)
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert examples, f"{module.__name__} shows no answer in a docstring"
    results = [doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test) for test in examples]
    assert sum(result.failed for result in results) == 0


def test_a_stored_example_gives_finite_named_numbers(task):
    batch = task.example()
    numbers = {} if batch is None else task.read_example(outputs_for(task, batch))
    assert all(name and math.isfinite(number) for name, number in numbers.items())


# Copy


def test_copy_lays_out_items_blanks_marker_and_recall():
    inputs = copy_inputs(np.array([[2, 0], [1, 1], [0, 2]]), blanks=4, symbols=3)
    assert inputs.T.tolist() == [[2, 1, 0, 3, 3, 3, 4, 3, 3, 3], [0, 1, 2, 3, 3, 3, 4, 3, 3, 3]]


def test_copy_asks_for_the_items_in_their_order_lag_steps_later():
    task = Copy(items=3, symbols=5, blanks=4)
    batch = draw(task)
    assert len(batch.inputs) == task.length == 10
    steps = batch.mask.nonzero()[:, 0].reshape(3, BATCH)
    assert (steps == torch.tensor([[7], [8], [9]])).all()
    assert torch.equal(batch.targets.reshape(3, BATCH), batch.inputs[:3])
    assert (steps - task.lag == torch.arange(3).unsqueeze(1)).all()
    assert torch.equal(batch.slices["position"].reshape(3, BATCH), torch.arange(3).unsqueeze(1).expand(3, BATCH))


def test_copy_counts_wrong_symbols():
    task = Copy(items=2, symbols=3, blanks=1)
    batch = draw(task, size=2)
    answers = torch.nn.functional.one_hot(batch.targets, 3).float()
    assert task.errors(answers, batch).tolist() == [0, 0, 0, 0]
    assert task.errors(answers.roll(1, dims=1), batch).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("window", [0, 6, 7])
def test_copys_floor_is_what_the_best_look_at_the_last_steps_gets(window):
    """Answers each recall step with the most frequent target among the sequences whose last steps look the same."""
    task = Copy(items=2, symbols=3, blanks=4)
    batch = draw(task, size=100_000)
    wrong = []
    for position, step in enumerate((6, 7)):
        seen = batch.inputs[max(step + 1 - window, 0) : step + 1]
        code = (seen * (task.input_size ** torch.arange(len(seen))).unsqueeze(1)).sum(0)
        _, look = code.unique(return_inverse=True)
        targets = batch.targets.reshape(2, -1)[position]
        counts = torch.zeros(int(look.max()) + 1, 3).index_put_((look, targets), torch.tensor(1.0), accumulate=True)
        wrong.append((counts.argmax(1)[look] != targets).double().mean())
    assert torch.stack(wrong).mean().item() == pytest.approx(task.floor(window), abs=0.005)


@pytest.mark.parametrize(("items", "below"), [(1, 0.01), (10, 0.01), (100, 0.5 * 0.01 * 7 / 8)])
def test_copy_is_not_solved_by_all_items_but_one(items, below):
    assert Copy(items=items).solved_below == pytest.approx(below)


# Adding


def test_adding_sums_the_two_marked_values_of_a_hand_made_list():
    values, markers = [0.25, 0.9, 0.5, 0.125], [1.0, 0.0, 0.0, 1.0]
    assert marked_sum(np.array([values, markers]).T[:, None]).tolist() == [0.375]


@pytest.mark.parametrize("length", [2, 3, 9, 10])
def test_adding_marks_one_value_in_each_half_and_asks_at_the_end(length):
    task = Adding(length=length)
    batch = draw(task, size=500)
    values, markers = batch.inputs.unbind(2)
    half = length // 2
    assert (markers[:half].sum(0) == 1).all()
    assert (markers[half:].sum(0) == 1).all()
    assert set(markers.unique().tolist()) <= {0, 1}
    assert markers.any(1).all(), "every step is marked in some sequence"
    assert ((values >= 0) & (values < 1)).all()
    by_hand = [sum(v for v, m in zip(*column, strict=True) if m) for column in zip(
        values.T.tolist(), markers.T.tolist(), strict=True
    )]  # fmt: skip
    torch.testing.assert_close(batch.targets.squeeze(1), torch.tensor(by_hand))
    assert batch.mask.nonzero()[:, 0].tolist() == [length - 1] * 500


def test_adding_errs_by_the_square():
    batch = draw(Adding(length=4), size=3)
    errors = Adding(length=4).errors(batch.targets + torch.tensor([[0.0], [0.5], [-1.0]]), batch)
    torch.testing.assert_close(errors, torch.tensor([0.0, 0.25, 1.0]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [20, 21])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_addings_floor_is_what_an_oracle_with_the_last_steps_gets(length, quarters):
    """The oracle adds the marked values that it sees and takes the mean, 1/2, for each marker it misses."""
    task = Adding(length=length)
    batch = draw(task, size=100_000)
    window = quarters * length // 4
    values, markers = batch.inputs.double()[length - window :].unbind(2)
    answers = (values * markers).sum(0) + 0.5 * (2 - markers.sum(0))
    squares = (answers - batch.targets.squeeze(1)).square()
    deviation = squares.std().item() / math.sqrt(len(squares))
    assert abs(squares.mean().item() - task.floor(window)) < 4 * deviation


def test_addings_baseline_is_the_constant_one():
    task = Adding(length=100)
    batch = draw(task, size=100_000)
    errors = task.errors(torch.ones_like(batch.targets), batch)
    deviation = errors.std().item() / math.sqrt(len(errors))
    assert task.baseline_error == pytest.approx(1 / 6)
    assert abs(errors.mean().item() - task.baseline_error) < 4 * deviation


def test_copys_baseline_is_any_constant_symbol():
    task = Copy()
    batch = draw(task, size=10_000)  # ten answers each
    answers = torch.zeros(len(batch.targets), 8)
    answers[:, 3] = 1
    assert task.errors(answers, batch).mean().item() == pytest.approx(task.baseline_error, abs=4 * 0.33 / 316)


def test_slices_stand_in_the_order_of_the_answers():
    targets, steps = np.array([7, 8, 9]), np.array([2, 0, 1])
    batch = ask_once(torch.zeros(3, 3), targets, steps, {"lag": 10 * steps, "answer": targets})
    assert batch.targets.tolist() == batch.slices["answer"].tolist() == [8, 9, 7]
    assert batch.slices["lag"].tolist() == [0, 10, 20]

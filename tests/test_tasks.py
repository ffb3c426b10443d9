"""What every task promises, and the answers and floors of copy and adding worked out another way."""

import doctest
import importlib
import math
import random
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch

from bench import registry
from bench.seeding import stream
from tasks.adding import Adding, marked_sum
from tasks.base import Batch
from tasks.copy import Copy, copy_inputs

TASKS = registry.names("task")
BATCH = 6


def draw(task, seed=0, update=1, size=BATCH, held_out=False):
    return task.draw(stream("batches", task.spec, seed).generator(update), size, held_out)


def tensors_of(batch):
    """Name every tensor of a batch."""
    parts = {item.name: getattr(batch, item.name) for item in fields(Batch)}
    nested = {f"{group}.{name}": value for group in ("slices", "notes") for name, value in parts.pop(group).items()}
    return {name: value for name, value in (parts | nested).items() if value is not None}


def same(one, other):
    ours, theirs = tensors_of(one), tensors_of(other)
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.fixture(params=TASKS)
def task(request):
    return registry.task(request.param)


def outputs_for(task, batch):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(int(batch.mask.sum()), task.output_size, generator=generator)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_batch_has_the_promised_shapes_and_types(task, held_out):
    batch = draw(task, held_out=held_out)
    steps = batch.mask.shape[0]
    assert batch.mask.shape == (steps, BATCH)
    assert steps <= task.length
    assert batch.mask.dtype == torch.bool
    assert batch.mask.any(0).all(), "every sequence is asked something"
    inputs = (torch.int64, (steps, BATCH)) if task.tokens else (torch.float32, (steps, BATCH, task.input_size))
    assert (batch.inputs.dtype, batch.inputs.shape) == inputs
    scored = int(batch.mask.sum())
    classes = not batch.targets.is_floating_point()
    targets = (torch.int64, (scored,)) if classes else (torch.float32, (scored, task.output_size))
    assert (batch.targets.dtype, batch.targets.shape) == targets
    assert batch.scored.tolist() == [place for place, asked in enumerate(batch.mask.flatten().tolist()) if asked]


def test_tokens_and_classes_are_within_range(task):
    batch = draw(task, size=200)
    limits = [(batch.inputs, task.input_size)] if task.tokens else []
    limits += [] if batch.targets.is_floating_point() else [(batch.targets, task.output_size)]
    assert all(int(values.min()) >= 0 and int(values.max()) < limit for values, limit in limits)
    assert batch.inputs.isfinite().all()
    assert batch.targets.isfinite().all()


def test_lengths_bound_what_is_scored(task):
    batch = draw(task, size=50)
    lengths = torch.full((50,), len(batch.mask)) if batch.lengths is None else batch.lengths
    assert (lengths.shape, lengths.dtype) == ((50,), torch.int64)
    assert not batch.mask[torch.arange(len(batch.mask)).unsqueeze(1) >= lengths].any()


def test_errors_slices_and_headline_speak_of_the_same_answers(task):
    batch = draw(task, size=50)
    errors = task.errors(outputs_for(task, batch), batch)
    assert errors.ndim == 1
    assert (errors >= 0).all()
    assert all(values.shape == errors.shape and values.dtype == torch.int64 for values in batch.slices.values())
    headline = torch.ones_like(errors, dtype=torch.bool) if batch.headline is None else batch.headline
    assert (headline.shape, headline.dtype) == (errors.shape, torch.bool)


def test_the_loss_is_one_number_with_a_gradient(task):
    batch = draw(task)
    outputs = outputs_for(task, batch).requires_grad_()
    loss = task.loss(outputs, batch)
    loss.backward()
    assert loss.shape == ()
    assert outputs.grad is not None
    assert (outputs.grad != 0).any(1).all(), "every scored step takes part"


def test_the_same_stream_and_update_give_the_same_batch(task):
    assert same(draw(task), draw(task))


@pytest.mark.parametrize("change", [{"seed": 1}, {"update": 2}])
def test_another_seed_or_update_gives_another_batch(task, change):
    assert not torch.equal(draw(task).inputs, draw(task, **change).inputs)


def test_a_batch_does_not_depend_on_the_draws_before_it(task):
    for update in (1, 2, 3):
        draw(task, update=update)
    assert same(draw(task, update=4), registry.find("task", task.name())().draw(
        stream("batches", task.spec, 0).generator(4), BATCH
    ))  # fmt: skip


def test_drawing_leaves_the_global_random_states_alone(task):
    np.random.seed(1)
    torch.manual_seed(1)
    random.seed(1)
    before = (str(np.random.get_state()), torch.get_rng_state(), random.getstate())
    first = draw(task)
    assert str(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert random.getstate() == before[2]
    np.random.seed(2)
    torch.manual_seed(2)
    random.seed(2)
    assert same(first, draw(task))


def test_a_longer_window_never_has_a_higher_floor(task):
    floors = [task.floor(window) for window in range(task.length + 2)]
    assert all(later <= earlier for earlier, later in pairwise(floors))
    assert floors[-1] == 0


def test_without_memory_the_floor_is_the_baseline(task):
    assert task.floor(0) == task.baseline_error > 0
    assert task.score(task.baseline_error) == 0
    assert task.score(0.0) == 1


def test_solved_lies_under_every_partial_floor(task):
    assert 0 < task.solved_below < min([task.baseline_error, *task.partial_floors.values()])


def test_min_lag_is_the_smallest_window_that_can_solve(task):
    assert task.floor(task.min_lag) < task.solved_below <= task.floor(task.min_lag - 1)
    assert 0 < task.min_lag <= task.length


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
    assert marked_sum(torch.tensor([values, markers]).T.unsqueeze(1)).tolist() == [0.375]


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

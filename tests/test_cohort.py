"""A trial's numbers do not depend on its company, and each way to end is reached by its rule."""

import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench import ambient, evaluation, registry, training
from bench.evaluation import Evaluation
from bench.gradients import write_gradients
from bench.ledger import Account
from bench.network import Network
from bench.record import HIGH_LOSS, Interval, Record
from bench.trial import Status, Trial
from tasks.adding import Adding

COPY, ADDING, AGREEMENT = "copy:items=2,symbols=3,blanks=3", "adding:length=7", "agreement:nouns=0-1"
TASKS = [spec for spec in (COPY, ADDING, AGREEMENT) if spec.partition(":")[0] in registry.names("task")]
BASE = Trial(COPY, "rnn", "none", 0.01, 0, hidden_size=5, batch_size=3, updates=6, eval_every=3)


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    """Evaluate on few sequences: what is tested here does not depend on how many."""
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 80)


def results_of(*trials):
    """Train a cohort and return results by trial, without what may differ."""
    finished = []
    training.train(trials, finished.append)
    assert len(finished) == len(trials), "every trial ends in exactly one result"
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def rows_after(*trials, updates):
    """Return each trial's parameters after a number of updates, whatever evaluations say."""
    with ambient.arithmetic():
        cohort = training.Cohort(trials, {})
        while cohort.update < updates:
            cohort.advance()
            cohort.intervals()
    return {record.trial: row for record, row in zip(cohort.records, cohort.parameters, strict=True)}


# Promise: the same bytes in any company

SIZES = [(5, 3), (7, 3), (33, 8)]


@pytest.mark.parametrize(("hidden_size", "batch_size"), SIZES)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("task", TASKS)
def test_alone_in_a_cohort_and_in_another_order_give_the_same_result(task, cell, hidden_size, batch_size):
    base = replace(BASE, task=task, cell=cell, hidden_size=hidden_size, batch_size=batch_size)
    trials = [
        replace(base, clip=clip, lr=lr, seed=seed)
        for clip, lr, seed in [
            ("none", 0.01, 0), ("norm:0.1", 0.01, 0), ("value:0.01", 0.03, 1), ("norm:0.1", 0.1, 2), ("norm:9", 1.0, 0),
        ]
    ]  # fmt: skip
    together = results_of(*trials)
    assert together == results_of(*reversed(trials))
    for trial in trials:
        assert results_of(trial)[trial] == together[trial]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd:momentum=0.9", "rmsprop"])
def test_company_changes_nothing_for_any_optimiser(optimizer, dtype):
    base = replace(BASE, optimizer=optimizer, dtype=dtype, layers=2, weight_decay=0.01, schedule="cosine")
    trials = [replace(base, seed=seed, lr=lr) for seed, lr in enumerate((0.01, 0.02, 0.03))]
    together = results_of(*trials)
    assert results_of(trials[1])[trials[1]] == together[trials[1]]


@pytest.mark.parametrize("lr", [1e39, 1e4])
def test_a_neighbour_that_diverges_or_explodes_changes_nothing(lr):
    trials = [replace(BASE, seed=seed, updates=9) for seed in range(3)]
    wild = replace(BASE, clip="norm:1", lr=lr, seed=1, updates=9)
    beside = results_of(wild, *trials)
    assert beside.pop(wild).status in (Status.DIVERGED, Status.EXPLODED)
    assert beside == results_of(*trials)


def test_a_neighbour_that_solves_early_and_leaves_changes_nothing(monkeypatch):
    trials = [replace(BASE, seed=seed, updates=15) for seed in range(4)]
    alone = results_of(*trials[1:])
    leaving = Network.for_task(registry.cell("rnn"), registry.task(COPY), 5).initial_row(0)
    plain = evaluation.evaluate
    rows_seen = []

    def evaluate(network, task, row):
        rows_seen.append(row)
        found = plain(network, task, row)
        is_first = len(rows_seen) in (1, 5)  # the first row at each of the first two evaluations
        return replace(found, error=0.0) if is_first else found

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.setattr(evaluation, "confirm", lambda *_: 0.0)
    beside = results_of(*trials)
    assert torch.equal(rows_seen[0], torch.from_numpy(leaving).float()), "the row that leaves is the one meant"
    left = beside.pop(trials[0])
    assert (left.status, left.updates) == (Status.SOLVED, 3)
    assert beside == alone
    assert {result.updates for result in beside.values()} == {15}


def test_how_often_a_trial_is_evaluated_does_not_change_its_weights():
    rows = [rows_after(replace(BASE, updates=12, eval_every=every), updates=12) for every in (1, 3, 5, 12, 100)]
    first, *others = [row for (row,) in (found.values() for found in rows)]
    assert all(torch.equal(first, other) for other in others)


def test_evaluations_come_at_fixed_updates_and_at_the_end():
    result = results_of(replace(BASE, updates=8, eval_every=3))[replace(BASE, updates=8, eval_every=3)]
    assert [point.update for point in result.measurements] == [0, 3, 6, 8]
    assert result.status is Status.UNSOLVED
    assert result.updates == 8


def test_training_leaves_the_global_random_states_alone():
    np.random.seed(1)
    torch.manual_seed(1)
    random.seed(1)
    before = (str(np.random.get_state()), torch.get_rng_state(), random.getstate())
    first = results_of(BASE)
    assert str(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert random.getstate() == before[2]
    np.random.seed(2)
    torch.manual_seed(2)
    random.seed(2)
    assert results_of(BASE) == first


def test_the_callers_threads_change_nothing_and_are_given_back():
    trial = replace(BASE, hidden_size=64, batch_size=64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = results_of(trial)
        torch.set_num_threads(2)
        two = results_of(trial)
        threads = []
        training.train([trial], lambda result: threads.append(torch.get_num_threads()))
        assert threads == [1], "how a product is cut between threads may decide its rounding"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert one == two


def smallest_halved():
    smallest, half = sys.float_info.min, 0.5
    return smallest * half


def test_subnormal_numbers_are_zero_while_it_trains_and_only_then():
    seen = []
    training.train([BASE], lambda result: seen.append(smallest_halved()))
    assert seen == [0.0], "a gradient that fades away must not be paid for a hundredfold"
    assert smallest_halved() > 0
    torch.set_flush_denormal(True)
    try:
        training.train([BASE], lambda result: None)
        assert smallest_halved() == 0.0, "what the caller had set is given back"
    finally:
        torch.set_flush_denormal(False)


def test_a_cohort_is_of_one_kind():
    with pytest.raises(AssertionError, match="differ in seed, lr and clip only"):
        training.Cohort([BASE, replace(BASE, hidden_size=6)], {})


# Clips are compared on the same data and the same initial weights


def test_clips_and_rates_start_from_the_same_weights_and_draw_the_same_batches():
    trials = [replace(BASE, clip=clip, lr=lr) for clip in ("none", "norm:1", "value:0.1") for lr in (0.1, 0.01)]
    cohort = training.Cohort(trials, {})
    assert all(torch.equal(row, cohort.parameters[0]) for row in cohort.parameters)
    cohort.update = 1
    batches = cohort._batches()
    assert all(torch.equal(batch.inputs, batches[0].inputs) for batch in batches)
    cohort.update = 2
    assert not torch.equal(cohort._batches()[0].inputs, batches[0].inputs)


def test_a_clip_that_never_acts_trains_the_same_weights_as_none():
    none, never, acting = (replace(BASE, clip=clip, updates=20) for clip in ("none", "norm:1e9", "norm:0.01"))
    rows = rows_after(none, never, acting, updates=20)
    assert torch.equal(rows[none], rows[never])
    assert not torch.equal(rows[none], rows[acting])
    results = results_of(none, never)
    assert results[never].clipped_fraction == 0
    assert replace(results[none], trial=never) == results[never]


def test_float64_trains_in_float64():
    (row,) = rows_after(replace(BASE, dtype="float64"), updates=2).values()
    assert row.dtype == torch.float64
    (low,) = rows_after(BASE, updates=2).values()
    torch.testing.assert_close(row.float(), low, rtol=1e-3, atol=1e-5)


# Frozen: twenty updates of one trial

FROZEN = replace(BASE, task=ADDING, cell="lstm", clip="norm:0.5", lr=0.01, hidden_size=7, updates=20, eval_every=20)
FROZEN_LOSSES = [
    1.517596, 0.8272859, 0.6222673, 0.8614376, 0.7981081,
    0.6885526, 0.4151021, 0.4566759, 0.350976, 0.08390275,
    0.0727025, 0.05801115, 0.1588349, 0.2555519, 0.2891576,
    0.02105021, 0.1203917, 0.1917403, 0.1085827, 0.01666715,
]  # fmt: skip


def test_twenty_updates_give_the_stored_losses():
    cohort = training.Cohort([FROZEN], {})
    cohort.advance()
    (interval,) = cohort.intervals()
    assert interval.losses.tolist() == pytest.approx(FROZEN_LOSSES, rel=1e-5)


# Ends


def replaced_gradients(monkeypatch, update, entry):
    """Let the backward pass of one update leave this entry in the first row."""
    calls = []

    def write(*given):
        calls.append(1)
        losses, gradients = write_gradients(*given), given[3]
        if len(calls) == update:
            gradients[0, 0] = entry
        return losses

    monkeypatch.setattr(training, "write_gradients", write)


def test_a_rate_beyond_float32_diverges_in_the_parameters():
    (result,) = results_of(replace(BASE, lr=1e39)).values()
    assert (result.status, result.diverged_at, result.diverged_in) == (Status.DIVERGED, 1, "parameters")
    assert (result.error, result.updates, result.exploded_at) == (None, 1, None)
    assert [point.update for point in result.measurements] == [0]


def test_a_rate_that_makes_the_parameters_jump_explodes():
    (result,) = results_of(replace(BASE, lr=1e4)).values()
    assert (result.status, result.exploded_at, result.updates) == (Status.EXPLODED, 1, 1)
    assert result.error is not None
    assert [point.update for point in result.measurements] == [0, 1]


def test_without_the_jump_rule_a_wild_rate_diverges_in_the_loss(monkeypatch):
    monkeypatch.setattr(training, "JUMP", float("inf"))
    wild = replace(BASE, task=ADDING, cell="rnn:nonlinearity=relu", lr=1e30)
    (result,) = results_of(wild).values()
    assert (result.status, result.diverged_at, result.diverged_in) == (Status.DIVERGED, 2, "loss")


@pytest.mark.parametrize(("clip", "entry"), [
    ("none", np.inf), ("none", np.nan), ("norm:1", np.inf), ("norm:1", np.nan), ("value:1", np.nan),
])  # fmt: skip
def test_a_non_finite_gradient_that_passes_the_clip_diverges(monkeypatch, clip, entry):
    replaced_gradients(monkeypatch, update=2, entry=entry)
    (result,) = results_of(replace(BASE, clip=clip)).values()
    assert (result.status, result.diverged_at, result.diverged_in) == (Status.DIVERGED, 2, "gradient")
    assert result.updates == 2
    assert result.grad_norm_max is not None
    assert np.isfinite(result.grad_norm_max)


def test_an_infinite_gradient_that_value_clipping_makes_finite_goes_on(monkeypatch):
    replaced_gradients(monkeypatch, update=2, entry=np.inf)
    (result,) = results_of(replace(BASE, clip="value:1")).values()
    assert (result.status, result.updates, result.diverged_at) == (Status.UNSOLVED, 6, None)
    assert result.clipped_fraction == pytest.approx(1 / 6)


def test_a_trial_that_ended_stands_still_until_the_next_evaluation():
    wild = replace(BASE, lr=1e4, updates=9, eval_every=9)
    short = replace(wild, eval_every=1)
    ((stood_still,), (stopped,)) = (rows_after(wild, updates=9).values(), rows_after(short, updates=1).values())
    assert torch.equal(stood_still, stopped)
    long_result, short_result = results_of(wild)[wild], results_of(short)[short]
    assert replace(long_result, trial=short) == short_result


# The rules, with an evaluation that says what the test wants


NETWORK = Network.for_task(registry.cell("rnn"), Adding(length=7), hidden_size=5)
NOTHING = torch.zeros(0, dtype=torch.float64)


def interval_at(update, **ended):
    return Interval(update, NOTHING, Account(NOTHING, NOTHING, NOTHING.bool(), NOTHING), 1.0, **ended)


@pytest.fixture
def judged(monkeypatch):
    """Return a function that judges a trial by a list of (loss, error) and gives its result and its looks."""

    def judge(curve, confirmed=(0.0,), every=10, updates=1000, exploded_at=None):
        trial = Trial("adding:length=7", "rnn", "none", 0.01, 0, hidden_size=5, updates=updates, eval_every=every)
        found, answers, looks = iter(curve), iter(confirmed), []

        def confirm(network, task, row, look):
            looks.append(look)
            return next(answers)

        monkeypatch.setattr(evaluation, "evaluate", lambda *_: Evaluation(*next(found), slices={}))
        monkeypatch.setattr(evaluation, "confirm", confirm)
        record = Record(trial, NETWORK, Adding(length=7), {})
        for place in range(len(curve)):
            last = place == len(curve) - 1
            interval = interval_at(place * every, exploded_at=exploded_at if last else None)
            result = record.judge(interval, torch.zeros(NETWORK.layout.row_size))
            if result is not None:
                break
        return result, looks

    return judge


GOOD, BAD = (0.009, 0.009), (0.2, 0.2)


def test_solved_needs_two_good_evaluations_in_a_row(judged):
    result, looks = judged([BAD, GOOD, BAD, GOOD, BAD])
    assert (result, looks) == (None, [])
    result, looks = judged([BAD, GOOD, BAD, GOOD, GOOD], confirmed=[0.008])
    assert (result.status, result.updates, result.updates_to_solve) == (Status.SOLVED, 40, 30)
    assert (result.confirmed_error, result.error, looks) == (0.008, 0.009, [1])


def test_an_error_of_exactly_the_limit_is_not_below_it(judged):
    assert judged([(0.1, 0.01)] * 3) == (None, [])


def test_what_fresh_sequences_do_not_confirm_is_not_solved(judged):
    result, looks = judged([GOOD, GOOD, GOOD, GOOD], confirmed=[0.011, 0.01, 0.002])
    assert looks == [1, 2, 3], "each look has its own sequences"
    assert (result.status, result.updates_to_solve, result.confirmed_error) == (Status.SOLVED, 20, 0.002)


def test_a_trial_is_unsolved_at_the_end_of_its_budget(judged):
    result, _ = judged([BAD, BAD, GOOD], updates=20)
    assert (result.status, result.updates, result.updates_to_solve) == (Status.UNSOLVED, 20, None)
    assert result.error == 0.009


def test_a_trial_may_be_solved_at_the_end_of_its_budget(judged):
    result, _ = judged([BAD, GOOD, GOOD], updates=20)
    assert (result.status, result.updates_to_solve) == (Status.SOLVED, 10)


def test_a_loss_far_above_its_start_three_times_in_a_row_explodes(judged):
    high, edge = (2.1, 0.2), (2.0, 0.2)
    assert HIGH_LOSS * BAD[0] == edge[0]
    assert judged([BAD, high, high, BAD, high, high])[0] is None
    assert judged([BAD, high, edge, high])[0] is None
    result, _ = judged([BAD, high, high, high])
    assert (result.status, result.exploded_at, result.updates) == (Status.EXPLODED, 30, 30)


def test_a_jump_explodes_at_its_own_update(judged):
    result, _ = judged([BAD, BAD], exploded_at=7)
    assert (result.status, result.exploded_at, result.updates) == (Status.EXPLODED, 7, 7)
    assert result.measurements[-1].update == 7


@pytest.mark.parametrize("seen", [(float("nan"), 0.1), (0.1, float("inf"))])
def test_a_non_finite_evaluation_diverges_in_the_loss(judged, seen):
    result, _ = judged([BAD, seen])
    assert (result.status, result.diverged_at, result.diverged_in) == (Status.DIVERGED, 10, "loss")
    assert result.error is None
    result, _ = judged([BAD, seen], exploded_at=7)
    assert (result.status, result.diverged_at, result.updates) == (Status.DIVERGED, 7, 7)


# Evaluation


def test_evaluation_and_confirmation_are_fixed_and_apart(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 1000)
    task = registry.task("adding:length=9")
    row = torch.from_numpy(Network.for_task(registry.cell("gru"), task, 5).initial_row(0)).float()
    network = Network.for_task(registry.cell("gru"), task, 5)
    first = evaluation.evaluate(network, task, row)
    assert evaluation.evaluate(network, task, row) == first
    looks = [evaluation.confirm(network, task, row, look) for look in (1, 2, 1)]
    assert looks[0] == looks[2]
    assert len({first.error, *looks}) == 3
    assert looks == pytest.approx([first.error] * 3, rel=0.3), "80 sequences of the same kind"


def test_networks_of_every_size_are_evaluated_on_the_same_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "_CHUNK_STEPS", 100)  # eleven sequences of nine steps at a time
    task = registry.task("adding:length=9")
    seen = {}
    plain = task.errors

    def errors(self, outputs, batch):
        seen.setdefault(outputs.dtype, []).append(batch.inputs)
        return plain(outputs, batch)

    monkeypatch.setattr(Adding, "errors", errors)
    drawn = []
    for hidden_size in (3, 50):
        seen.clear()
        network = Network.for_task(registry.cell("rnn"), task, hidden_size)
        evaluation.evaluate(network, task, torch.from_numpy(network.initial_row(0)).float())
        drawn.append(torch.cat(seen[torch.float32], dim=1))
    assert drawn[0].shape == (9, 40, 2)
    assert torch.equal(drawn[0], drawn[1])
    assert len(drawn[0].unique(dim=1)[0]) == 40

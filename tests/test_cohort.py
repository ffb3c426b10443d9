"""A trial's numbers do not depend on its company, and what diverges or explodes ends."""

import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.networks.recurrent import Network
from longlag.process import state
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.training.gradients import write_gradients
from longlag.values.trial import Status, Trial

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
    train(trials, finished.append)
    assert len(finished) == len(trials), "every trial ends in exactly one result"
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def rows_after(*trials, updates):
    """Return each trial's parameters after a number of updates, whatever evaluations say."""
    with state.arithmetic():
        cohort = Cohort(trials, {})
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
@pytest.mark.parametrize("optimizer", [*registry.shipped("optimizer"), "sgd:momentum=0.9,nesterov=true"])
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
        rows_seen.append(row.clone())
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
        train([trial], lambda result: threads.append(torch.get_num_threads()))
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
    train([BASE], lambda result: seen.append(smallest_halved()))
    assert seen == [0.0], "a gradient that fades away must not be paid for a hundredfold"
    assert smallest_halved() > 0
    torch.set_flush_denormal(True)
    try:
        train([BASE], lambda result: None)
        assert smallest_halved() == 0.0, "what the caller had set is given back"
    finally:
        torch.set_flush_denormal(False)


def test_a_cohort_is_of_one_kind():
    with pytest.raises(AssertionError, match="differ in seed, lr and clip only"):
        Cohort([BASE, replace(BASE, hidden_size=6)], {})


# Clips are compared on the same data and the same initial weights


def test_clips_and_rates_start_from_the_same_weights_and_draw_the_same_batches():
    trials = [replace(BASE, clip=clip, lr=lr) for clip in ("none", "norm:1", "value:0.1") for lr in (0.1, 0.01)]
    cohort = Cohort(trials, {})
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
    cohort = Cohort([FROZEN], {})
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

    monkeypatch.setattr("longlag.training.update.write_gradients", write)


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
    monkeypatch.setattr("longlag.training.update.JUMP", float("inf"))
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


@pytest.mark.parametrize("clip", ["none", "norm:0.5,type=1"])  # which a pass moves, and which torch does
def test_a_trial_that_ended_stands_still_until_the_next_evaluation(clip):
    wild = replace(BASE, clip=clip, lr=1e4, updates=9, eval_every=9)
    short = replace(wild, eval_every=1)
    ((stood_still,), (stopped,)) = (rows_after(wild, updates=9).values(), rows_after(short, updates=1).values())
    assert torch.equal(stood_still, stopped)
    long_result, short_result = results_of(wild)[wild], results_of(short)[short]
    assert replace(long_result, trial=short) == short_result

"""Each way to end is reached by its rule, and evaluations are the same for every network."""

import pytest
import torch

from longlag import registry
from longlag.networks.recurrent import Network
from longlag.tasks.adding import Adding
from longlag.training import evaluation
from longlag.training.clip_audit import Account
from longlag.training.evaluation import Evaluation
from longlag.training.stopping import HIGH_LOSS, EvaluationInterval, Record
from longlag.values.trial import Status, Trial


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    """Evaluate on few sequences: what is tested here does not depend on how many."""
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 80)


NETWORK = Network.for_task(registry.cell("rnn"), Adding(length=7), hidden_size=5)
NOTHING = torch.zeros(0, dtype=torch.float64)


def interval_at(update, **ended):
    return EvaluationInterval(update, NOTHING, Account(NOTHING, NOTHING, NOTHING.bool(), NOTHING), 1.0, **ended)


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
    assert judged([BAD, (0.01, 0.01), edge, edge, edge])[0] is None, "what counts is the start, not the lowest loss"
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

"""A trial that goes on after it has solved: status and updates to solve are those of the trial that stops."""

from dataclasses import replace

import pytest

from longlag.plan.study import adhoc
from longlag.training import evaluation
from longlag.training.cohort import train
from longlag.values.trial import Status, Trial

BASE = Trial(
    "copy:items=2,symbols=3,blanks=3", "rnn", "none", 0.01, 0, hidden_size=5, batch_size=3, updates=15, eval_every=3
)
NEVER = replace(BASE, stop="never")


@pytest.fixture
def solved_from(monkeypatch):
    """Let evaluations from one on be below the threshold, and confirmations give these errors in turn."""
    plain = evaluation.evaluate

    def settle(first, *confirmed):
        seen, left = [], list(confirmed)

        def evaluate(network, task, row):
            seen.append(1)
            found = plain(network, task, row)
            return replace(found, error=0.0) if len(seen) >= first else found

        monkeypatch.setattr(evaluation, "evaluate", evaluate)
        monkeypatch.setattr(evaluation, "confirm", lambda *_: left.pop(0))
        return left

    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    return settle


def result_of(trial, keep=None):
    finished = []
    train([trial], finished.append, keep=keep)
    return replace(finished[0], wall_seconds=None)


def test_it_is_solved_at_the_same_moment_and_trains_to_the_budget(solved_from):
    solved_from(2, 0.0)
    stops = result_of(BASE)
    left = solved_from(2, 0.0)
    goes_on = result_of(NEVER)
    assert left == [], "put to the test once"
    assert (stops.status, stops.updates, stops.updates_to_solve) == (Status.SOLVED, 6, 3)
    assert (goes_on.status, goes_on.updates, goes_on.updates_to_solve) == (Status.SOLVED, 15, 3)
    assert goes_on.confirmed_error == stops.confirmed_error == 0
    assert goes_on.measurements[:3] == stops.measurements
    assert [point.update for point in goes_on.measurements] == [0, 3, 6, 9, 12, 15]
    assert goes_on.fingerprint != stops.fingerprint


def test_a_confirmation_that_fails_is_asked_for_again(solved_from):
    solved_from(2, 0.9, 0.0)
    found = result_of(NEVER)
    assert (found.status, found.updates, found.updates_to_solve, found.confirmed_error) == (Status.SOLVED, 15, 6, 0)


def test_what_never_solves_is_the_same_but_for_its_name(solved_from):
    solved_from(99)
    assert replace(result_of(NEVER), trial=BASE) == result_of(BASE)


def test_a_trial_that_diverges_after_it_has_solved_is_solved_and_keeps_no_network(solved_from, monkeypatch):
    from longlag.training.cohort import Cohort

    plain, kept = Cohort._backward, []

    def backward(self):
        plain(self)
        if self.update == 8:
            self.losses[-1] = self.losses[-1] * float("nan")

    monkeypatch.setattr(Cohort, "_backward", backward)
    solved_from(2, 0.0)
    found = result_of(NEVER, keep=lambda *_: kept.append(1))
    assert (found.status, found.updates_to_solve, found.updates) == (Status.SOLVED, 3, 8)
    assert (found.diverged_at, found.diverged_in, found.error, found.transfer) == (8, "loss", None, ())
    assert (found.has_network, kept) == (False, [])
    solved_from(2, 0.0)
    assert result_of(BASE, keep=lambda *_: kept.append(1)).has_network
    assert kept == [1]


def test_old_keys_stay():
    given = {"task": "adding:length=5", "cell": "lstm", "seeds": 1}
    plain, same, other = (adhoc(**given, stop=stop).trials()[0] for stop in (None, "solved", "never"))
    assert plain.key == same.key != other.key

"""Updates that a clip drops leave everything as it was; what a clip remembers goes with its trial."""

import math
from dataclasses import replace

import pytest
import torch
from clip_samples import cohort_of

from longlag import registry
from longlag.process import state
from longlag.training.cohort import Cohort, train
from longlag.training.gradients import write_gradients

QUANTILE = "quantile:0.1"

# Dropped updates


def trained(trials, updates):
    """Return the cohort's parameters and running quantities after each update, ordered as its rows are."""
    seen = []
    with state.arithmetic():
        cohort = Cohort(trials, {})
        for _ in range(updates):
            cohort.step()
            seen.append((cohort.parameters.clone(), {name: value.clone() for name, value in cohort.state.items()}))
    return cohort, seen


@pytest.fixture
def infinite_at(monkeypatch):
    """Let the first row's gradient, and its loss, be infinite in some updates."""

    def replaced(*updates):
        calls = []
        plain = write_gradients

        def write(*given):
            calls.append(1)
            losses, gradients = plain(*given), given[3]
            if len(calls) in updates:
                gradients[0, 0] = losses[0] = math.inf
            return losses

        monkeypatch.setattr("longlag.training.update.write_gradients", write)

    return replaced


@pytest.mark.parametrize("optimizer", [*registry.shipped("optimizer"), "sgd:momentum=0.9,nesterov=true"])
def test_a_dropped_update_moves_neither_parameters_nor_running_quantities(infinite_at, optimizer):
    infinite_at(1, 3)
    trials = [replace(trial, optimizer=optimizer, weight_decay=0.1) for trial in cohort_of("skip:1e9", "skip:1e9")]
    cohort, ((first, one), (second, _), (third, three), _) = trained(trials, 4)
    start = torch.from_numpy(cohort.network.initial_row(0)).float()
    assert torch.equal(first[0], start)
    assert all((value[0] == 0).all() for value in one.values())
    assert not torch.equal(second[0], start)
    assert torch.equal(third[0], second[0])
    assert not torch.equal(third[1], second[1])
    assert all(not torch.equal(three[name][1], one[name][1]) for name in one)
    assert cohort.active.all()


def test_adam_goes_on_after_dropped_updates_as_if_they_had_not_been(infinite_at, monkeypatch):
    infinite_at(1, 2)
    counts = []
    plain = Cohort._updates_taken

    def taken(self, *of_block):
        counts.append(plain(self, *of_block))
        return counts[-1]

    monkeypatch.setattr(Cohort, "_updates_taken", taken)
    trained(cohort_of("skip:1e9", "skip:1e9"), 4)
    assert counts == [(1, 1), (1, 2), (1, 3), (2, 4)]


def test_company_that_drops_updates_changes_nothing():
    trials = cohort_of("skip:0.2", "none", "norm:0.1")
    for trial in trials:
        alone, together = [], []
        train([trial], alone.append)
        train(trials, together.append)
        (found,) = [result for result in together if result.trial == trial]
        assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)
        assert found.clipped_fraction is not None
        assert (found.clipped_fraction > 0) == (trial.clip != "none")


def test_a_trial_that_drops_what_is_not_finite_lives_on(infinite_at):
    infinite_at(2)
    (other, skipping) = cohort_of("none", "skip:1e9")
    finished = []
    train([skipping], finished.append)
    infinite_at(2)
    train([other], finished.append)
    assert [(result.status, result.diverged_at) for result in finished] == [("unsolved", None), ("diverged", 2)]
    assert finished[0].clipped_fraction == pytest.approx(0.25)


# What a clip remembers goes with its trial


def test_a_trials_memory_follows_it_when_another_leaves():
    trials = cohort_of(QUANTILE, QUANTILE, QUANTILE)
    with state.arithmetic():
        cohort = Cohort(trials, {})
        cohort.advance()
        kept = [cohort.memory[place].clone() for place in (0, 2)]
        cohort.intervals()
        cohort.retain([0, 2])
        assert all(torch.equal(row, memory) for row, memory in zip(cohort.memory, kept, strict=True))
        assert cohort.memory.sum(1).tolist() == [2, 2]
    alone = []
    train(trials[2:], alone.append)
    together = []
    train(trials, together.append)
    (found,) = [result for result in together if result.trial == trials[2]]
    assert replace(found, wall_seconds=None) == replace(alone[0], wall_seconds=None)

"""A number that is not finite, wherever and whenever it appears, ends its own trial and touches no other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from longlag.training import evaluation
from longlag.training.cohort import train
from longlag.training.gradients import write_gradients
from longlag.training.update import Matrices
from longlag.values.trial import Status, Trial

BASE = Trial("adding:length=7", "rnn", "norm:1", 0.01, 0, hidden_size=5, batch_size=3, updates=6, eval_every=3)
HURT = replace(BASE, seed=1)


def results_of(trials):
    """Train a cohort and return results by trial, without what may differ."""
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def in_weights(matrices, place, value):
    matrices.parameters[place, 0] = value


def in_loss(matrices, place, value):
    matrices.losses[-1][place] = value


def hurt_at(monkeypatch, update, value, harm, before):
    """Put a number into one trial of a cohort in one update, before or after its backward pass."""
    plain = Matrices._backward

    def backward(matrices):
        places = [place for place, trial in enumerate(matrices.trials) if trial.seed == HURT.seed]
        places = places if matrices.update == update else []
        for place in places if before else []:
            harm(matrices, place, value)
        plain(matrices)
        for place in [] if before else places:
            harm(matrices, place, value)

    monkeypatch.setattr(Matrices, "_backward", backward)


def hurt_gradients(monkeypatch, update, value):
    def write(*given):
        losses = write_gradients(*given)
        matrices = at_work[-1]
        for place, trial in enumerate(matrices.trials):
            if matrices.update == update and trial.seed == HURT.seed:
                matrices.gradients[place, 0] = value
        return losses

    at_work, plain = [], Matrices._backward
    monkeypatch.setattr(Matrices, "_backward", lambda matrices: at_work.append(matrices) or plain(matrices))
    monkeypatch.setattr("longlag.training.update.write_gradients", write)


def hurt_data(monkeypatch, update, value):
    plain = Matrices._batches

    def batches(matrices):
        drawn = plain(matrices)
        hurt = [matrices.update == update and trial.seed == HURT.seed for trial in matrices.trials]
        changed = [replace(batch, inputs=torch.full_like(batch.inputs, value)) for batch in drawn]
        return [other if is_hurt else batch for is_hurt, batch, other in zip(hurt, drawn, changed, strict=True)]

    monkeypatch.setattr(Matrices, "_batches", batches)


WAYS = {
    "weights": lambda patch, update, value: hurt_at(patch, update, value, in_weights, before=True),
    "gradients": hurt_gradients,
    "loss": lambda patch, update, value: hurt_at(patch, update, value, in_loss, before=False),
    "data": hurt_data,
}


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)
    monkeypatch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 80)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("common", [{}, {"clip": "agc:0.01", "optimizer": "sgd"}], ids=["compiled", "in torch"])
def test_one_trial_diverges_at_that_update_and_its_neighbours_keep_every_digit(monkeypatch, common, way, value):
    trials = [replace(BASE, seed=seed, **common) for seed in range(3)]
    undisturbed = results_of(trials)
    for update in range(1, BASE.updates + 1):
        with monkeypatch.context() as patch:
            WAYS[way](patch, update, value)
            found = results_of(trials)
        hurt = found.pop(trials[HURT.seed])
        assert (hurt.status, hurt.diverged_at, hurt.updates) == (Status.DIVERGED, update, update)
        assert found == {trial: undisturbed[trial] for trial in found}
        assert len(found) == 2

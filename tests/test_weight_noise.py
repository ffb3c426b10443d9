"""Noise on the weights in training: what the gradient is of, whose noise it is, and what it leaves alone."""

from dataclasses import replace

import pytest
import torch

from longlag.process import state
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.trial import Trial

BASE = Trial(
    "adding:length=6", "gru", "none", 0.01, 0, hidden_size=7, batch_size=3, updates=4, eval_every=2, weight_noise=0.075
)


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 40)


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def noises(*trials, updates=1):
    """Return the noise of each update, (U, S, P), and the cohort after them."""
    found = []
    with state.arithmetic():
        cohort = Cohort(trials, {})
        for _ in range(updates):
            before = cohort.parameters.clone()
            cohort.step()
            found.append(cohort.weights_read - before)
    return torch.stack(found), cohort


def test_the_gradient_is_that_at_the_noisy_weights():
    with state.arithmetic():
        cohort = Cohort([BASE], {})
        cohort.step()
        expected = torch.zeros_like(cohort.gradients[0])
        cohort.network.gradient(cohort.task, cohort.weights_read[0], expected, cohort._batches()[0])
    assert torch.equal(cohort.gradients[0], expected)
    _, plain = noises(replace(BASE, weight_noise=0.0))
    assert not torch.equal(plain.gradients, cohort.gradients)


def test_noise_has_the_deviation_that_was_asked_for_and_leaves_the_padding_alone():
    found, cohort = noises(BASE, updates=20)
    layout = cohort.network.layout
    numbers = torch.cat([view.flatten() for row in found[:, 0] for view in layout.views(row).values()])
    assert len(numbers) == 20 * layout.num_parameters > 4000
    assert numbers.std().item() == pytest.approx(0.075, rel=0.05)
    assert abs(numbers.mean().item()) < 4 * 0.075 / len(numbers) ** 0.5
    for row in found[:, 0]:
        for view in layout.views(row).values():
            view.zero_()
    assert not found.any()


def test_each_update_and_each_seed_has_its_own_and_clips_share_theirs():
    trials = [replace(BASE, clip="none"), replace(BASE, clip="norm:1"), replace(BASE, seed=1)]
    found, cohort = noises(*trials, updates=2)
    place = {(record.trial.clip, record.trial.seed): row for row, record in enumerate(cohort.records)}
    one, other, third = place["none", 0], place["norm:1", 0], place["none", 1]
    torch.testing.assert_close(found[0, one], found[0, other], rtol=0, atol=1e-6)
    assert not torch.allclose(found[0, one], found[0, third], atol=1e-3)
    assert not torch.allclose(found[0, one], found[1, one], atol=1e-3)


def test_the_weights_themselves_are_never_moved_by_it():
    _, cohort = noises(replace(BASE, clip="skip:1e-20"), updates=3)
    assert torch.equal(cohort.parameters[0], torch.from_numpy(cohort.network.initial_row(0)).float())


def test_evaluations_see_no_noise():
    trial = replace(BASE, clip="skip:1e-20", weight_noise=3.0)
    (result,) = results_of(trial).values()
    losses = {point.loss for point in result.measurements}
    assert len(result.measurements) == 3
    assert losses == {results_of(replace(trial, weight_noise=0.0)).popitem()[1].measurements[0].loss}


@pytest.mark.parametrize("wanted", [{}, {"layers": 2, "dropout": 0.2}, {"optimizer": "muon", "dtype": "float64"}])
def test_company_ended_trials_and_dropped_updates_change_nothing(wanted):
    base = replace(BASE, **wanted)
    trials = [replace(base, clip=clip, seed=seed) for seed, clip in enumerate(("none", "skip:0.5", "norm:0.1"))]
    trials.append(replace(base, clip="norm:1", lr=1e4))
    together = results_of(*trials)
    assert together[trials[-1]].status == "exploded"
    for trial in trials:
        assert results_of(trial)[trial] == together[trial]


def test_what_acts_inside_the_backward_pass_is_judged_at_the_noisy_weights():
    """The audit computes the pass again: at other weights than the update read it would see a fault."""
    (result,) = results_of(replace(BASE, clip="norm:1+state:1e-4", truncate=2)).values()
    assert result.updates == 4

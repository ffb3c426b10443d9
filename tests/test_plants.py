"""Every planted change acts, only where it should, and leaves nothing behind."""

from dataclasses import replace

import pytest
import torch

from longlag import registry
from longlag.plan.files import find
from longlag.regression.selftest import patches, simulate
from longlag.regression.selftest.plants import PLANTS
from longlag.training import evaluation
from longlag.training.clip_audit import ClippingError
from longlag.training.cohort import Cohort, train

ENTRIES = list({simulate.entry_key(trial): trial for trial in find("ci").trials()}.values())
EXACT = {"reordered-cohort", "other-workers"}


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 20)


def short(entry):
    clip = "none" if entry.clip == "none" else "norm:0.01"  # acts from the first update on
    return tuple(replace(entry, clip=clip, seed=seed, updates=4, eval_every=2) for seed in (1000, 1001))


def outcomes(plant, trials):
    found = {}
    simulate.train_planted(plant, trials, lambda ended: found.update({ended.trial: ended.fingerprint}), {})
    return found


@pytest.mark.parametrize("name", sorted(PLANTS.keys() - EXACT))
def test_a_plant_changes_every_trial_of_its_entries_and_leaves_nothing_behind(name):
    meant = [entry for entry in ENTRIES if PLANTS[name].entries(entry)]
    assert meant
    trials = short(meant[0])
    healthy = outcomes(simulate.HEALTHY, trials)
    planted = outcomes(name, trials)
    assert planted.keys() == healthy.keys()
    assert all(planted[trial] != healthy[trial] for trial in trials)
    assert outcomes(simulate.HEALTHY, trials) == healthy


@pytest.mark.parametrize("name", sorted(EXACT))
def test_another_order_or_number_of_workers_changes_no_digit(name):
    trials = short(next(entry for entry in ENTRIES if PLANTS[name].entries(entry)))
    assert outcomes(name, trials) == outcomes(simulate.HEALTHY, trials)


@pytest.mark.parametrize("plant", [patches.clip_first, patches.clip_jointly])
def test_the_ledger_sees_a_misplaced_clip_unless_its_eyes_are_shut(plant):
    trials = short(next(entry for entry in ENTRIES if PLANTS["clip-jointly"].entries(entry)))
    with plant(), pytest.raises(ClippingError):
        train(trials, lambda ended: None)


def test_permuted_units_are_the_same_function():
    trial = short(next(entry for entry in ENTRIES if PLANTS["permuted-units"].entries(entry)))[0]
    task = registry.task(trial.task)
    batch = task.draw(evaluation.stream("test").generator(1), 5)

    def outputs():
        network = Cohort([trial], {}).network
        row = torch.from_numpy(network.initial_row(1))
        return network.outputs(network.layout.views(row), batch), row

    usual, row = outputs()
    with patches.permuted_units():
        turned, other = outputs()
    assert (row != other).any()
    torch.testing.assert_close(turned, usual, rtol=1e-9, atol=1e-12)


def test_every_entry_of_the_study_is_meant_for_some_regression():
    blind = [entry for entry in ENTRIES if not any(p.entries(entry) for p in PLANTS.values() if p.worse)]
    assert [(entry.task, entry.cell) for entry in blind] == []

"""Values beyond the small ones of most tests: seeds of many digits, long runs, odd sizes, batches of one."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from independent_network import gradient_of, split
from independent_rules import counterpart
from optimiser_samples import gradients_of, start_of, trained

from longlag import registry
from longlag.networks.build import network_of
from longlag.scans.engine import layer
from longlag.training.cohort import Cohort
from longlag.values.seeding import stream
from longlag.values.trial import Trial

SEEDS = [*range(13), 19, 20, 21, 99, 100, 101, 110, 1000, 1001, 12345, 999_999, 1_000_000]
BASE = Trial("adding:length=40", "rnn", "none", 0.01, 0, hidden_size=5, batch_size=1, dtype="float64")


def test_seeds_of_any_number_of_digits_have_batches_noise_and_weights_of_their_own():
    trials = [replace(BASE, seed=seed, weight_noise=0.1, dropout=0.5, layers=2) for seed in SEEDS]
    cohort = Cohort(trials, {})
    noises = [cohort.draws.dropout(0, seed) for seed in SEEDS]
    drawn = {
        "weights": list(cohort.parameters),
        "weight noise": list(cohort.draws.with_noise(0, SEEDS, cohort.parameters) - cohort.parameters),
        "dropout": [torch.from_numpy(noise.random(4)) for noise in noises],
    }
    for update in (1, 2, 10, 11, 1000):
        cohort.update = update
        drawn[f"batches of update {update}"] = [batch.inputs for batch in cohort._batches()]
    for what, found in drawn.items():
        alike = [(SEEDS[a], SEEDS[b]) for a, b in combinations(range(len(SEEDS)), 2) if torch.equal(found[a], found[b])]
        assert alike == [], what


def test_every_update_draws_anew_and_the_same_again():
    cohort = Cohort([replace(BASE, weight_noise=0.1, dropout=0.5, layers=2)], {})
    draws = cohort.draws
    drawn = {
        "batches": lambda update: draws.batches(update, [0])[0].inputs,
        "weight noise": lambda update: draws.with_noise(update, [0], cohort.parameters),
        "dropout": lambda update: torch.from_numpy(draws.dropout(update, 0).random(4)),
    }
    for what, draw in drawn.items():
        of_updates = [draw(update) for update in (1, 2, 10, 11, 1000)]
        assert not any(torch.equal(*two) for two in combinations(of_updates, 2)), what
        assert torch.equal(draw(10), of_updates[2]), what


def test_no_update_of_a_stream_is_another_one():
    drawn = {update: stream("batches", "copy", 1, 12).generator(update).integers(2**62) for update in range(3000)}
    assert len(set(drawn.values())) == 3000
    names = [("a", 1, 1), ("a", 11), ("a", "11"), ("a1", 1), ("a", 1, "1"), ("a11",)]
    assert len({int(stream(*words).generator().integers(2**62)) for words in names}) == len(names)


LONG_RUNS = ("adam", "adamw:beta2=0.9999", "lion", "muon", "rmsprop:alpha=0.999", "sgd:momentum=0.99")


@pytest.mark.parametrize("spec", LONG_RUNS)
def test_eleven_hundred_updates_are_those_of_the_second_writing(spec):
    """Past a thousand updates what corrects a bias no longer does, and whatever counts wrongly has drifted apart."""
    start, gradients = start_of((1, 8), torch.float64), gradients_of((1, 8), torch.float64, updates=1100)
    ours = trained(spec, start, gradients, torch.full((1, 1), 0.01, dtype=torch.float64), 0.1)
    weights = {"bias": start[0].clone()}
    move = counterpart("optimizer", spec)(weights, 0.1)
    for gradient in gradients:
        move({"bias": gradient[0].clone()}, 0.01)
    torch.testing.assert_close(ours[0], weights["bias"], rtol=1e-11, atol=1e-11)


def test_every_optimiser_runs_that_long():
    assert {spec.partition(":")[0] for spec in LONG_RUNS} == set(registry.shipped("optimizer"))


@pytest.mark.parametrize("kept", [2**25, 700], ids=["whole", "in chunks"])
@pytest.mark.parametrize(("hidden_size", "batch_size"), [(5, 1), (17, 1), (33, 1), (1, 1), (17, 3), (33, 5)])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_sizes_that_fill_no_register_give_the_gradient_of_the_second_writing(
    monkeypatch, cell, hidden_size, batch_size, kept
):
    monkeypatch.setattr(layer, "KEPT_NUMBERS", kept)
    trial = replace(BASE, cell=cell, hidden_size=hidden_size, batch_size=batch_size, seed=12)
    task, network = registry.task(trial.task), network_of(trial)
    batch = task.draw(stream("a test").generator(), batch_size).map(
        lambda part: part.double() if part.is_floating_point() else part
    )
    row = torch.from_numpy(network.initial_row(trial.seed))
    found = torch.zeros_like(row)
    loss = network.gradient(task, row, found, batch)
    expected, gradient = gradient_of(cell, split(cell, network.layout.arrays(row.numpy())), batch)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    for name, part in split(cell, network.layout.arrays(found.numpy())).items():
        torch.testing.assert_close(part, gradient[name], rtol=1e-9, atol=1e-12)

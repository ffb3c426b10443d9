"""What training does to cells: every one trains in a cohort, parts learn at their own rates, orthogonal stays so."""

from dataclasses import replace

import pytest
import torch

from longlag import registry
from longlag.networks.build import assembled
from longlag.networks.recurrent import Network
from longlag.process import state
from longlag.scans.run import run_layer
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.training.gradients import write_gradients
from longlag.values.trial import Trial

BASE = Trial("copy:items=2,symbols=3,blanks=3", "rnn", "none", 0.01, 0, hidden_size=5, batch_size=3, updates=4)
ORTHOGONAL = ["exprnn", "exprnn:init=cayley", "scornn", "scornn:negative=0"]
VARIANTS = ["gru:reset=before", "lstm:peepholes=true", "lstm:coupled=true", "lstm:forget_gate=false"]


@pytest.fixture(autouse=True)
def few_sequences(monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_SEQUENCES", 20)


def results_of(*trials):
    finished = []
    train(trials, finished.append)
    return {result.trial: replace(result, wall_seconds=None) for result in finished}


def rows_after(trial, updates):
    """Return the cohort of one trial, and its parameters before and after."""
    with state.arithmetic():
        cohort = Cohort([trial], {})
        before = cohort.parameters.clone()
        for _ in range(updates):
            cohort.step()
    return cohort, before[0], cohort.parameters[0]


@pytest.mark.parametrize("task", [BASE.task, pytest.param("adding:length=7", marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", [*registry.names("cell"), *VARIANTS, *ORTHOGONAL])
def test_every_cell_gives_the_same_bytes_alone_and_in_company(cell, task):
    trials = [replace(BASE, cell=cell, task=task, clip=clip, seed=seed, layers=2) for seed, clip in enumerate(
        ("norm:0.1", "none", "layer:0.01", "agc:0.01", "quantile:0.5")
    )]  # fmt: skip
    together = results_of(*trials)
    assert {result.updates for result in together.values()} == {4}
    for trial in trials[1:4]:
        assert results_of(trial)[trial] == together[trial]


@pytest.mark.parametrize("cell", VARIANTS)
def test_a_variant_with_other_equations_does_not_run_on_the_kernel_of_the_default(cell):
    network = Network(registry.cell(cell), 2, 1, 5)
    weights = {name: torch.from_numpy(value) for name, value in network.cell.initial_weights(2, 5, "test").items()}
    default = registry.cell(cell.partition(":")[0])
    usual = {name: torch.from_numpy(value) for name, value in default.initial_weights(2, 5, "test").items()}
    inputs = torch.ones(3, 1, 2).double()
    assert (run_layer(network.cell, inputs, weights) - run_layer(default, inputs, usual)).abs().max() > 1e-3


# Rates


@pytest.mark.parametrize(("cell", "factor"), [("exprnn", 0.1), ("exprnn:lr_scale=3", 3.0), ("scornn", 0.1)])
def test_a_part_with_a_rate_factor_learns_at_its_own_rate(cell, factor):
    trial = replace(BASE, cell=cell, optimizer="sgd", dtype="float64", layers=2, lr=0.5)
    cohort, before, after = rows_after(trial, 1)
    gradients = torch.zeros(1, len(before), dtype=torch.float64)
    cohort.update = 1
    write_gradients(cohort.network, cohort.task, before.unsqueeze(0), gradients, cohort._batches())
    moved = cohort.network.layout.views(before - after)
    for name, gradient in cohort.network.layout.views(gradients[0]).items():
        rate = 0.5 * factor if name.endswith(".skew") else 0.5
        assert (gradient != 0).any(), name
        torch.testing.assert_close(moved[name], rate * gradient, rtol=1e-9, atol=1e-15)


def test_a_factor_of_one_and_no_factor_train_the_same_weights(monkeypatch):
    # sgd: what a factor is given for runs in torch, whose square roots are not those of a compiled pass
    trial = replace(BASE, cell="exprnn:lr_scale=1", updates=5, optimizer="sgd", clip="none")
    _, _, one = rows_after(trial, 5)
    monkeypatch.setattr(Network, "rate_factors", lambda self: None)
    _, _, none = rows_after(trial, 5)
    assert torch.equal(one, none)


def test_cells_without_factors_have_no_row_of_them():
    rows = {name: assembled(registry.cell(name), 2, 1, 3).rate_factors() for name in registry.names("cell")}
    assert {name for name, row in rows.items() if row is not None} == {"exprnn", "scornn"}


# Orthogonality


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-14)])
@pytest.mark.parametrize("cell", ORTHOGONAL)
def test_orthogonal_matrices_stay_orthogonal_over_fifty_updates(cell, dtype, tolerance):
    trial = replace(BASE, cell=cell, dtype=dtype, hidden_size=24, lr=0.05, clip="none")
    cohort, before, after = rows_after(trial, 50)

    def matrix(row):
        weights = cohort.network.by_scan(cohort.network.layout.views(row))[0]
        return cohort.network.cell.prepare(weights)["orthogonal"]

    one = torch.eye(24, dtype=after.dtype)
    assert (matrix(after).T @ matrix(after) - one).abs().max() < tolerance
    assert (matrix(after) - matrix(before)).abs().max() > 0.05, "it has been learning meanwhile"
    plain = rows_after(replace(trial, cell="rnn:init=orthogonal"), 50)
    u = plain[0].network.layout.views(plain[2])["0.recurrent_weight"]
    assert (u.T @ u - one).abs().max() > 0.05, "an unconstrained matrix does not stay orthogonal"


@pytest.mark.parametrize("cell", ORTHOGONAL)
def test_the_orthogonality_error_is_measured_at_every_evaluation(cell, monkeypatch):
    trial = replace(BASE, cell=cell, layers=2, eval_every=2)
    errors = [point.orthogonality_error for point in results_of(trial)[trial].measurements]
    assert len(errors) == 3
    assert all(0 <= error < 1e-5 for error in errors)
    made = registry.cell(cell).prepare
    monkeypatch.setattr(type(registry.cell(cell)), "prepare", lambda self, weights: _scaled(made(weights)))
    assert Network(registry.cell(cell), 2, 1, 5).orthogonality_error(
        torch.from_numpy(Network(registry.cell(cell), 2, 1, 5).initial_row(0))
    ) == pytest.approx(0.21)


def _scaled(weights):
    return {**weights, "orthogonal": 1.1 * weights["orthogonal"]}


def test_other_cells_have_no_orthogonality_error():
    assert {point.orthogonality_error for point in results_of(BASE)[BASE].measurements} == {None}

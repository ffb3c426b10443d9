"""The regulariser that keeps the backward signal from fading: its value and its gradient, against the formula."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from backward_samples import STEPWISE, TASKS, batch_of, gradient_of, network_of, row_of, run_readable
from torch.testing import assert_close

from longlag import registry
from longlag.networks.omega import omega_gradient
from longlag.values.backward import PLAIN, Backward


def omega_by_hand(u, slopes, signals):
    """Equation 9 with loops, and its derivative by U with everything else held; slopes and signals (T, B, H)."""
    terms, gradient = [], np.zeros_like(u)
    for t in range(len(signals)):
        for d, slope in zip(signals[t], slopes[t], strict=True):
            if (length := np.linalg.norm(d)) > 1e-10:
                back = u @ (d * slope)  # dL/dh_{t-1}, what the step sends back
                ratio = np.linalg.norm(back) / length
                terms.append((ratio - 1) ** 2)
                gradient += 2 * (ratio - 1) / (length * np.linalg.norm(back)) * np.outer(back, d * slope)
    return np.mean(terms), gradient / len(terms)


SLOPES = {
    "tanh": lambda h: 1 - h**2,
    "relu": lambda h: (h > 0) * 1.0,
    "sigmoid": lambda h: h * (1 - h),
    "linear": lambda h: np.ones_like(h),
}


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("task", TASKS)
def test_omega_of_the_plain_network_follows_the_papers_formula(name, task):
    spec, seen = f"rnn:nonlinearity={name}", []
    network = network_of(spec, task)
    plain = gradient_of(spec, PLAIN, task, seen=seen)
    weights = network.by_scan(network.layout.views(row_of(network)))[0]
    u, signal = weights["recurrent_weight"].numpy(), seen[0]
    after = np.concatenate([signal.before[0][1:].numpy(), last_state(weights, signal, name)[None]])
    expected, by_u = omega_by_hand(u, SLOPES[name](after), signal.passed[0].numpy())
    omega, found = omega_gradient(network.cell, weights, signal)
    assert omega.item() == pytest.approx(expected)
    assert_close(found["recurrent_weight"].numpy(), by_u, rtol=1e-8, atol=1e-12)
    added = network.layout.views(gradient_of(spec, Backward(omega=4.0), task) - plain)
    assert_close(added["0.recurrent_weight"].numpy(), 4 * by_u, rtol=1e-7, atol=1e-12)
    assert all((value == 0).all() for key, value in added.items() if key != "0.recurrent_weight")


def last_state(weights, signal, name):
    last = signal.inputs[-1]
    x = weights["input_weight"][last] if last.dtype == torch.int64 else last @ weights["input_weight"]
    a = x + weights["bias"] + signal.before[0][-1] @ weights["recurrent_weight"]
    return {"tanh": a.tanh(), "relu": a.relu(), "sigmoid": a.sigmoid(), "linear": a}[name].numpy()


def test_an_orthogonal_linear_network_has_no_omega():
    seen = []
    gradient_of("rnn:nonlinearity=linear,init=orthogonal", PLAIN, seen=seen)
    network = network_of("rnn:nonlinearity=linear,init=orthogonal")
    weights = network.by_scan(network.layout.views(row_of(network)))[0]
    omega, found = omega_gradient(network.cell, weights, seen[0])
    assert omega.item() < 1e-25
    assert found["recurrent_weight"].abs().max() < 1e-12


@pytest.mark.parametrize("spec", STEPWISE)
def test_omegas_gradient_is_its_slope_with_signal_and_states_held(spec):
    """Every cell: a difference quotient of Omega, in which U moves in the Jacobian only."""
    if registry.cell(spec).name() == "rnn":
        spec = "rnn:nonlinearity=linear"  # elsewhere the slope f'(a) is held, too
    seen = []
    gradient_of(spec, PLAIN, seen=seen)
    network = network_of(spec)
    weights = network.by_scan(network.layout.views(row_of(network)))[0]
    omega, found = omega_gradient(network.cell, weights, seen[0])
    for name, gradient in found.items():
        direction = torch.from_numpy(np.random.default_rng(0).standard_normal(gradient.shape))
        ends = [
            omega_gradient(network.cell, {**weights, name: weights[name] + sign * 1e-6 * direction}, seen[0])[0]
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-6
        assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-7)
    assert omega.isfinite()


@pytest.mark.parametrize("spec", ["rnn", "lstm", "gru"])
def test_omega_is_the_same_on_both_paths_and_whatever_piece_is_looked_at(spec, monkeypatch):
    backward = Backward(omega=3.0)
    fused = gradient_of(spec, backward, "adding", 2)
    monkeypatch.setattr("longlag.networks.omega.NUMBERS", 1)
    assert_close(gradient_of(spec, backward, "adding", 2), fused)
    run_readable(monkeypatch)
    assert_close(gradient_of(spec, backward, "adding", 2), fused)


def test_a_signal_that_has_vanished_counts_for_nothing():
    seen = []
    gradient_of("rnn", Backward(truncate=4), "adding", seen=seen)
    network = network_of("rnn", "adding")
    weights = network.by_scan(network.layout.views(row_of(network)))[0]
    omega, _ = omega_gradient(network.cell, weights, seen[0])
    late = replace(
        seen[0],
        inputs=seen[0].inputs[8:], arriving=seen[0].arriving[8:],
        before=(seen[0].before[0][8:],), passed=(seen[0].passed[0][8:],),
    )  # fmt: skip
    assert_close(omega, omega_gradient(network.cell, weights, late)[0])


def test_a_regularised_network_carries_its_signal_further():
    """What the regulariser is for: after some steps along its gradient the early signal is less faded."""
    network = network_of("rnn", "adding")
    row, batch, faded = row_of(network), batch_of("adding"), []
    for _ in range(40):
        seen, gradient = [], torch.zeros_like(row)
        network.gradient(TASKS["adding"], row, gradient, batch, backward=Backward(omega=1.0, seen=seen))
        norms = seen[0].passed[0].flatten(1).norm(dim=1)
        faded.append((norms[0] / norms[-1]).item())
        row = row - 0.1 * gradient
    assert faded[-1] > 10 * faded[0]

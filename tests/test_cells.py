"""What every cell promises, and agreement with torch.nn, values and gradients, given the same weights."""

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.cells.base import Cell
from longlag.checks.cells import check_cell
from longlag.scans.run import run_layer, scan
from longlag.values.seeding import stream

MORE_SPECS = {
    "rnn": [
        *("rnn:nonlinearity=relu", "rnn:nonlinearity=sigmoid", "rnn:init=orthogonal"),
        *("rnn:nonlinearity=relu,init=identity", "rnn:nonlinearity=linear", "rnn:init=gaussian", "rnn:init=pascanu"),
    ],
    "lstm": [
        *("lstm:forget_bias=-2", "lstm:init=chrono,span=30", "lstm:forget_gate=false"),
        *("lstm:peepholes=true", "lstm:peepholes=true,coupled=true"),
        "lstm:diagonal=true,peepholes=true",
    ],
    "gru": ["gru:reset=before", "gru:init=chrono,span=30", "gru:diagonal=true"],
    "janet": ["janet:init=chrono"],
    "rhn": ["rhn:depth=1", "rhn:depth=3"],
    "antisymmetric": ["antisymmetric:gated=true"],
    "exprnn": ["exprnn:init=cayley"],
    "indrnn": ["indrnn:nonlinearity=tanh"],
    "lru": ["lru:r_min=0.9,r_max=0.99"],
    "selective": ["selective:numbers=2"],
    "deltanet": ["deltanet:key_size=3,beta_max=2", "deltanet:key_size=3,householders=2"],
    "mamba2": ["mamba2:heads=2,numbers=3"],
}
OTHER_STARTS = {
    *("rnn:init=orthogonal", "rnn:nonlinearity=relu,init=identity", "rnn:init=gaussian", "rnn:init=pascanu"),
    *("lstm:forget_bias=-2", "lstm:init=chrono,span=30", "gru:init=chrono,span=30", "janet:init=chrono"),
    *("exprnn:init=cayley", "lru:r_min=0.9,r_max=0.99"),
}
"""Those that only start from other weights: their equations are checked with others, fast."""
SPECS = [spec for name in registry.names("cell") for spec in (name, *MORE_SPECS.get(name, []))]
EQUATIONS = [spec for spec in SPECS if isinstance(registry.cell(spec), Cell)]
"""Those that say one time step; a module runs whole sequences by itself."""
STEPS, BATCH, INPUTS, HIDDEN = 5, 4, 3, 6


@pytest.fixture(params=EQUATIONS)
def cell(request):
    return registry.cell(request.param)


def weights_of(cell, seed=0, inputs=INPUTS, hidden=HIDDEN, dtype=torch.float64):
    values = cell.initial_weights(inputs, hidden, "test", seed)
    return {name: torch.from_numpy(value).to(dtype) for name, value in values.items()}


def random_weights(cell, seed=0):
    """Weights without special values, so that nothing is right by chance."""
    generator = stream("test", "random", seed).generator()
    return {name: torch.from_numpy(0.6 * generator.standard_normal(shape)) for name, shape in cell.shapes(
        INPUTS, HIDDEN
    ).items()}  # fmt: skip


def sequences(seed=0, batch=BATCH):
    return torch.from_numpy(stream("test", "inputs", seed).generator().standard_normal((STEPS, batch, INPUTS)))


def project(cell, inputs, weights):
    return inputs @ weights["input_weight"] + (weights["bias"] if cell.biased else 0)


# The contract


@pytest.mark.parametrize(
    "spec", [pytest.param(spec, marks=pytest.mark.slow) if spec in OTHER_STARTS else spec for spec in SPECS]
)
def test_every_cell_passes_its_check(spec):
    assert [finding.line for finding in check_cell(spec, timed=False) if not finding.ok] == []


def test_logical_tensors_fill_each_tensors_last_axis(cell):
    for name, shape in cell.shapes(INPUTS, HIDDEN).items():
        assert sum(cell.parts(name, HIDDEN)) == shape[-1]
    assert cell.hidden_size(weights_of(cell)) == HIDDEN


def test_initial_weights_follow_their_names_and_nothing_else(cell):
    np.random.seed(0)
    torch.manual_seed(0)
    before = str(np.random.get_state()), torch.get_rng_state()
    first = cell.initial_weights(INPUTS, HIDDEN, "test", 0)
    assert str(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    again, other = cell.initial_weights(INPUTS, HIDDEN, "test", 0), cell.initial_weights(INPUTS, HIDDEN, "test", 1)
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["input_weight"] != other["input_weight"]).any()


def test_a_leading_trial_axis_gives_what_separate_calls_give(cell):
    trials = [random_weights(cell, seed) for seed in range(3)]
    inputs = torch.stack([sequences(seed) for seed in range(3)])  # (S, T, B, I)
    biases = [name for name, value in trials[0].items() if value.ndim == 1]
    stacked = {name: torch.stack([trial[name] for trial in trials]) for name in trials[0]}
    stacked |= {name: stacked[name].unsqueeze(1) for name in biases}  # (S, 1, ...)
    state = tuple(part.unflatten(0, (3, BATCH)) for part in cell.start(3 * BATCH, HIDDEN, inputs))
    outputs, prepared = [], cell.prepare(stacked)
    for step in inputs.unbind(1):
        projected = project(cell, step, stacked)
        state = cell.step(projected, state, prepared)
        outputs.append(cell.output(projected, state, prepared))
    alone = torch.stack([run_layer(cell, inputs[s], trials[s]) for s in range(3)])
    torch.testing.assert_close(torch.stack(outputs, 1), alone, rtol=1e-12, atol=1e-14)


# Agreement with torch.nn

# Our gates stand in the order of torch's blocks; our matrices are its matrices transposed.
REFERENCES = {
    "rnn": lambda: torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="tanh"),
    "rnn:nonlinearity=relu": lambda: torch.nn.RNN(INPUTS, HIDDEN, nonlinearity="relu"),
    "lstm": lambda: torch.nn.LSTM(INPUTS, HIDDEN),
    "gru": lambda: torch.nn.GRU(INPUTS, HIDDEN),
}


def reference_of(spec, weights):
    """Return the torch.nn module in float64 with our weights; its second bias is ours where it is not redundant."""
    with torch.random.fork_rng():
        module = REFERENCES[spec]().double()
    with torch.no_grad():
        module.weight_ih_l0.copy_(weights["input_weight"].T)
        module.weight_hh_l0.copy_(weights["recurrent_weight"].T)
        module.bias_ih_l0.copy_(weights["bias"])
        module.bias_hh_l0.zero_()
        if "candidate_bias" in weights:
            module.bias_hh_l0[-HIDDEN:] = weights["candidate_bias"]
    return module


@pytest.mark.parametrize("spec", REFERENCES)
def test_outputs_and_gradients_equal_those_of_torch_nn(spec):
    cell = registry.cell(spec)
    ours = {name: value.requires_grad_() for name, value in random_weights(cell).items()}
    module = reference_of(spec, ours)
    factors = sequences(9)[..., :1]  # a different weight for every output, so that no error cancels
    our_inputs, their_inputs = sequences().requires_grad_(), sequences().requires_grad_()

    our_outputs, (their_outputs, _) = run_layer(cell, our_inputs, ours), module(their_inputs)
    (our_outputs * factors).sum().backward()
    (their_outputs * factors).sum().backward()

    expected = {
        "input_weight": module.weight_ih_l0.grad.T,
        "recurrent_weight": module.weight_hh_l0.grad.T,
        "bias": module.bias_ih_l0.grad,
        "candidate_bias": module.bias_hh_l0.grad[-HIDDEN:],
    }
    torch.testing.assert_close(our_outputs, their_outputs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(our_inputs.grad, their_inputs.grad, rtol=1e-12, atol=1e-14)
    for name, value in ours.items():
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-12, atol=1e-13)


def test_the_sigmoid_network_follows_its_equation():
    cell = registry.cell("rnn:nonlinearity=sigmoid")
    weights, inputs = random_weights(cell), sequences()
    w, u, b = (weights[name].numpy() for name in ("input_weight", "recurrent_weight", "bias"))
    h, expected = np.zeros((BATCH, HIDDEN)), []
    for x in inputs.numpy():
        h = 1 / (1 + np.exp(-(x @ w + b + h @ u)))
        expected.append(h)
    np.testing.assert_allclose(run_layer(cell, inputs, weights).numpy(), np.stack(expected), rtol=1e-12)


def test_the_scan_starts_from_the_state_it_is_given():
    cell = registry.cell("lstm")
    weights, inputs = random_weights(cell), sequences()
    whole = run_layer(cell, inputs, weights)
    projected = inputs @ weights["input_weight"] + weights["bias"]
    state = (torch.zeros(BATCH, HIDDEN).double(),) * 2
    for step in projected[:2]:
        state = cell.step(step, state, weights)
    torch.testing.assert_close(scan(cell, projected[2:], weights, state)[0], whole[2:], rtol=1e-12, atol=1e-14)


# Initialisation


@pytest.mark.parametrize("spec", ["rnn", "gru", "lstm"])
def test_default_weights_fill_the_range_of_torch_nn(spec):
    weights = weights_of(registry.cell(spec), inputs=50, hidden=100)
    for name in ("input_weight", "recurrent_weight"):
        largest = weights[name].abs().max().item()
        assert 0.099 < largest < 0.1  # 1 / sqrt(100)
        assert abs(weights[name].mean().item()) < 0.002


def test_identity_starts_from_the_identity_and_zero_biases():
    weights = weights_of(registry.cell("rnn:nonlinearity=relu,init=identity"))
    assert torch.equal(weights["recurrent_weight"], torch.eye(HIDDEN).double())
    assert torch.equal(weights["bias"], torch.zeros(HIDDEN).double())
    assert torch.equal(weights["input_weight"], weights_of(registry.cell("rnn"))["input_weight"])


def test_orthogonal_starts_from_an_orthogonal_matrix():
    u = weights_of(registry.cell("rnn:init=orthogonal"))["recurrent_weight"]
    torch.testing.assert_close(u @ u.T, torch.eye(HIDDEN).double(), rtol=0, atol=1e-12)
    assert not torch.equal(u.abs(), torch.eye(HIDDEN).double())


def test_orthogonal_matrices_turn_and_mirror_equally_often():
    cell = registry.cell("rnn:init=orthogonal")
    signs = [torch.linalg.det(weights_of(cell, seed)["recurrent_weight"]).sign().item() for seed in range(200)]
    assert abs(sum(signs)) < 4 * 200**0.5


@pytest.mark.parametrize(("spec", "bias"), [("lstm", 1.0), ("lstm:forget_bias=-2", -2.0)])
def test_the_forget_gate_starts_with_its_bias(spec, bias):
    weights = weights_of(registry.cell(spec))
    blocks = dict(zip(registry.cell(spec).gates, weights["bias"].chunk(4), strict=True))
    assert (blocks.pop("forget") == bias).all()
    assert all((block.abs() <= HIDDEN**-0.5).all() and (block != 0).all() for block in blocks.values())

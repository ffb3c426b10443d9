"""The layers with a trial axis, against as many torch.nn modules."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from longlag.networks.stacked import GRU, LSTM, RNN

README = Path(__file__).resolve().parent.parent / "bench" / "perf" / "README.md"
S, T, B, N, H = 3, 6, 4, 2, 5
KINDS = [
    (RNN, torch.nn.RNN, {}),
    (RNN, torch.nn.RNN, {"nonlinearity": "relu"}),
    (GRU, torch.nn.GRU, {}),
    (LSTM, torch.nn.LSTM, {}),
]
IDS = ["rnn", "rnn-relu", "gru", "lstm"]
kinds = pytest.mark.parametrize(("ours", "theirs", "options"), KINDS, ids=IDS)


def pair(ours, theirs, options, layers=1, dtype=torch.float64):
    layer = ours(S, N, H, layers, dtype=dtype, generator=torch.Generator().manual_seed(0), **options)
    modules = [theirs(N, H, layers, dtype=dtype, **options) for _ in range(S)]
    for index, module in enumerate(modules):
        layer.load_trial(index, module.state_dict())
    return layer, modules


def flat(state):
    return state if isinstance(state, tuple) else (state,)


def states_of(layer, layers=1, requires_grad=False):
    found = tuple(torch.randn(S, layers, B, H, dtype=torch.float64) for _ in range(layer.states))
    found = tuple(part.requires_grad_(requires_grad) for part in found)
    return found if layer.states > 1 else found[0]


def of_trial(state, index):
    return tuple(part[index] for part in state) if isinstance(state, tuple) else state[index]


@pytest.mark.parametrize("layers", [1, 2])
@kinds
def test_values_equal_separate_modules(ours, theirs, options, layers):
    layer, modules = pair(ours, theirs, options, layers)
    inputs, start = torch.randn(S, T, B, N, dtype=torch.float64), states_of(layer, layers)
    outputs, last = layer(inputs, start)
    for index, module in enumerate(modules):
        expected, expected_last = module(inputs[index], of_trial(start, index))
        assert_close(outputs[index], expected)
        assert_close(of_trial(last, index), expected_last)


@pytest.mark.parametrize("layers", [1, 2])
@kinds
def test_gradients_equal_separate_modules(ours, theirs, options, layers):
    layer, modules = pair(ours, theirs, options, layers)
    inputs = torch.randn(S, T, B, N, dtype=torch.float64, requires_grad=True)
    start = states_of(layer, layers, requires_grad=True)
    outputs, last = layer(inputs, start)
    loss = outputs.sin().sum() + sum(part.cos().sum() for part in flat(last))
    found = torch.autograd.grad(loss, [inputs, *flat(start), *layer.parameters()])
    for index, module in enumerate(modules):
        own = inputs[index].detach().requires_grad_()
        begun = tuple(part[index].detach().requires_grad_() for part in flat(start))
        values, ended = module(own, begun if layer.states > 1 else begun[0])
        loss = values.sin().sum() + sum(part.cos().sum() for part in flat(ended))
        expected = torch.autograd.grad(loss, [own, *begun, *module.parameters()])
        assert_close([part[index] for part in found], list(expected))


@kinds
def test_shared_inputs_reach_every_trial_and_collect_all_gradients(ours, theirs, options):
    layer, _ = pair(ours, theirs, options)
    shared = torch.randn(T, B, N, dtype=torch.float64, requires_grad=True)
    repeated = shared.detach().expand(S, T, B, N).clone().requires_grad_()
    outputs, expected = layer(shared)[0], layer(repeated)[0]
    assert_close(outputs, expected)
    (found,) = torch.autograd.grad(outputs.sin().sum(), shared)
    (each,) = torch.autograd.grad(expected.sin().sum(), repeated)
    assert_close(found, each.sum(0))


@kinds
def test_a_trial_is_the_same_bytes_alone_and_in_company(ours, theirs, options):
    layer, _ = pair(ours, theirs, options, dtype=torch.float32)
    inputs = torch.randn(S, T, B, N)
    alone = ours(1, N, H, **options)
    for index in range(S):
        alone.load_trial(0, layer.trial_state_dict(index))
        assert torch.equal(alone(inputs[index : index + 1])[0][0], layer(inputs)[0][index])


@kinds
def test_without_a_kernel_torch_computes_the_same(ours, theirs, options, monkeypatch):
    layer, _ = pair(ours, theirs, options)
    inputs = torch.randn(S, T, B, N, dtype=torch.float64)
    outputs, last = layer(inputs)
    monkeypatch.setattr("longlag.networks.stacked.kernel_for", lambda cell: None)
    expected, expected_last = layer(inputs)
    assert_close((outputs, last), (expected, expected_last))


def test_only_its_own_weights_are_parameters():
    names = {name: tuple(value.shape) for name, value in GRU(S, N, H).named_parameters()}
    assert names == {
        "weight_ih_l0": (S, 3 * H, N),
        "weight_hh_l0": (S, 3 * H, H),
        "bias_ih_l0": (S, 3 * H),
        "bias_hh_l0": (S, 3 * H),
    }


def test_a_generator_decides_the_weights_and_leaves_the_global_one_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second = (LSTM(S, N, H, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("shape", [(S + 1, T, B, N), (S, T, B, N + 1), (B, N)])
def test_inputs_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="inputs are"):
        LSTM(S, N, H)(torch.zeros(shape))


def test_empty_sequences_are_refused():
    with pytest.raises(ValueError, match="at least one time step"):
        LSTM(S, N, H)(torch.zeros(S, 0, B, N))


def test_a_state_dict_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="weight_ih_l0 is"):
        LSTM(S, N, H).load_trial(0, torch.nn.GRU(N, H).state_dict())
    with pytest.raises(ValueError, match="expected the tensors"):
        LSTM(S, N, H).load_trial(0, torch.nn.LSTM(N, H, num_layers=2).state_dict())


def test_an_initial_state_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="initial state"):
        LSTM(S, N, H)(torch.zeros(S, T, B, N), torch.zeros(S, 1, B, H))


def test_outputs_changed_in_place_are_noticed():
    layer = RNN(S, N, H)
    outputs, _ = layer(torch.zeros(T, B, N))
    assert outputs.requires_grad
    outputs.mul_(2).sum().backward()  # the stacked outputs are a copy of what the kernel keeps
    assert all(value.grad is not None for value in layer.parameters())


def test_the_example_of_the_readme_runs_and_trains_each_trial():
    section = README.read_text(encoding="utf-8").partition("## The layers, without the rest")[2]
    names: dict[str, Any] = {}
    exec(section.partition("```python")[2].partition("```")[0], names)
    assert names["outputs"].shape == (8, 50, 20, 64)
    assert (names["readout"].detach() != 0).any((1, 2)).all()

"""Depth, skip connections, directions, normalisation, dropout: against torch.nn and equations written afresh."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from longlag import registry
from longlag.networks.build import network_for
from longlag.networks.layers import Layers
from longlag.networks.recurrent import Network
from longlag.scans.run import reversed_in_time, run_layer
from longlag.tasks.copy import Copy
from longlag.tasks.parity import Parity
from longlag.tasks.support.options import Range
from longlag.training.gradients import write_gradients
from longlag.values.seeding import stream
from longlag.values.wiring import DIRECTIONS, NORMALISATIONS, SKIPS, Wiring

INPUTS, HIDDEN = 3, 4
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
CLOSE = {"rtol": 1e-10, "atol": 1e-14}
DEEP = [
    Wiring(3, skip, direction, normalisation)
    for skip in SKIPS
    for direction in DIRECTIONS
    for normalisation in NORMALISATIONS
]


def layers_of(spec, wiring):
    return Layers(registry.cell(spec), INPUTS, HIDDEN, wiring)


def run(layers, tensors, inputs, lengths=None):
    return layers.run(
        tensors, inputs, lambda _, seen, weights, start: run_layer(layers.cell, seen, weights, state=start), lengths
    )


def tensors_of(layers, seed=0):
    """Draw every tensor away from its initial value, so that nothing is right by special values; all want gradients."""
    moved = np.random.default_rng(seed)
    values = layers.initial_values("test", seed)
    assert {name: value.shape for name, value in values.items()} == layers.shapes
    return {
        name: torch.from_numpy(value + 0.3 * moved.standard_normal(value.shape)).requires_grad_()
        for name, value in values.items()
    }


def sequences(steps=7, batch=4, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((steps, batch, INPUTS))).requires_grad_()


def gradients_of(outputs, tensors):
    """Return the gradients of a sum whose terms differ, by each of the tensors."""
    factors = torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * factors).sum(), tensors, allow_unused=True, materialize_grads=True)


# Against torch.nn


def module_of(spec, layers, tensors):
    """Return torch's stack with our weights."""
    bidirectional = len(layers.wiring.directions) == 2
    with torch.random.fork_rng():
        module = MODULES[spec](INPUTS, HIDDEN, num_layers=layers.wiring.layers, bidirectional=bidirectional).double()
    names = [
        f"l{layer}{end}"
        for layer in range(layers.wiring.layers)
        for end in ("", "_reverse")[: len(layers.wiring.directions)]
    ]
    with torch.no_grad():
        for name, ours in zip(names, layers.by_scan(tensors), strict=True):
            getattr(module, f"weight_ih_{name}").copy_(ours["input_weight"].T)
            getattr(module, f"weight_hh_{name}").copy_(ours["recurrent_weight"].T)
            getattr(module, f"bias_ih_{name}").copy_(ours["bias"])
            second = getattr(module, f"bias_hh_{name}").zero_()
            if spec == "gru":
                second[-HIDDEN:] = ours["candidate_bias"]
    return module, names


@pytest.mark.parametrize("lengths", [None, [7, 3, 1, 5]])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("spec", MODULES)
def test_stacks_and_directions_equal_torch_nn_with_gradients(spec, depth, direction, lengths):
    layers = layers_of(spec, Wiring(depth, direction=direction))
    tensors, inputs = tensors_of(layers), sequences()
    module, names = module_of(spec, layers, tensors)
    if lengths is None:
        ours, (theirs, _) = run(layers, tensors, inputs), module(inputs)
    else:
        packed, _ = module(pack_padded_sequence(inputs, lengths, enforce_sorted=False))
        theirs, _ = pad_packed_sequence(packed)
        within = torch.arange(7).unsqueeze(1) < torch.tensor(lengths)
        ours = run(layers, tensors, inputs, torch.tensor(lengths)) * within.unsqueeze(2)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    found = gradients_of(ours, [inputs, *tensors.values()])
    expected = gradients_of(theirs, [inputs, *module.parameters()])
    torch.testing.assert_close(found[0], expected[0], **CLOSE)
    by_name = dict(zip([name for name, _ in module.named_parameters()], expected[1:], strict=True))
    for name, of_scan in zip(names, layers.by_scan(dict(zip(tensors, found[1:], strict=True))), strict=True):
        torch.testing.assert_close(of_scan["input_weight"].T, by_name[f"weight_ih_{name}"], **CLOSE)
        torch.testing.assert_close(of_scan["recurrent_weight"].T, by_name[f"weight_hh_{name}"], **CLOSE)
        torch.testing.assert_close(of_scan["bias"], by_name[f"bias_ih_{name}"], **CLOSE)
    assert expected[0].abs().max() > 0.01, "the comparison is of something"


def test_the_backward_direction_begins_at_each_sequences_own_end():
    layers = layers_of("gru", Wiring(2, direction="bidirectional"))
    tensors, inputs = tensors_of(layers), sequences()
    together = run(layers, tensors, inputs, torch.tensor([7, 3, 1, 5]))
    for place, length in enumerate([7, 3, 1, 5]):
        alone = run(layers, tensors, inputs[:length, place : place + 1])
        torch.testing.assert_close(together[:length, place : place + 1], alone, **CLOSE)
    ignoring_ends = run(layers, tensors, inputs)
    assert (ignoring_ends[:3, 1] - together[:3, 1]).abs().max() > 1e-3


@pytest.mark.parametrize("cell", ["gru", "transformer"])
def test_a_network_reads_each_sequence_to_its_own_end(cell):
    task = Parity(steps=Range(2, 6))
    network = network_for(registry.cell(cell), task, 8, Wiring(2, direction="bidirectional"))
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    batch = task.draw(stream("test").generator(), 6)
    together = network.outputs(views, batch)
    assert len(set(batch.lengths.tolist())) > 2
    for place, outputs in zip(batch.scored.tolist(), together, strict=True):
        step, column = divmod(place, 6)
        alone = network.states(views, batch.inputs[: batch.lengths[column], column : column + 1])
        expected = alone[step, 0] @ views["readout.weight"] + views["readout.bias"]
        torch.testing.assert_close(outputs, expected, **CLOSE)


@pytest.mark.parametrize("decoder_layers", [0, 2])
def test_no_two_tensors_start_alike(decoder_layers):
    wiring = Wiring(
        layers=2,
        direction="bidirectional",
        decoder_cell="gru" if decoder_layers else "none",
        decoder_layers=decoder_layers,
    )
    task = registry.task("reverse:items=3,symbols=4" if decoder_layers else "parity:steps=8")
    network = network_for(registry.cell("gru"), task, 6, wiring)
    views = network.layout.views(torch.from_numpy(network.initial_row(0)))
    drawn = [value.flatten() for value in views.values() if value.unique().numel() > 1]
    assert len(drawn) > 8
    for place, value in enumerate(drawn):
        alike = [other for other in drawn[:place] if len(other) == len(value) and torch.equal(other, value)]
        assert not alike


def test_turning_round_twice_gives_the_sequences_back():
    inputs, lengths = sequences(), torch.tensor([7, 3, 1, 5])
    once = reversed_in_time(inputs, lengths)
    assert torch.equal(once[0], torch.stack([inputs[length - 1, place] for place, length in enumerate([7, 3, 1, 5])]))
    assert torch.equal(reversed_in_time(once, lengths), inputs)


# Against equations


def by_equations(layers, tensors, inputs):
    """Compute the layers as the field's papers write them, one sequence and one unit of thought at a time."""
    wiring, outputs = layers.wiring, []
    for place in range(inputs.shape[1]):
        x = inputs[:, place]
        h = [both_ways(layers, tensors, 0, x)]
        s = h[0]
        for layer in range(1, wiring.layers):
            u = torch.hstack(h) if wiring.skip == "dense" else s
            if wiring.normalisation == "layer":
                mean = u.mean(1, keepdim=True)
                variance = ((u - mean) ** 2).mean(1, keepdim=True)
                u = (u - mean) / (variance + 1e-5).sqrt() * tensors[f"{layer}-norm.gain"] + tensors[
                    f"{layer}-norm.bias"
                ]
            h.append(both_ways(layers, tensors, layer, torch.hstack([x, u]) if wiring.skip == "dense" else u))
            if wiring.skip == "highway":
                gate = 1 / (1 + (-(u @ tensors[f"{layer}-highway.weight"] + tensors[f"{layer}-highway.bias"])).exp())
                s = h[-1] * gate + s * (1 - gate)
            else:
                s = h[-1] + s if wiring.skip == "residual" else h[-1]
        outputs.append(s)
    return torch.stack(outputs, 1)


def both_ways(layers, tensors, layer, v):
    names = [str(layer), f"{layer}-backward"][: len(layers.wiring.directions)]
    ways = []
    for name, order in zip(names, (range(len(v)), reversed(range(len(v)))), strict=False):
        weights = {key.partition(".")[2]: value for key, value in tensors.items() if key.startswith(f"{name}.")}
        h, found = torch.zeros(HIDDEN, dtype=v.dtype), {}
        for step in order:
            h = torch.tanh(v[step] @ weights["input_weight"] + weights["bias"] + h @ weights["recurrent_weight"])
            found[step] = h
        ways.append(torch.stack([found[step] for step in range(len(v))]))
    return torch.hstack(ways)


@pytest.mark.parametrize("wiring", DEEP, ids=str)
def test_skips_directions_and_normalisation_equal_their_equations_with_gradients(wiring):
    layers = layers_of("rnn", wiring)
    tensors, inputs = tensors_of(layers), sequences(5, 3)
    ours, theirs = run(layers, tensors, inputs), by_equations(layers, tensors, inputs)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    leaves = [inputs, *tensors.values()]
    for name, found, expected in zip(
        ["inputs", *tensors], gradients_of(ours, leaves), gradients_of(theirs, leaves), strict=True
    ):
        assert (expected != 0).all(), f"{name} matters"
        torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("wiring", DEEP, ids=str)
@pytest.mark.parametrize("spec", ["rnn", "lstm", "gru"])
def test_fused_equals_readable(spec, wiring, monkeypatch):
    task = Parity()
    network = Network.for_task(registry.cell(spec), task, HIDDEN, wiring)
    rows = torch.from_numpy(network.initial_row(0)).unsqueeze(0)
    batch = task.draw(stream("test").generator(), 3)
    fused, readable = torch.zeros_like(rows), torch.zeros_like(rows)
    losses = write_gradients(network, task, rows, fused, [batch])
    assert network.path("cpu", "float64") == "fused"
    monkeypatch.setattr("longlag.scans.run.standard_kernel", lambda cell: None)
    monkeypatch.setattr("longlag.networks.recurrent.standard_kernel", lambda cell: None)
    assert network.path("cpu", "float64") == "readable"
    torch.testing.assert_close(write_gradients(network, task, rows, readable, [batch]), losses, **CLOSE)
    torch.testing.assert_close(readable, fused, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_plain_stack_by_hand_equals_autograd(depth, monkeypatch):
    task = Copy(items=2, symbols=3, blanks=4)
    network = Network.for_task(registry.cell("lstm"), task, HIDDEN, Wiring(depth))
    rows = torch.from_numpy(network.initial_row(0)).unsqueeze(0)
    batch = task.draw(stream("test").generator(), 3)
    by_hand, by_autograd = torch.zeros_like(rows), torch.zeros_like(rows)
    write_gradients(network, task, rows, by_hand, [batch])
    monkeypatch.setattr(Wiring, "plain", False)
    write_gradients(network, task, rows, by_autograd, [batch])
    torch.testing.assert_close(by_hand, by_autograd, rtol=1e-10, atol=1e-15)


def test_tokens_and_their_one_hot_vectors_are_the_same_to_dense_connections():
    layers = layers_of("rnn", Wiring(3, "dense"))
    tensors, tokens = tensors_of(layers), torch.tensor([[0, 2], [1, 1], [2, 0]])
    torch.testing.assert_close(
        run(layers, tensors, tokens), run(layers, tensors, one_hot(tokens, INPUTS).double()), **CLOSE
    )


# Initial values


def test_dense_connections_start_with_weights_by_the_root_of_the_layers_they_come_from():
    layers, cell = layers_of("rnn", Wiring(4, "dense")), registry.cell("rnn")
    values = layers.initial_values("test")
    for layer in (1, 2, 3):
        plain = cell.initial_weights(INPUTS + layer * HIDDEN, HIDDEN, "test", layer)["input_weight"]
        own = values[f"{layer}.input_weight"]
        np.testing.assert_array_equal(own[:INPUTS], plain[:INPUTS])
        np.testing.assert_allclose(own[INPUTS:], plain[INPUTS:] / layer**0.5, rtol=1e-12)


def test_highway_gates_start_nearly_closed_and_a_stack_of_them_carries_its_first_layer_on():
    layers = layers_of("rnn", Wiring(2, "highway"))
    tensors = {name: torch.from_numpy(value) for name, value in layers.initial_values("test").items()}
    below = run(layers_of("rnn", Wiring(1)), tensors, sequences())
    assert (run(layers, tensors, sequences()) - below).norm() < 0.25 * below.norm()


# What it says of itself


@pytest.mark.parametrize("scan", ["0", "1", "1-backward"])
def test_the_orthogonality_error_is_that_of_the_worst_scan(scan, monkeypatch):
    network = Network.for_task(registry.cell("gru"), Parity(), HIDDEN, Wiring(2, direction="bidirectional"))
    monkeypatch.setattr(type(network.cell), "orthogonality_error", lambda _, weights: weights["bias"].max())
    row = torch.zeros(network.layout.row_size)
    network.layout.views(row)[f"{scan}.bias"].fill_(3.0)
    assert network.orthogonality_error(row) == 3.0

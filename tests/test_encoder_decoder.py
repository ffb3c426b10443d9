"""The encoder-decoder against torch.nn and equations written afresh, and sequences that end apart."""

import numpy as np
import pytest
import torch
from encoder_decoder_samples import (
    CLOSE,
    EQUAL,
    HIDDEN,
    UNEQUAL,
    batch_of,
    gradients_of,
    network_for,
    tensors_of,
)
from torch.nn.functional import one_hot

from longlag import registry
from longlag.scans.run import run_between
from longlag.values.wiring import NORMALISATIONS, SKIPS, Wiring

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


# Against torch.nn


def torch_weights(spec, tensors, part, layers, directions):
    """Name our tensors as torch does; differentiable."""
    found = {}
    for layer in range(layers):
        for ours, theirs in (("", ""), ("-backward", "_reverse"))[: len(directions)]:
            own, end = f"{part}.{layer}{ours}", f"l{layer}{theirs}"
            found[f"weight_ih_{end}"] = tensors[f"{own}.input_weight"].T
            found[f"weight_hh_{end}"] = tensors[f"{own}.recurrent_weight"].T
            found[f"bias_ih_{end}"] = tensors[f"{own}.bias"]
            found[f"bias_hh_{end}"] = torch.zeros_like(tensors[f"{own}.bias"])
            if spec == "gru":
                zeros = torch.zeros(2 * HIDDEN, dtype=torch.float64)
                found[f"bias_hh_{end}"] = torch.cat([zeros, tensors[f"{own}.candidate_bias"]])
    return found


def module_for(spec, inputs, wiring):
    with torch.device("meta"):
        both = len(wiring.directions) == 2
        return MODULES[spec](inputs, HIDDEN, wiring.layers, bidirectional=both, dtype=torch.float64)


def by_torch(network, spec, decoder_spec, tensors, task, batch):
    """Write each sequence by itself, with torch's modules: (N, O), in the order of the scored steps."""
    encoder, decoder = network.wiring.encoder, network.wiring.decoder
    reading = torch_weights(spec, tensors, "encoder", encoder.layers, encoder.directions)
    writing = torch_weights(decoder_spec, tensors, "decoder", decoder.layers, decoder.directions)
    found = {}
    for place in range(batch.inputs.shape[1]):
        tokens = batch.inputs[:, place].tolist()
        mark = tokens.index(task.input_size - 1)
        read = one_hot(torch.tensor(tokens[:mark]), task.input_size).double().unsqueeze(1)
        _, last = torch.func.functional_call(module_for(spec, task.input_size, encoder), reading, (read,))
        starts = starting(network, tensors, last if isinstance(last, tuple) else (last,))
        told = one_hot(batch.decoder_inputs[:mark, place], task.output_size + 1).double().unsqueeze(1)
        module = module_for(decoder_spec, task.output_size + 1, decoder)
        states, _ = torch.func.functional_call(module, writing, (told, starts if len(starts) > 1 else starts[0]))
        written = states.squeeze(1) @ tensors["readout.weight"] + tensors["readout.bias"]
        found |= {(mark + step) * len(batch.mask[0]) + place: row for step, row in enumerate(written)}
    return torch.stack([found[place] for place in batch.scored.tolist()])


def starting(network, tensors, last):
    """Turn what torch's encoder ended with, (layers x directions, 1, H) each, into the decoder's first states."""
    layers, ways = network.wiring.layers, len(network.wiring.directions)
    starts = []
    for layer in range(network.wiring.decoder_layers):
        beside = max(layers - network.wiring.decoder_layers + layer, 0)
        ended = [part.view(layers, ways, 1, HIDDEN)[beside] for part in last]  # (ways, 1, H), h before c
        if f"bridge.{layer}.weight" in tensors:
            flat = torch.cat([part[way] for way in range(ways) for part in ended], 1)
            flat = flat @ tensors[f"bridge.{layer}.weight"] + tensors[f"bridge.{layer}.bias"]
            starts.append(flat.split(HIDDEN, 1))
        else:
            starts.append([part[0] for part in ended])
    return tuple(torch.stack(parts) for parts in zip(*starts, strict=True))


PAIRS = [("rnn", "rnn"), ("gru", "gru"), ("lstm", "lstm"), ("lstm", "gru"), ("gru", "lstm"), ("rnn", "gru")]


@pytest.mark.parametrize("task", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("depths", [(1, 1), (2, 2), (3, 1), (1, 3), (2, 3)], ids=str)
@pytest.mark.parametrize(("spec", "decoder_spec"), PAIRS)
def test_outputs_and_gradients_are_those_of_torch_nn(spec, decoder_spec, depths, direction, task):
    network = network_for(task, spec, decoder_spec, Wiring(depths[0], direction=direction, decoder_layers=depths[1]))
    copied = direction == "forward" and ("lstm" in (spec, decoder_spec)) == (spec == decoder_spec == "lstm")
    assert any("bridge" in name for name in network.layout.views(torch.zeros(10**5))) != copied
    tensors, batch = tensors_of(network), batch_of(task)
    ours = network.outputs(tensors, batch)
    theirs = by_torch(network, spec, decoder_spec, tensors, task, batch)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    found, expected = (gradients_of(outputs, list(tensors.values())) for outputs in (ours, theirs))
    for name, mine, its in zip(tensors, found, expected, strict=True):
        assert (its != 0).any(), f"a gradient reaches {name}, also of the encoder"
        torch.testing.assert_close(mine, its, **CLOSE)


# Against equations: what lies between layers, in both


def tanh_layers(tensors, part, x, starts, layers, skip, normalisation):
    """Compute layers of plain units over one sequence (T, I), from given states; return the top and the last states."""
    outputs, ended, s = [], [], x
    for layer in range(layers):
        weights = {name.partition(f"{part}.{layer}.")[2]: value for name, value in tensors.items()}
        u = torch.hstack(outputs) if skip == "dense" and layer else s
        if layer and normalisation == "layer":
            away = u - u.mean(1, keepdim=True)
            u = away / ((away**2).mean(1, keepdim=True) + 1e-5).sqrt()
            u = u * tensors[f"{part}.{layer}-norm.gain"] + tensors[f"{part}.{layer}-norm.bias"]
        v = torch.hstack([x, u]) if skip == "dense" and layer else u
        h, rows = starts[layer], []
        for step in v:
            h = torch.tanh(step @ weights["input_weight"] + weights["bias"] + h @ weights["recurrent_weight"])
            rows.append(h)
        outputs.append(torch.stack(rows))
        ended.append(h)
        if layer and skip == "residual":
            s = s + outputs[-1]
        elif layer and skip == "highway":
            own = f"{part}.{layer}-highway"
            gate = torch.sigmoid(u @ tensors[f"{own}.weight"] + tensors[f"{own}.bias"])
            s = gate * outputs[-1] + (1 - gate) * s
        else:
            s = outputs[-1]
    return s, ended


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("skip", SKIPS)
def test_what_lies_between_layers_acts_in_encoder_and_decoder_as_its_equations_say(skip, normalisation):
    network = network_for(UNEQUAL, "rnn", "rnn", Wiring(3, skip, normalisation=normalisation, decoder_layers=3))
    tensors, batch = tensors_of(network), batch_of(UNEQUAL)
    found = {}
    for place in range(batch.inputs.shape[1]):
        length = int(batch.lengths[place]) // 2
        read = one_hot(batch.inputs[:length, place], UNEQUAL.input_size).double()
        zeros = [torch.zeros(HIDDEN, dtype=torch.float64)] * 3
        _, ended = tanh_layers(tensors, "encoder", read, zeros, 3, skip, normalisation)
        told = one_hot(batch.decoder_inputs[:length, place], 6).double()
        top, _ = tanh_layers(tensors, "decoder", told, ended, 3, skip, normalisation)
        written = top @ tensors["readout.weight"] + tensors["readout.bias"]
        found |= {(length + step) * 6 + place: row for step, row in enumerate(written)}
    theirs = torch.stack([found[place] for place in batch.scored.tolist()])
    ours = network.outputs(tensors, batch)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    leaves = list(tensors.values())
    allowed = {"allow_unused": True, "materialize_grads": True}  # the encoder's top outputs go nowhere but by states
    one, other = (torch.autograd.grad((made**2).sum(), leaves, **allowed) for made in (ours, theirs))
    for mine, its in zip(one, other, strict=True):
        torch.testing.assert_close(mine, its, **CLOSE)


# Sequences that end apart


@pytest.mark.parametrize("cell", ["lstm", "gru", "indrnn", "deltanet"])
def test_each_sequence_ends_with_its_own_state_and_is_zero_beyond(cell):
    made = registry.cell(cell)
    weights = {name: torch.from_numpy(value) for name, value in made.initial_weights(3, HIDDEN, "test").items()}
    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 5, 3)))
    zeros = made.start(5, HIDDEN, inputs)
    start = tuple(part + torch.linspace(-0.5, 0.5, part.numel()).double().view_as(part) for part in zeros)
    lengths = torch.tensor([3, 6, 1, 3, 4])
    outputs, last = run_between(made, inputs, weights, start, lengths)
    for place, length in enumerate(lengths.tolist()):
        alone = tuple(part[place : place + 1] for part in start)
        expected, ended = run_between(made, inputs[:length, place : place + 1], weights, alone)
        torch.testing.assert_close(outputs[:length, place : place + 1], expected, **CLOSE)
        assert not outputs[length:, place].any()
        for mine, its in zip(last, ended, strict=True):
            torch.testing.assert_close(mine[place : place + 1], its, **CLOSE)

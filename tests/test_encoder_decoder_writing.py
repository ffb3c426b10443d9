"""What an encoder-decoder is told and what it writes freely, on either path, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from encoder_decoder_samples import (
    CLOSE,
    EQUAL,
    UNEQUAL,
    batch_of,
    gradients_of,
    network_for,
    tensors_of,
)
from torch.nn.functional import cross_entropy, one_hot

from longlag.networks.layers import Layers
from longlag.tasks.reverse import Reverse
from longlag.tasks.support.options import Range
from longlag.training.evaluation import evaluate
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

# Told, and running freely


def a_network_that_counts(symbols):
    """Make a network that writes the class after the one it reads, whatever the encoder says; it begins with 0."""
    task = Reverse(items=Range(3, 3), symbols=symbols)
    network = network_for(task, "rnn", "rnn", Wiring(decoder_layers=1), hidden=symbols + 1)
    views = network.layout.views(torch.zeros(network.layout.row_size, dtype=torch.float64))
    views["decoder.0.input_weight"].copy_(5 * torch.eye(symbols + 1))
    for read in range(symbols + 1):
        views["readout.weight"][read, (read + 1) % symbols if read < symbols else 0] = 1.0
    return task, network, views


def test_told_it_answers_what_it_was_told_and_free_what_it_wrote():
    task, network, views = a_network_that_counts(5)
    batch = batch_of(task, 2)
    told = replace(batch, decoder_inputs=torch.tensor([[5, 5], [3, 0], [4, 4]]))
    assert network.outputs(views, told).argmax(1).view(3, 2).T.tolist() == [[0, 4, 0], [0, 1, 0]]
    free = network.outputs(views, replace(batch, decoder_inputs=None))
    assert free.argmax(1).view(3, 2).T.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_training_tells_and_evaluation_does_not():
    task, network, views = a_network_that_counts(5)
    row = torch.zeros(network.layout.row_size, dtype=torch.float64)
    for name, view in network.layout.views(row).items():
        view.copy_(views[name])
    batch = batch_of(task)
    told = cross_entropy(network.outputs(views, batch), batch.targets)
    loss = network.gradient(task, row, torch.zeros_like(row), batch)
    torch.testing.assert_close(loss, told)
    found = evaluate(network, task, row)
    drawn = task.draw(stream("evaluation", task.spec, task.version, 0).generator(0), 1000, held_out=True)
    written = torch.arange(3).repeat_interleave(1000)
    assert found.error == (written != drawn.targets).double().mean().item()
    after = one_hot(written, 5).double() * torch.tensor(5.0).tanh()
    assert found.loss == pytest.approx(cross_entropy(after, drawn.targets).item(), rel=1e-6)


@pytest.mark.parametrize("task", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize(
    ("spec", "decoder_spec", "wiring"),
    [
        ("lstm", "lstm", Wiring(2, "dense", decoder_layers=3)),
        ("gru", "lstm", Wiring(1, direction="bidirectional", decoder_layers=2)),
        ("indrnn", "gru", Wiring(2, "highway", normalisation="layer", decoder_layers=2)),
        ("gru", "lru", Wiring(2, "residual", decoder_layers=2)),
    ],
    ids=str,
)
def test_told_what_it_wrote_itself_it_writes_the_same(spec, decoder_spec, wiring, task):
    network = network_for(task, spec, decoder_spec, wiring)
    tensors, batch = tensors_of(network), batch_of(task)
    free = network.outputs(tensors, replace(batch, decoder_inputs=None))
    told = torch.full_like(batch.decoder_inputs, task.output_size)
    first = batch.mask.int().argmax(0)
    step, column = batch.scored // 6 + 1, batch.scored % 6
    later = step - first[column]
    inside = later < len(told)
    told[later[inside], column[inside]] = free.argmax(1)[inside]
    torch.testing.assert_close(network.outputs(tensors, replace(batch, decoder_inputs=told)), free, **CLOSE)
    assert (free.argmax(1) != batch.targets).any(), "what it wrote is not what was to be written"


@pytest.mark.parametrize("task", [EQUAL, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize(("spec", "decoder_spec"), [("lstm", "lstm"), ("gru", "gru"), ("rnn", "lstm")])
def test_fused_equals_readable(spec, decoder_spec, direction, task, monkeypatch):
    network = network_for(task, spec, decoder_spec, Wiring(2, direction=direction, decoder_layers=2))
    tensors, batch = tensors_of(network), batch_of(task)
    free = replace(batch, decoder_inputs=None)

    def computed():
        told = network.outputs(tensors, batch)
        return [told, network.outputs(tensors, free), *gradients_of(told, list(tensors.values()))]

    fused = computed()
    assert network.path("cpu", "float64") == "fused"
    monkeypatch.setattr("longlag.scans.run.standard_kernel", lambda cell: None)
    monkeypatch.setattr("longlag.networks.encoder_decoder.standard_kernel", lambda cell: None)
    assert network.path("cpu", "float64") == "readable"
    for one, other in zip(fused, computed(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


# Dropout


def test_dropout_acts_between_the_layers_of_both_and_never_where_nothing_is_told(monkeypatch):
    network = network_for(EQUAL, "gru", "lstm", Wiring(2, dropout=0.4, decoder_layers=2), hidden=20)
    tensors, batch, seen = tensors_of(network), batch_of(EQUAL), []
    scanned = Layers._scanned

    def watched(layers, layer, inputs, *others):
        if layer:
            seen.append((inputs == 0).double().mean().item())
        return scanned(layers, layer, inputs, *others)

    monkeypatch.setattr(Layers, "_scanned", watched)
    network.outputs(tensors, batch, np.random.default_rng(0))
    assert seen == pytest.approx([0.4, 0.4], abs=0.08)  # of 480 numbers: above three standard errors
    seen.clear()
    network.outputs(tensors, replace(batch, decoder_inputs=None))
    assert seen == [0] * (1 + 4), "the encoder once, the decoder at each of four steps"


# What it says of itself


def test_the_path_is_readable_where_one_part_is():
    for cells in (("gru", "mgu"), ("mgu", "gru")):
        assert network_for(EQUAL, *cells, Wiring(decoder_layers=1)).path("cpu", "float32") == "readable"


def test_parameters_and_state_are_counted():
    copied = network_for(EQUAL, "lstm", "lstm", Wiring(2, decoder_layers=1))
    encoder, decoder = 4 * 4 * (7 + 4 + 1) + 4 * 4 * (4 + 4 + 1), 4 * 4 * (6 + 4 + 1)
    assert copied.layout.num_parameters == encoder + decoder + 5 * (4 + 1)
    assert copied.state_size == 2 * 2 * 4
    bridged = network_for(EQUAL, "lstm", "gru", Wiring(2, direction="bidirectional", decoder_layers=3))
    bridges = [slot.shape for slot in bridged.layout.slots if slot.name.startswith("bridge")]
    assert bridges == [(2 * 2 * 4, 4), (4,)] * 3
    assert bridged.state_size == 2 * 2 * 2 * 4


def test_initial_weights_of_one_part_do_not_depend_on_the_other():
    def initial(spec, decoder_spec, depth):
        network = network_for(EQUAL, spec, decoder_spec, Wiring(2, decoder_layers=depth))
        return network.layout.views(torch.from_numpy(network.initial_row(3)))

    one, other, third = initial("gru", "lstm", 1), initial("gru", "gru", 2), initial("lstm", "lstm", 1)
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("encoder"))
    assert all(torch.equal(one[name], third[name]) for name in one if name.startswith(("decoder", "readout")))
    assert not torch.equal(one["encoder.0.bias"], one["encoder.1.bias"])
    assert not torch.equal(other["encoder.1.recurrent_weight"], other["decoder.1.recurrent_weight"])


def test_a_cells_own_rate_and_orthogonality_count_in_either_part():
    for cells in (("exprnn", "gru"), ("gru", "exprnn")):
        network = network_for(EQUAL, *cells, Wiring(decoder_layers=1))
        factors = network.layout.views(network.rate_factors())
        part = ("encoder", "decoder")[cells.index("exprnn")]
        slow = {name for name, value in factors.items() if (value != 1).any()}
        assert slow
        assert all(name.startswith(part) for name in slow)
        assert network.orthogonality_error(torch.from_numpy(network.initial_row(0))) < 1e-6
    plain = network_for(EQUAL, "gru", "lstm", Wiring(decoder_layers=1))
    assert plain.rate_factors() is None
    assert plain.orthogonality_error(torch.from_numpy(plain.initial_row(0))) is None


def test_the_orthogonality_error_is_that_of_the_worst_part(monkeypatch):
    network = network_for(EQUAL, "gru", "gru", Wiring(decoder_layers=2))
    monkeypatch.setattr(type(network.cell), "orthogonality_error", lambda _, weights: weights["bias"].max())
    for name in ("encoder.0.bias", "decoder.0.bias", "decoder.1.bias"):
        row = torch.zeros(network.layout.row_size)
        network.layout.views(row)[name].fill_(3.0)
        assert network.orthogonality_error(row) == 3.0

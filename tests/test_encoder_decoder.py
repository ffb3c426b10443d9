"""The encoder-decoder against torch.nn and equations written afresh, told what came before and running freely."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from bench import registry
from bench.encoder_decoder import EncoderDecoder
from bench.evaluation import evaluate
from bench.gradients import write_gradient
from bench.scans import run_between
from bench.seeding import stream
from bench.wiring import SKIPS, Wiring
from tasks.options import Range
from tasks.reverse import Reverse

HIDDEN = 4
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
CLOSE = {"rtol": 1e-9, "atol": 1e-13}
EQUAL, UNEQUAL = Reverse(items=Range(4, 4), symbols=5), Reverse(items=Range(1, 5), symbols=5)


def network_for(task, spec, decoder_spec, wiring, hidden=HIDDEN):
    cells = registry.cell(spec), registry.cell(decoder_spec)
    wiring = replace(wiring, decoder_cell=cells[1].spec)
    return EncoderDecoder(*cells, task.input_size, task.output_size, hidden, wiring)


def tensors_of(network, seed=0):
    """Draw every tensor away from its initial value, so that nothing is right by special values; all want gradients."""
    moved = 0.3 * np.random.default_rng(seed).standard_normal(network.layout.row_size)
    views = network.layout.views(torch.from_numpy(network.initial_row(seed) + moved))
    return {name: view.clone().requires_grad_() for name, view in views.items()}


def batch_of(task, size=6, seed=0):
    return task.draw(stream("test", seed).generator(), size)


def gradients_of(outputs, tensors):
    """Return the gradients of a sum whose terms differ, by each of the tensors."""
    factors = torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * factors).sum(), tensors)


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


# Against equations: skips in both


def tanh_layers(tensors, part, x, starts, layers, skip):
    """Compute layers of plain units over one sequence (T, I), from given states; return the top and the last states."""
    outputs, ended, s = [], [], x
    for layer in range(layers):
        weights = {name.partition(f"{part}.{layer}.")[2]: value for name, value in tensors.items()}
        u = torch.hstack(outputs) if skip == "dense" and layer else s
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


@pytest.mark.parametrize("skip", SKIPS)
def test_skips_act_in_encoder_and_decoder_as_their_equations_say(skip):
    network = network_for(UNEQUAL, "rnn", "rnn", Wiring(3, skip, decoder_layers=3))
    tensors, batch = tensors_of(network), batch_of(UNEQUAL)
    found = {}
    for place in range(batch.inputs.shape[1]):
        length = int(batch.lengths[place]) // 2
        read = one_hot(batch.inputs[:length, place], UNEQUAL.input_size).double()
        zeros = [torch.zeros(HIDDEN, dtype=torch.float64)] * 3
        _, ended = tanh_layers(tensors, "encoder", read, zeros, 3, skip)
        told = one_hot(batch.decoder_inputs[:length, place], 6).double()
        top, _ = tanh_layers(tensors, "decoder", told, ended, 3, skip)
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
    loss = write_gradient(network, task, row, torch.zeros_like(row), batch)
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
    monkeypatch.setattr("bench.scans.standard_kernel", lambda cell: None)
    monkeypatch.setattr("bench.encoder_decoder.standard_kernel", lambda cell: None)
    assert network.path("cpu", "float64") == "readable"
    for one, other in zip(fused, computed(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


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

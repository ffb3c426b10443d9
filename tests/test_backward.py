"""What happens inside the backward pass: clipped signals and chunks of time, each against its formula."""

from math import inf

import numpy as np
import pytest
import torch
from backward_samples import HIDDEN, STEPWISE, TASKS, batch_of, gradient_of, network_of, row_of, run_readable
from torch.testing import assert_close

from longlag.scans.engine import layer as layers
from longlag.scans.find import kernel_for
from longlag.values.backward import PLAIN, Backward

FUSED = [f"rnn:nonlinearity={name}" for name in ("tanh", "relu", "sigmoid", "linear")] + ["gru", "lstm"]
FUSED += ["cornn", "deltanet", "lru", "scornn", "selective", "slstm"]
USUAL = ["rnn:nonlinearity=tanh", "rnn:nonlinearity=relu", "gru", "lstm"]
RARE = [spec for spec in FUSED if spec not in USUAL]
TIGHT = Backward(signal_limit=1e-3)


# References, written step by step: the signal is carried by hand, one vector-Jacobian product a step


def by_hand(spec, backward, task="copy", depth=1):
    """Return the gradient, by name: every step is differentiated by itself, and the signal is a list of tensors."""
    network, batch = network_of(spec, task, depth), batch_of(task)
    cell, limit, views = network.cell, backward.signal_limit, network.layout.views(row_of(network))
    leaves = {name: view.clone().requires_grad_() for name, view in views.items()}
    grads = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}

    def projected(layer, x):
        weight, bias = leaves[f"{layer}.input_weight"], leaves.get(f"{layer}.bias", torch.zeros(()))
        return (x @ weight if x.is_floating_point() else weight[x]) + bias

    def step(layer, x, state):
        weights = cell.prepare({name.partition(".")[2]: leaf for name, leaf in leaves.items() if name[0] == str(layer)})
        after = cell.step(projected(layer, x), state, weights)
        return after, cell.output(projected(layer, x), after, weights)

    states, inputs = [], [batch.inputs]
    for layer in range(depth):
        state, along, outputs = cell.start(5, HIDDEN, row_of(network)), [], []
        for x in inputs[-1]:
            along.append(tuple(part.detach() for part in state))
            state, output = step(layer, x, along[-1])
            outputs.append(output.detach())
        states.append(along)
        inputs.append(torch.stack(outputs))
    top = inputs[-1].clone().requires_grad_()
    logits = top.flatten(0, 1)[batch.scored] @ leaves["readout.weight"] + leaves["readout.bias"]
    loss = TASKS[task].loss(logits, batch)
    names = ["readout.weight", "readout.bias"]
    arriving, *found = torch.autograd.grad(loss, [top, *(leaves[name] for name in names)])
    grads |= dict(zip(names, found, strict=True))
    for layer in reversed(range(depth)):
        signal = [torch.zeros_like(part) for part in states[layer][0]]
        below = []
        mine = [name for name in leaves if name[0] == str(layer)]
        for t in reversed(range(len(arriving))):
            before = tuple(part.clone().requires_grad_() for part in states[layer][t])
            x = inputs[layer][t]
            x = x.clone().requires_grad_() if x.is_floating_point() else x
            weights = cell.prepare({name[2:]: leaves[name] for name in mine})
            after = cell.step(projected(layer, x), before, weights)
            handed_on = tuple(part.clone() for part in after)
            output = cell.output(projected(layer, x), handed_on, weights)
            direct = torch.autograd.grad(output, handed_on, arriving[t], retain_graph=True, materialize_grads=True)
            signal = [(one + other).clamp(-limit, limit) for one, other in zip(direct, signal, strict=True)]
            asked = [*before, *(leaves[name] for name in mine), *([x] if x.is_floating_point() else [])]
            through = torch.autograd.grad(after, asked, signal, retain_graph=True, materialize_grads=True)
            beside = torch.autograd.grad(output, asked, arriving[t], retain_graph=True, materialize_grads=True)
            past = torch.autograd.grad(handed_on, asked, direct, materialize_grads=True)
            signal = [part.clone() for part in through[: len(before)]]
            if backward.truncate and t and t % backward.truncate == 0:
                signal = [torch.zeros_like(part) for part in signal]
            total = [a + (b - c) for a, b, c in zip(through, beside, past, strict=True)]  # the output's own weights
            for name, value in zip(mine, total[len(before) :], strict=False):
                grads[name] += value
            below.append(total[-1])
        arriving = torch.stack(below[::-1]) if layer else None
    return grads


BACKWARDS = {
    "state": Backward(signal_limit=0.003),
    "truncate": Backward(truncate=4),
    "both": Backward(signal_limit=0.003, truncate=3),
}


@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("spec", FUSED)
def test_fused_gradients_are_those_of_the_signal_carried_by_hand(spec, task, backward):
    network = network_of(spec, task, 2)
    assert network.path("cpu", "float64") == "fused"
    found = network.layout.views(gradient_of(spec, backward, task, 2))
    for name, expected in by_hand(spec, backward, task, 2).items():
        assert_close(found[name], expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS)
@pytest.mark.parametrize("spec", STEPWISE)
def test_readable_gradients_are_those_of_the_signal_carried_by_hand(spec, backward, monkeypatch):
    run_readable(monkeypatch)
    found = network_of(spec).layout.views(gradient_of(spec, backward))
    for name, expected in by_hand(spec, backward).items():
        assert_close(found[name], expected, rtol=1e-8, atol=1e-12)
    assert not torch.equal(gradient_of(spec, backward), gradient_of(spec, PLAIN)), "it acts here"


@pytest.mark.parametrize("chunk", [1, 2, 5, 13, 14])
def test_truncation_is_what_detached_states_give(chunk):
    task, network = TASKS["copy"], network_of("lstm")
    steps, batch = TASKS["copy"].length, batch_of()
    views = {name: view.clone().requires_grad_() for name, view in network.layout.views(row_of(network)).items()}
    h = c = torch.zeros(5, HIDDEN, dtype=torch.float64)
    outputs = []
    for t, tokens in enumerate(batch.inputs):
        if t in range(chunk, steps, chunk):
            h, c = h.detach(), c.detach()
        a = views["0.input_weight"][tokens] + views["0.bias"] + h @ views["0.recurrent_weight"]
        i, f, g, o = a.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    top = torch.stack(outputs).flatten(0, 1)[batch.scored]
    task.loss(top @ views["readout.weight"] + views["readout.bias"], batch).backward()
    found = network.layout.views(gradient_of("lstm", Backward(truncate=chunk)))
    for name, leaf in views.items():
        assert_close(found[name], leaf.grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS)
@pytest.mark.parametrize("spec", [*USUAL, *(pytest.param(spec, marks=pytest.mark.slow) for spec in RARE)])
def test_fused_equals_readable_in_single_precision_signals_too(spec, backward, monkeypatch):
    fused_signals, readable_signals = [], []
    fused = gradient_of(spec, backward, "adding", 2, torch.float32, fused_signals)
    run_readable(monkeypatch)
    found = gradient_of(spec, backward, "adding", 2, torch.float32, readable_signals)
    assert_close(found, fused, rtol=1e-4, atol=1e-6)
    for one, other in zip(fused_signals, readable_signals, strict=True):
        assert_close(one.inputs, other.inputs, rtol=1e-4, atol=1e-6)
        assert_close(one.arriving, other.arriving, rtol=1e-4, atol=1e-6)
        assert_close(one.before, other.before, rtol=1e-4, atol=1e-6)
        assert_close(one.passed, other.passed, rtol=1e-4, atol=1e-6)


# Where it must not act


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spec", [*FUSED, "mgu", "lem"])
def test_a_huge_limit_and_a_chunk_of_the_whole_length_change_no_byte(spec, dtype):
    plain = gradient_of(spec, PLAIN, dtype=dtype)
    length = TASKS["copy"].length
    for backward in (Backward(signal_limit=1e30), Backward(truncate=length), Backward(truncate=length + 1)):
        assert gradient_of(spec, backward, dtype=dtype).numpy().tobytes() == plain.numpy().tobytes()
    assert gradient_of(spec, PLAIN, dtype=dtype, seen=[]).numpy().tobytes() == plain.numpy().tobytes()


@pytest.mark.parametrize("spec", ["rnn", "lstm", "gru", "mgu"])
def test_a_loss_at_the_end_reaches_back_no_further_than_its_chunk(spec):
    seen = []
    gradient_of(spec, Backward(truncate=4), "adding", seen=seen)  # 11 steps: chunks of 4, 4 and 3
    (signal,) = seen
    assert all((part[:8] == 0).all() for part in signal.passed)
    assert (signal.passed[0][8:] != 0).any(2).any(1).all()


@pytest.mark.parametrize("backward", [*BACKWARDS.values(), Backward(omega=2.0), Backward(0.003, 3, 2.0)])
@pytest.mark.parametrize("spec", ["rnn", "lstm", "gru", "selective", "deltanet"])
def test_chunks_of_memory_change_nothing(spec, backward, monkeypatch):
    whole_signals, cut_signals = [], []
    whole = gradient_of(spec, backward, "adding", 2, seen=whole_signals)
    monkeypatch.setattr(layers, "KEPT_NUMBERS", 500)
    assert_close(gradient_of(spec, backward, "adding", 2, seen=cut_signals), whole)
    for one, other in zip(whole_signals, cut_signals, strict=True):
        assert_close(one.passed, other.passed)
        assert_close(one.before, other.before)


def test_not_a_number_passes_and_infinity_is_clipped():
    network, batch = network_of("rnn:nonlinearity=linear"), batch_of()
    for value, finite in ((inf, True), (float("nan"), False)):
        row = row_of(network)
        kernel_layer = layers.Layer(
            kernel_for(network.cell), network.by_scan(network.layout.arrays(row.numpy()))[0], batch.inputs.numpy()
        )
        grads = np.zeros((*batch.inputs.shape, HIDDEN))
        grads[-1, 0, 0] = value
        signal = kernel_layer.blank_signal()
        kernel_layer.backward(kernel_layer.forward(keep=True)[2], grads, backward=TIGHT, signal=signal)
        assert bool(signal.passed[0].isfinite().all()) == finite

"""The gradient of a plain network without autograd: against autograd, on kept buffers, and where these do not serve."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from longlag import registry
from longlag.networks import plain
from longlag.networks.recurrent import Network
from longlag.tasks.adding import Adding
from longlag.tasks.agreement import Agreement
from longlag.tasks.copy import Copy
from longlag.tasks.flip_flop import FlipFlop
from longlag.values.backward import PLAIN, Backward
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

CELLS = ["rnn", "gru", "lstm", "lstm:peepholes=true", "indrnn"]
"""With and without products apart, several states, weights of a unit's own, and recurrent products."""
TASKS = [Copy(items=2, symbols=3, blanks=4), Adding(length=9), Agreement()]


def drawn(spec, task, layers=2, hidden=19, dtype=torch.float64, seed=0):
    network = Network.for_task(registry.cell(spec), task, hidden, Wiring(layers=layers))
    batch = task.draw(stream("test", seed).generator(), 5)
    batch = batch.map(lambda part: part.to(dtype) if part.is_floating_point() else part)
    return network, torch.from_numpy(network.initial_row(seed)).to(dtype), batch


def gradient(network, task, row, batch, backward=PLAIN):
    found = torch.zeros_like(row)
    return network.gradient(task, row, found, batch, None, backward), found


def by_autograd(network, task, row, batch, backward=PLAIN):
    found = torch.zeros_like(row)
    return network.by_autograd(task, row, found, batch, None, backward), found


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name())
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("spec", CELLS)
def test_loss_and_gradient_are_those_of_autograd(spec, layers, task):
    network, row, batch = drawn(spec, task, layers)
    for found, expected in zip(
        gradient(network, task, row, batch), by_autograd(network, task, row, batch), strict=True
    ):
        assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("spec", ["rnn", "gru", "lstm"])
def test_single_precision_stays_within_its_bound(spec):
    network, row, batch = drawn(spec, TASKS[0], dtype=torch.float32)
    given = network, TASKS[0], row, batch
    for found, expected in zip(gradient(*given), by_autograd(*given), strict=True):
        assert_close(found, expected, rtol=1e-4, atol=1e-6)  # sums of some hundred numbers, in another order


@pytest.mark.parametrize("backward", [PLAIN, Backward(signal_limit=1e-3), Backward(truncate=3)], ids=str)
@pytest.mark.parametrize("spec", CELLS)
def test_what_was_there_before_and_who_looks_on_change_no_byte(spec, backward):
    task = FlipFlop(instructions=5, acting=2.0)  # whose scored steps differ from batch to batch
    network, row, batch = drawn(spec, task)
    other, other_batch = drawn(spec, task, seed=1)[1:]
    assert not torch.equal(batch.mask, other_batch.mask)
    first = gradient(network, task, row, batch, backward)
    gradient(network, task, torch.full_like(row, torch.nan), batch, backward)  # a trial that has diverged
    gradient(network, task, other, other_batch, backward)
    again = gradient(network, task, row, batch, backward)
    seen = gradient(network, task, row, batch, replace(backward, seen=[]))
    assert len({b"".join(part.numpy().tobytes() for part in found) for found in (first, again, seen)}) == 1
    assert_close(first[1], by_autograd(network, task, row, batch, backward)[1], rtol=1e-10, atol=1e-12)


def test_the_padding_of_a_row_is_not_written():
    network, row, batch = drawn("lstm", TASKS[0])
    row_of_ones = torch.ones_like(row)
    network.gradient(TASKS[0], row, row_of_ones, batch)
    for slot in network.layout.slots:
        slot.view(row_of_ones).fill_(1)
    assert row_of_ones.eq(1).all()


def test_buffers_are_kept_for_the_next_trial_and_not_without_bound(monkeypatch):
    network, row, batch = drawn("rnn", Adding(length=9))
    gradient(network, Adding(length=9), row, batch)
    kept = next(iter(network._plain.spare.values()))
    buffers = kept[0]
    gradient(network, Adding(length=9), row, batch)
    assert kept == [buffers]
    monkeypatch.setattr(plain, "KEPT_NUMBERS", buffers.numbers)
    gradient(network, Adding(length=9), row, drawn("rnn", Adding(length=8))[2])
    assert [shape.steps for shape in network._plain.spare] == [8]


def test_a_token_without_a_row_of_weights_is_refused():
    network, row, batch = drawn("rnn", TASKS[0])
    batch.inputs[2, 1] = network.input_size
    with pytest.raises(IndexError, match=f"tokens run from 0 to {network.input_size}, not from 0 to"):
        gradient(network, TASKS[0], row, batch)

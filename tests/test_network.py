"""The layout of a row, and whole networks against torch.nn."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from longlag import registry
from longlag.networks.recurrent import Network
from longlag.tasks.copy import Copy
from longlag.training.gradients import write_gradients
from longlag.values.layout import ALIGNMENT, Layout
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

TASK = Copy(items=2, symbols=3, blanks=4)
HIDDEN = 7
CLOSED_FORMS = {  # recurrent layer of I inputs and H units
    "rnn": lambda i, h: h * (i + h + 1),
    "lstm": lambda i, h: 4 * h * (i + h + 1),
    "gru": lambda i, h: 3 * h * (i + h + 1) + h,
}


def network_of(spec, layers=1, hidden=HIDDEN):
    return Network.for_task(registry.cell(spec), TASK, hidden, Wiring(layers=layers))


def batch_of(size=4):
    return TASK.draw(stream("test").generator(), size)


def row_of(network, seed=0):
    return torch.from_numpy(network.initial_row(seed))


# Layout


def test_tensors_are_aligned_and_do_not_overlap():
    layout = Layout.of({"a": (3, 5), "b": (16,), "c": (1,), "d": (17, 1)})
    assert [slot.offset for slot in layout.slots] == [0, 16, 32, 48]
    assert layout.row_size == 80
    assert layout.num_parameters == 15 + 16 + 1 + 17


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("spec", registry.names("cell"))
def test_every_tensor_of_a_network_has_its_own_aligned_place(spec, layers):
    layout = network_of(spec, layers).layout
    owners = np.zeros(layout.row_size, dtype=int)
    for slot in layout.slots:
        owners[slot.offset : slot.offset + slot.size] += 1
    assert owners.max() == 1
    assert owners.sum() == layout.num_parameters
    assert {slot.offset % ALIGNMENT for slot in layout.slots} | {layout.row_size % ALIGNMENT} == {0}


def test_views_share_memory_with_their_row():
    network = network_of("gru")
    row = torch.zeros(network.layout.row_size)
    for view in network.layout.views(row).values():
        view += 1
    assert row.sum() == network.layout.num_parameters


@pytest.mark.parametrize("spec", registry.names("cell"))
def test_padding_starts_at_zero(spec):
    network = network_of(spec)
    row = row_of(network)
    assert (row != 0).any()
    for view in network.layout.views(row).values():
        view.zero_()
    assert (row == 0).all()


# Sizes


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("spec", CLOSED_FORMS)
def test_parameters_are_as_many_as_the_closed_form_says(spec, layers):
    count = CLOSED_FORMS[spec]
    expected = count(5, HIDDEN) + (layers - 1) * count(HIDDEN, HIDDEN) + 3 * (HIDDEN + 1)
    assert network_of(spec, layers).layout.num_parameters == expected


def test_the_state_counts_what_is_carried_between_steps():
    assert {spec: network_of(spec, 2).state_size for spec in ("rnn", "gru", "lstm")} == {
        "rnn": 2 * HIDDEN,
        "gru": 2 * HIDDEN,
        "lstm": 4 * HIDDEN,
    }


# Initial rows


def test_the_same_seed_gives_the_same_row_and_another_another():
    one, same, other = (network_of("lstm", 2).initial_row(seed) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).sum() > 0.9 * (one != 0).sum()


def test_layers_and_tensors_start_from_different_numbers():
    views = network_of("rnn", 3).layout.views(row_of(network_of("rnn", 3)))
    firsts = [view.flatten()[0].item() for view in views.values()]
    assert len(set(firsts)) == len(firsts)


def test_the_readout_starts_within_the_range_of_torch_nn():
    views = network_of("rnn", hidden=100).layout.views(row_of(network_of("rnn", hidden=100)))
    assert 0.09 < views["readout.weight"].abs().max() <= 0.1


def test_making_a_row_leaves_the_global_random_states_alone():
    np.random.seed(0)
    torch.manual_seed(0)
    before = str(np.random.get_state()), torch.get_rng_state()
    network_of("rnn:init=orthogonal").initial_row(0)
    assert str(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


# Values and gradients

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def reference_of(spec, layers, views):
    """Return torch's stack of layers and readout, in float64, with our weights."""
    with torch.random.fork_rng():
        stack = MODULES[spec](TASK.input_size, HIDDEN, num_layers=layers).double()
        readout = torch.nn.Linear(HIDDEN, TASK.output_size).double()
    with torch.no_grad():
        for layer in range(layers):
            getattr(stack, f"weight_ih_l{layer}").copy_(views[f"{layer}.input_weight"].T)
            getattr(stack, f"weight_hh_l{layer}").copy_(views[f"{layer}.recurrent_weight"].T)
            getattr(stack, f"bias_ih_l{layer}").copy_(views[f"{layer}.bias"])
            second = getattr(stack, f"bias_hh_l{layer}").zero_()
            if spec == "gru":
                second[-HIDDEN:] = views[f"{layer}.candidate_bias"]
        readout.weight.copy_(views["readout.weight"].T)
        readout.bias.copy_(views["readout.bias"])
    return stack, readout


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("spec", MODULES)
def test_outputs_and_gradients_equal_those_of_torch_nn(spec, layers):
    network, batch = network_of(spec, layers), batch_of()
    rows = row_of(network).unsqueeze(0)
    stack, readout = reference_of(spec, layers, network.layout.views(rows[0]))
    states, _ = stack(one_hot(batch.inputs, TASK.input_size).double())
    theirs = readout(states[batch.mask])
    loss = TASK.loss(theirs, batch)
    loss.backward()

    gradients = torch.zeros_like(rows)
    losses = write_gradients(network, TASK, rows, gradients, [batch])
    ours = network.layout.views(gradients[0])
    torch.testing.assert_close(network.outputs(network.layout.views(rows[0]), batch), theirs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(losses[0], loss.detach(), rtol=1e-12, atol=0)
    for layer in range(layers):
        close = {"rtol": 1e-11, "atol": 1e-15}
        torch.testing.assert_close(ours[f"{layer}.input_weight"], getattr(stack, f"weight_ih_l{layer}").grad.T, **close)
        torch.testing.assert_close(
            ours[f"{layer}.recurrent_weight"], getattr(stack, f"weight_hh_l{layer}").grad.T, **close
        )
        torch.testing.assert_close(ours[f"{layer}.bias"], getattr(stack, f"bias_ih_l{layer}").grad, **close)
    torch.testing.assert_close(ours["readout.weight"], readout.weight.grad.T, rtol=1e-11, atol=1e-15)
    assert (stack.weight_hh_l0.grad != 0).all(), "the comparison is of something"


def test_the_readout_is_computed_at_the_scored_steps_only():
    network, batch = network_of("rnn"), batch_of(size=3)
    outputs = network.outputs(network.layout.views(row_of(network)), batch)
    assert outputs.shape == (int(batch.mask.sum()), TASK.output_size) == (6, 3)


def test_gradients_leave_the_padding_at_zero():
    network = network_of("gru", 2)
    rows = row_of(network).unsqueeze(0)
    gradients = torch.zeros_like(rows)
    write_gradients(network, TASK, rows, gradients, [batch_of()])
    for view in network.layout.views(gradients[0]).values():
        assert (view != 0).any()
        view.zero_()
    assert (gradients == 0).all()


def test_rows_get_their_own_batchs_gradient():
    network = network_of("lstm")
    rows = torch.stack([row_of(network, seed) for seed in range(3)])
    batches = [TASK.draw(stream("test").generator(place), 4) for place in range(3)]
    together, alone = torch.zeros_like(rows), torch.zeros_like(rows)
    losses = write_gradients(network, TASK, rows, together, batches)
    for place in range(3):
        here = slice(place, place + 1)
        assert write_gradients(network, TASK, rows[here], alone[here], batches[here]) == losses[here]
    assert torch.equal(together, alone)

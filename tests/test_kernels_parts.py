"""What kernels are made of: functions, products, the same bytes in any company, chunks of time, buffers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_samples import CELLS, RARE, both_ways, cells, drawn, fused, in_float32, normal
from torch.testing import assert_close

from longlag import registry
from longlag.networks.recurrent import Network
from longlag.scans.engine import layer as layers
from longlag.scans.engine import products, weights, workspace
from longlag.scans.engine.compiler import separate
from longlag.scans.engine.differentiable import run_kernel
from longlag.scans.engine.dots import dot
from longlag.scans.engine.functions import exp, log_sigmoid, sigmoid, tanh
from longlag.scans.engine.scan import ends
from longlag.scans.find import kernel_for
from longlag.tasks.adding import Adding
from longlag.tasks.copy import Copy
from longlag.training.gradients import write_gradients
from longlag.values.backward import Backward
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring


@separate
def sigmoid_of(x, found):
    for i in range(x.size):
        found[i] = sigmoid(x[i])


@separate
def tanh_of(x, found):
    for i in range(x.size):
        found[i] = tanh(x[i])


@separate
def exp_of(x, found):
    for i in range(x.size):
        found[i] = exp(x[i])


@separate
def log_sigmoid_of(x, found):
    for i in range(x.size):
        found[i] = log_sigmoid(x[i])


# The functions


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 3e-7), (np.float64, 6e-16)])
@pytest.mark.parametrize(("ours", "exact"), [
    (sigmoid_of, lambda x: 1 / (1 + np.exp(-x))), (tanh_of, np.tanh),
    (exp_of, np.exp), (log_sigmoid_of, lambda x: -np.logaddexp(0, -x)),
])  # fmt: skip
def test_functions_are_exact_to_a_few_roundings(ours, exact, dtype, bound):
    x = np.concatenate([np.linspace(-80, 80, 20_011), np.linspace(-1e-3, 1e-3, 1001), [1e-30, -1e-30]]).astype(dtype)
    found, expected = np.empty_like(x), exact(x.astype(np.longdouble))
    ours(x, found)
    assert np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)) < bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_reach_their_limits_and_let_nan_through(dtype):
    x = np.array([np.inf, -np.inf, 1e38, -1e38, 0.0, np.nan], dtype)
    by_sigmoid, by_tanh = np.empty_like(x), np.empty_like(x)
    sigmoid_of(x, by_sigmoid)
    tanh_of(x, by_tanh)
    np.testing.assert_allclose(by_sigmoid, [1, 0, 1, 0, 0.5, np.nan], atol=1e-37)
    np.testing.assert_array_equal(by_tanh, [1, -1, 1, -1, 0, np.nan])
    by_exp, by_log = np.empty(3, dtype), np.empty_like(x)
    exp_of(np.array([-np.inf, 0, np.nan], dtype), by_exp)
    log_sigmoid_of(x, by_log)
    np.testing.assert_array_equal(by_exp, [0, 1, np.nan])
    np.testing.assert_allclose(by_log, [0, -np.inf, 0, x[3], -np.log(2), np.nan], rtol=1e-7, atol=1e-37)


# The products


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(1, 19), depth=st.integers(1, 40), columns=st.integers(1, 70), gates=st.integers(1, 4))
def test_packed_products_equal_numpy(rows, depth, columns, gates):
    rng = np.random.default_rng(0)
    matrix, inputs = rng.standard_normal((depth, gates * columns)), rng.standard_normal((1, rows * depth))
    width = -(-columns // products.panel_width(matrix.dtype)) * products.panel_width(matrix.dtype)
    found = np.empty((gates, 1, rows * width))
    packed = products.packed(matrix, gates, False)
    weights.project_vectors(inputs, packed, np.zeros((gates, rows * width)), found)
    by_gate = found.reshape(gates, rows, width)[..., :columns]
    expected = inputs.reshape(rows, depth) @ matrix
    np.testing.assert_allclose(np.concatenate(list(by_gate), axis=1), expected, rtol=1e-11, atol=1e-12)


def test_a_row_of_a_product_is_the_same_bytes_wherever_it_stands():
    rng = np.random.default_rng(0)
    packed = products.packed(rng.standard_normal((37, 50)).astype(np.float32), 1, False)
    rows = rng.standard_normal((21, 37)).astype(np.float32)
    width = packed.shape[1] * packed.shape[3]

    def product(some):
        found = np.empty((1, 1, len(some) * width), np.float32)
        weights.project_vectors(some.reshape(1, -1), packed, np.zeros((1, len(some) * width), np.float32), found)
        return found.reshape(-1, width)

    for count in (1, 3, 4, 8, 13, 21):
        assert product(rows[-count:]).tobytes() == product(rows)[-count:].tobytes()


@separate
def dots_of(a, b, found):
    for row in range(len(a)):
        found[row] = dot(a[row], b[row])


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-15)])
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 37, 64, 200])
def test_scalar_products_equal_numpy(size, dtype, bound):
    a, b = np.random.default_rng(0).standard_normal((2, 50, size)).astype(dtype)
    found = np.empty(50, dtype)
    dots_of(a, b, found)
    exact = (a.astype(np.longdouble) * b).sum(1)
    assert np.max(np.abs(found - exact) / np.abs(a * b).sum(1)) < bound


# Chunks of time


@in_float32(CELLS)
def test_chunks_change_no_number_of_the_way_forward(spec, monkeypatch):
    cell, values = drawn(spec, 3, 20, torch.float32)
    inputs, values = normal(23, 4, 3, dtype=torch.float32).detach(), {n: v.detach() for n, v in values.items()}
    whole = fused(cell, values, inputs)
    monkeypatch.setattr(layers, "PASSING_NUMBERS", 2000)
    assert torch.equal(whole, fused(cell, values, inputs))


@cells
def test_chunks_computed_again_give_the_same_gradients(spec, monkeypatch):
    whole, _ = both_ways(spec, 23, 4, 3, 20, torch.float64)
    monkeypatch.setattr(layers, "KEPT_NUMBERS", 1000)
    cut, _ = both_ways(spec, 23, 4, 3, 20, torch.float64)
    assert_close(cut, whole)


@separate
def ends_of(truncate, found):
    for place in range(found.size):
        found[place] = ends(truncate, place)


@pytest.mark.parametrize("truncate", [0, 1, 3, 20])
def test_compiled_loops_end_the_signal_where_the_readable_path_does(truncate):
    found = np.empty(50, bool)
    ends_of(truncate, found)
    assert found.tolist() == [Backward(truncate=truncate).cuts(place) for place in range(50)]


@pytest.mark.parametrize("spec", ["rnn", "lstm"])
def test_a_whole_network_in_chunks_gives_the_same_gradients(spec, monkeypatch):
    task = Copy(items=2, symbols=3, blanks=30)
    network = Network.for_task(registry.cell(spec), task, 20, Wiring(layers=2))
    parameters = torch.from_numpy(network.initial_row(0))[None]
    batch = task.draw(stream("test").generator(), 4)
    whole, cut = torch.zeros_like(parameters), torch.zeros_like(parameters)
    write_gradients(network, task, parameters, whole, [batch])
    monkeypatch.setattr(layers, "KEPT_NUMBERS", 1000)
    write_gradients(network, task, parameters, cut, [batch])
    assert_close(cut, whole)


@pytest.mark.parametrize("token", [-1, 3])
@pytest.mark.parametrize("spec", ["rnn", "selective"])
def test_tokens_without_a_row_of_weights_are_refused_before_anything_is_read(spec, token):
    cell, values = drawn(spec, 3, 4)
    inputs = torch.zeros(5, 2, dtype=torch.int64)
    inputs[4, 1] = token
    with torch.no_grad(), pytest.raises(IndexError):
        kernel_for(cell).run(cell, inputs, values)


@in_float32(CELLS)
def test_without_a_way_back_outputs_and_last_states_are_the_same_bytes(spec):
    cell, values = drawn(spec, 3, 20, torch.float32)
    inputs = normal(22, 4, 3, dtype=torch.float32).detach()
    outputs, last = kernel_for(cell).run(cell, inputs, values)
    with torch.no_grad():
        passed, ended = kernel_for(cell).run(cell, inputs, values)
    assert torch.equal(passed, outputs)
    assert all(torch.equal(one, other) for one, other in zip(ended, last, strict=True))


@pytest.mark.parametrize("spec", ["selective", "deltanet"])
def test_own_loops_pass_over_chunks_where_no_way_back_follows(spec, monkeypatch):
    cell, values = drawn(spec, 3, 20)
    inputs = normal(22, 4, 3)
    with torch.no_grad():
        whole = kernel_for(cell).run(cell, inputs, values)
        monkeypatch.setattr(layers, "KEPT_NUMBERS", 1500)
        assert_close(kernel_for(cell).run(cell, inputs, values), whole)


# Company


@settings(deadline=None, max_examples=25)
@given(
    spec=st.sampled_from([spec for spec in CELLS if spec not in RARE]),
    task=st.sampled_from([Copy(items=2, symbols=3, blanks=4), Adding(length=9)]),
    hidden=st.integers(1, 40),
    batch=st.integers(1, 11),
    depth=st.integers(1, 2),
    company=st.integers(1, 4),
    place=st.integers(0, 3),
)
def test_gradients_are_the_same_bytes_alone_and_in_company(spec, task, hidden, batch, depth, company, place):
    network = Network.for_task(registry.cell(spec), task, hidden, Wiring(layers=depth))
    rows = torch.stack([torch.from_numpy(network.initial_row(seed)).float() for seed in range(company)])
    batches = [task.draw(stream("test", seed).generator(), batch) for seed in range(company)]
    together, place = torch.zeros_like(rows), place % company
    losses = write_gradients(network, task, rows, together, batches)
    alone = torch.zeros_like(rows[:1])
    loss = write_gradients(network, task, rows[place : place + 1].clone(), alone, batches[place : place + 1])
    assert together[place].numpy().tobytes() == alone[0].numpy().tobytes()
    assert losses[place].numpy().tobytes() == loss[0].numpy().tobytes()


def test_where_weights_lie_in_memory_changes_no_byte():
    cell, values = drawn("lstm", 3, 37, torch.float32)
    inputs, results = normal(9, 5, 3, dtype=torch.float32).detach(), []
    for shift in (0, 1, 7):
        moved = {}
        for name, value in values.items():
            room = torch.zeros(value.numel() + shift)
            room[shift:] = value.detach().flatten()
            moved[name] = room[shift:].view(value.shape).requires_grad_()
        outputs = run_kernel(kernel_for(cell), moved, inputs)[0]
        grads = torch.autograd.grad(outputs.sin().sum(), list(moved.values()))
        results.append(b"".join(part.detach().numpy().tobytes() for part in (outputs, *grads)))
    assert len(set(results)) == 1


def test_buffers_are_used_again_and_start_a_cache_line():
    dtype = np.dtype(np.float32)
    first = workspace.take((3, 4567), dtype)
    place = first.ctypes.data
    workspace.give_back([first])
    assert workspace.take((4567, 3), dtype).ctypes.data == place
    assert workspace.take((3, 4567), dtype).ctypes.data % 64 == 0

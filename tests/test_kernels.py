"""Fused scans against the readable path and torch.nn: values, gradients, extremes, company, chunks, the disk cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from bench import costs, registry
from bench.gradients import write_gradients
from bench.kernels import layer as layers
from bench.kernels import products, weights, workspace
from bench.kernels.compiler import separate
from bench.kernels.differentiable import run_kernel
from bench.kernels.find import kernel_for
from bench.kernels.functions import sigmoid, tanh
from bench.network import Network
from bench.scans import run_layer, run_readable, scan
from bench.seeding import stream
from bench.trial import Trial
from bench.wiring import Wiring
from tasks.adding import Adding
from tasks.copy import Copy

ROOT = Path(__file__).resolve().parent.parent
CELLS = [f"rnn:nonlinearity={name}" for name in ("tanh", "relu", "sigmoid", "linear")] + ["gru", "lstm"]
CELLS += ["lstm:coupled=true", "lstm:forget_gate=false", "ugrnn", "janet"]
SATURATING = [spec for spec in CELLS if spec not in ("rnn:nonlinearity=relu", "rnn:nonlinearity=linear")]
MODULES = {"rnn:nonlinearity=tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
SINGLE_BOUND = 1e-5
"""Largest difference over 200 time steps in float32, relative to the largest entry of each tensor."""
SINGLE_BOUNDS = {"lstm:forget_gate=false": 1e-4}
"""The cell of 1997 adds up 200 steps without forgetting, roundings too: either path is 1e-5 to 3e-5 off float64."""

cells = pytest.mark.parametrize("spec", CELLS)


@separate
def sigmoid_of(x, found):
    for i in range(x.size):
        found[i] = sigmoid(x[i])


@separate
def tanh_of(x, found):
    for i in range(x.size):
        found[i] = tanh(x[i])


def drawn(spec, inputs, hidden, dtype=torch.float64, scale=1.0):
    """Return a cell and weights that require gradients."""
    cell = registry.cell(spec)
    values = cell.initial_weights(inputs, hidden, "test")
    return cell, {name: (torch.from_numpy(v).to(dtype) * scale).requires_grad_() for name, v in values.items()}


def normal(*shape, dtype=torch.float64, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype).requires_grad_()


def readable(cell, values, inputs, initial):
    return scan(cell, inputs @ values["input_weight"] + values["bias"], values, initial)


def difference(found, expected):
    return max(
        ((a - b).abs().max() / b.abs().max().clamp(min=1e-30)).item() for a, b in zip(found, expected, strict=True)
    )


def both_ways(spec, steps, batch, inputs, hidden, dtype, scale=1.0, size=1.0):
    """Return values and gradients by the kernel and by the readable path."""
    cell, values = drawn(spec, inputs, hidden, dtype, scale)
    x = (normal(steps, batch, inputs, dtype=dtype) * size).detach().requires_grad_()
    initial = tuple(normal(batch, hidden, dtype=dtype, seed=1 + place) for place in range(len(cell.states)))
    leaves, upstream = [*values.values(), x, *initial], normal(steps, batch, hidden, dtype=dtype, seed=9)
    ways = (run_kernel(kernel_for(cell), values, x, initial)[0], readable(cell, values, x, initial))
    return [[outputs.detach(), *torch.autograd.grad(outputs, leaves, upstream.detach())] for outputs in ways]


# The functions


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 3e-7), (np.float64, 6e-16)])
@pytest.mark.parametrize(("ours", "exact"), [(sigmoid_of, lambda x: 1 / (1 + np.exp(-x))), (tanh_of, np.tanh)])
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


# Kernels against the readable path


def test_every_cell_with_a_kernel_file_has_a_kernel():
    named = {path.stem for path in (ROOT / "bench" / "kernels").glob("*.py")} & set(registry.names("cell"))
    assert named == {spec.partition(":")[0] for spec in CELLS}
    assert all(kernel_for(registry.cell(name)) is not None for name in named)


@cells
def test_a_kernel_declares_what_its_cell_has(spec):
    cell = registry.cell(spec)
    kernel = kernel_for(cell)
    assert (kernel.gates, kernel.states) == (len(cell.gate_widths(4)), len(cell.states))
    assert kernel.kept <= kernel.gates


@cells
def test_gradients_are_those_of_the_values(spec):
    cell, values = drawn(spec, 2, 5)
    inputs, initial = normal(3, 2, 2), tuple(normal(2, 5, seed=1 + s) for s in range(len(cell.states)))

    def run(inputs, *others):
        named = dict(zip(values, others, strict=False))
        return run_kernel(kernel_for(cell), named, inputs, others[len(named) :])

    assert torch.autograd.gradcheck(run, (inputs, *values.values(), *initial))


@pytest.mark.parametrize("shape", [(200, 7, 3, 37), (200, 4, 2, 64), (1, 1, 1, 1), (1, 9, 2, 33), (5, 1, 4, 8)])
@cells
def test_double_precision_equals_the_readable_path(spec, shape):
    found, expected = both_ways(spec, *shape, torch.float64)
    assert difference(found, expected) < 1e-10


@pytest.mark.parametrize("shape", [(200, 7, 3, 37), (200, 20, 2, 64)])
@pytest.mark.parametrize("spec", SATURATING)
def test_single_precision_stays_within_its_bound(spec, shape):
    found, expected = both_ways(spec, *shape, torch.float32)
    assert difference(found, expected) < SINGLE_BOUNDS.get(spec, SINGLE_BOUND)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spec", SATURATING)
def test_saturated_gates_give_finite_values_near_the_readable_ones(spec, dtype, size):
    found, expected = both_ways(spec, 12, 3, 2, 9, dtype, size=size)
    assert all(part.isfinite().all() for part in expected)
    assert all(part.isfinite().all() for part in found)
    # A float32 pre-activation of 10^4 is itself uncertain by 10^-3.
    assert dtype == torch.float32 or difference(found[:1], expected[:1]) < 1e-12


@cells
def test_zeros_give_what_the_readable_path_gives(spec):
    cell, values = drawn(spec, 2, 6, scale=0.0)
    inputs, initial = torch.zeros(4, 3, 2), (torch.zeros(3, 6),) * len(cell.states)
    zeros = {name: value.detach().float() for name, value in values.items()}
    assert_close(run_kernel(kernel_for(cell), zeros, inputs)[0], readable(cell, zeros, inputs, initial))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@cells
def test_non_finite_numbers_come_through_where_they_do_on_the_readable_path(spec, bad):
    cell, values = drawn(spec, 2, 6, torch.float32)
    for name in values:
        changed = {key: value.detach().clone() for key, value in values.items()}
        changed[name].view(-1)[1] = bad
        inputs, initial = normal(4, 3, 2, dtype=torch.float32).detach(), (torch.zeros(3, 6),) * len(cell.states)
        found = run_kernel(kernel_for(cell), changed, inputs)[0]
        assert_close(found, readable(cell, changed, inputs, initial), equal_nan=True, rtol=1e-4, atol=1e-6)


@cells
def test_a_gradient_that_is_not_finite_comes_through(spec):
    cell, values = drawn(spec, 2, 6)
    outputs = run_kernel(kernel_for(cell), values, normal(4, 3, 2))[0]
    upstream = torch.zeros_like(outputs)
    upstream[2, 1] = float("nan")
    assert all(grad.isnan().any() for grad in torch.autograd.grad(outputs, list(values.values()), upstream))


@pytest.mark.parametrize("spec", MODULES)
def test_kernels_equal_torch_nn(spec):
    cell, values = drawn(spec, 3, 37)
    module = MODULES[spec](3, 37, dtype=torch.float64)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        module.weight_ih_l0.copy_(values["input_weight"].T)
        module.weight_hh_l0.copy_(values["recurrent_weight"].T)
        module.bias_ih_l0.copy_(values["bias"])
        if spec == "gru":
            module.bias_hh_l0[-37:].copy_(values["candidate_bias"])
    inputs = normal(20, 4, 3)
    ours, theirs = run_kernel(kernel_for(cell), values, inputs)[0], module(inputs)[0]
    assert_close(ours, theirs)
    (found,), (expected,) = (torch.autograd.grad(outputs.sin().sum(), inputs) for outputs in (ours, theirs))
    assert_close(found, expected)


@cells
def test_tokens_equal_one_hot_vectors(spec):
    cell, values = drawn(spec, 5, 12)
    tokens = torch.from_numpy(np.random.default_rng(0).integers(5, size=(9, 4)))
    one_hot = torch.nn.functional.one_hot(tokens, 5).double()
    results = []
    for inputs in (tokens, one_hot):
        outputs = run_kernel(kernel_for(cell), values, inputs)[0]
        results.append([outputs.detach(), *torch.autograd.grad(outputs.sin().sum(), list(values.values()))])
    assert_close(*results)


def test_going_back_twice_gives_the_same_gradients():
    cell, values = drawn("lstm", 2, 6)
    loss = run_kernel(kernel_for(cell), values, normal(4, 3, 2))[0].square().sum()
    first = torch.autograd.grad(loss, list(values.values()), retain_graph=True)
    assert_close(first, torch.autograd.grad(loss, list(values.values())))


def test_outputs_changed_in_place_are_refused():
    cell, values = drawn("gru", 2, 32)
    outputs = run_kernel(kernel_for(cell), values, normal(4, 3, 2))[0]
    loss = outputs.sum()
    with torch.no_grad():
        outputs.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# Chunks of time


@cells
def test_chunks_change_no_number_of_the_way_forward(spec, monkeypatch):
    cell, values = drawn(spec, 3, 20, torch.float32)
    inputs, values = normal(23, 4, 3, dtype=torch.float32).detach(), {n: v.detach() for n, v in values.items()}
    whole = run_kernel(kernel_for(cell), values, inputs)
    monkeypatch.setattr(layers, "PASSING_NUMBERS", 2000)
    assert all(torch.equal(a, b) for a, b in zip(whole, run_kernel(kernel_for(cell), values, inputs), strict=True))


@cells
def test_chunks_computed_again_give_the_same_gradients(spec, monkeypatch):
    whole, _ = both_ways(spec, 23, 4, 3, 20, torch.float64)
    monkeypatch.setattr(layers, "KEPT_NUMBERS", 1000)
    cut, _ = both_ways(spec, 23, 4, 3, 20, torch.float64)
    assert_close(cut, whole)


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


# Company


@settings(deadline=None, max_examples=25)
@given(
    spec=st.sampled_from(CELLS),
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


# The choice of a path


def test_networks_say_which_path_runs():
    network = Network(registry.cell("lstm"), 2, 1, 8)
    assert network.path("cpu", "float32") == "fused"
    assert network.path("cuda", "float32") == "readable"


def test_without_numba_the_readable_path_runs(monkeypatch):
    cell, values = drawn("gru", 2, 5)
    inputs = normal(4, 3, 2)
    expected = run_layer(cell, inputs, values)
    kernel_for.cache_clear()
    monkeypatch.setattr("bench.kernels.find.find_spec", lambda name: None)
    try:
        assert Network(cell, 2, 1, 8).path("cpu", "float64") == "readable"
        found = run_layer(cell, inputs, values)
    finally:
        kernel_for.cache_clear()
    assert torch.equal(found, run_readable(cell, inputs, values))
    assert_close(found, expected)


@pytest.mark.parametrize("spec", ["lstm:peepholes=true", "janet:beta=2", "gru:reset=before"])
def test_options_that_change_the_equations_run_on_the_readable_path(spec):
    assert Network(registry.cell(spec), 2, 1, 8).path("cpu", "float32") == "readable"
    assert costs.expected_seconds(Trial("adding", spec, "none", 0.1, 0)) > costs.expected_seconds(
        Trial("adding", spec.partition(":")[0], "none", 0.1, 0)
    )


def test_a_precision_without_a_kernel_runs_on_the_readable_path():
    cell, values = drawn("gru", 2, 5, torch.bfloat16)
    inputs = normal(4, 3, 2, dtype=torch.bfloat16)
    assert torch.equal(run_layer(cell, inputs, values), run_readable(cell, inputs, values))


# The disk cache and memory, each in processes of their own

PROGRAM = """
import numpy as np
from bench.kernels import scan
from bench.kernels.layer import Layer
from bench.kernels.rnn import Tanh
weights = {"input_weight": np.ones((1, 2)), "bias": np.zeros(2), "recurrent_weight": np.eye(2)}
outputs, _, _ = Layer(Tanh(), weights, np.ones((1, 1, 1))).forward(keep=False)
print(outputs[0, 0, 0], sum(scan.scan_forward.stats.cache_hits.values()))
"""


def run_program(program, folder, cache):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


DIGESTS = """
import hashlib
from bench.training import Cohort
from bench.trial import Trial

for cell in ("rnn", "lstm", "gru", "lstm:coupled=true", "lstm:forget_gate=false", "ugrnn", "janet"):
    cohort = Cohort([Trial("adding:length=20", cell, "norm:1", 1e-2, 0)], {})
    for _ in range(3):
        cohort.step()
    print(cell, hashlib.sha256(cohort.parameters.numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_code_just_compiled_and_code_from_disk_give_the_same_bytes(tmp_path):
    for package in ("bench", "tasks"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    compiled, loaded = (run_program(DIGESTS, tmp_path, tmp_path / "cache") for _ in range(2))
    assert compiled == loaded


@pytest.mark.slow
def test_a_second_process_does_not_compile_and_an_edited_pair_takes_effect(tmp_path):
    for package in ("bench", "tasks"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    first, second = (run_program(PROGRAM, tmp_path, tmp_path / "cache").split() for _ in range(2))
    assert float(first[0]) == pytest.approx(np.tanh(1.0))
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("0", "1")
    pair = tmp_path / "bench" / "kernels" / "rnn.py"
    pair.write_text(pair.read_text().replace("return (tanh(pre[0]),), ()", "return (pre[0] + pre[0],), ()"))
    assert run_program(PROGRAM, tmp_path, tmp_path / "cache").split() == ["2.0", "0"]


LONG = """
import resource
import torch
from bench import costs, registry
from bench.gradients import write_gradients
from bench.network import Network
from bench.seeding import stream
torch.set_num_threads(1)
task = registry.task("copy:items=10,blanks=19980")
network = Network.for_task(registry.cell("lstm"), task, 128)
parameters = torch.from_numpy(network.initial_row(0)).float()[None]
batch = task.draw(stream("test").generator(), 16)
write_gradients(network, task, parameters, torch.zeros_like(parameters), [batch])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_twenty_thousand_time_steps_train_in_less_than_two_gibibytes(tmp_path):
    assert float(run_program(LONG, ROOT, tmp_path)) < 2.0

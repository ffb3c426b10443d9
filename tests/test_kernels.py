"""Each kernel against the readable path and torch.nn: values, gradients, extremes, what is not finite."""

import pkgutil

import numpy as np
import pytest
import torch
from kernel_samples import (
    CELLS,
    SATURATING,
    both_ways,
    cells,
    difference,
    drawn,
    fused,
    in_float32,
    initial_states,
    normal,
    readable,
)
from torch.testing import assert_close

from longlag import registry
from longlag.scans import kernels
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.differentiable import run_kernel
from longlag.scans.find import kernel_for

MODULES = {"rnn:nonlinearity=tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
SINGLE_BOUND = 1e-5
"""Largest difference over 200 time steps in float32, relative to the largest entry of each tensor."""
SINGLE_BOUNDS = {"lstm:forget_gate=false": 1e-4}
"""The cell of 1997 adds up 200 steps without forgetting, roundings too: either path is 1e-5 to 3e-5 off float64."""


def test_every_cell_with_a_kernel_file_has_a_kernel():
    named = {module.name for module in pkgutil.iter_modules(kernels.__path__)}
    assert named == {spec.partition(":")[0] for spec in CELLS}
    assert all(kernel_for(registry.cell(name)) is not None for name in named)
    without = {name for name in registry.names("cell") if registry.find("cell", name).no_kernel}
    assert named | without | {"torchrecurrent"} == set(registry.names("cell"))
    assert not any(registry.cell(name).standard for name in named & without)  # other options of it have one


@pytest.mark.parametrize("spec", [spec for spec in CELLS if isinstance(kernel_for(registry.cell(spec)), Kernel)])
def test_a_kernel_declares_what_its_cell_has(spec):
    cell = registry.cell(spec)
    kernel = kernel_for(cell)
    assert kernel.states == len(cell.states)
    assert kernel.gates == len(cell.gate_widths(4)) or not kernel.direct
    assert kernel.kept <= kernel.gates


@cells
def test_gradients_are_those_of_the_values(spec):
    cell, values = drawn(spec, 2, 5)
    inputs, initial = normal(3, 2, 2), initial_states(cell, 2, 5)

    def run(inputs, *others):
        return fused(cell, dict(zip(values, others, strict=False)), inputs, others[len(values) :])

    assert torch.autograd.gradcheck(run, (inputs, *values.values(), *initial))


@pytest.mark.parametrize("shape", [(200, 7, 3, 37), (200, 4, 2, 64), (1, 1, 1, 1), (1, 9, 2, 33), (5, 1, 4, 8)])
@cells
def test_double_precision_equals_the_readable_path(spec, shape):
    found, expected = both_ways(spec, *shape, torch.float64)
    assert difference(found, expected) < 1e-10


@pytest.mark.parametrize("shape", [(200, 7, 3, 37), (200, 20, 2, 64)])
@in_float32(SATURATING)
def test_single_precision_stays_within_its_bound(spec, shape):
    found, expected = both_ways(spec, *shape, torch.float32)
    assert difference(found, expected) < SINGLE_BOUNDS.get(spec, SINGLE_BOUND)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@in_float32(SATURATING)
def test_saturated_gates_give_finite_values_near_the_readable_ones(spec, dtype, size):
    found, expected = both_ways(spec, 12, 3, 2, 9, dtype, size=size)
    assert all(part.isfinite().all() for part in expected)
    assert all(part.isfinite().all() for part in found)
    # A float32 pre-activation of 10^4 is itself uncertain by 10^-3.
    assert dtype == torch.float32 or difference(found[:1], expected[:1]) < 1e-12


@in_float32(CELLS)
def test_zeros_give_what_the_readable_path_gives(spec):
    cell, values = drawn(spec, 2, 6, scale=0.0)
    inputs, initial = torch.zeros(4, 3, 2), cell.start(3, 6, torch.zeros(()))
    zeros = {name: value.detach().float() for name, value in values.items()}
    assert_close(fused(cell, zeros, inputs), readable(cell, zeros, inputs, initial))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@in_float32(CELLS)
def test_non_finite_numbers_come_through_where_they_do_on_the_readable_path(spec, bad):
    cell, values = drawn(spec, 2, 6, torch.float32)
    for name in values:
        changed = {key: value.detach().clone() for key, value in values.items()}
        changed[name].view(-1)[:2][-1] = bad
        inputs, initial = normal(4, 3, 2, dtype=torch.float32).detach(), cell.start(3, 6, torch.zeros(()))
        found = fused(cell, changed, inputs)
        assert_close(found, readable(cell, changed, inputs, initial), equal_nan=True, rtol=1e-4, atol=1e-6)


@cells
def test_a_gradient_that_is_not_finite_comes_through(spec):
    cell, values = drawn(spec, 2, 6)
    outputs = fused(cell, values, normal(4, 3, 2))
    upstream = torch.zeros_like(outputs)
    upstream[2, 1] = float("nan")
    assert all(grad.isnan().any() for grad in torch.autograd.grad(outputs, list(values.values()), upstream))


@pytest.mark.parametrize("closed", [-1e2, -1e4, -1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_slstm_writes_its_first_input_however_closed_the_gate(dtype, closed):
    cell, values = drawn("slstm", 2, 6, dtype)
    values["bias"] = torch.cat([torch.full((6,), closed, dtype=dtype), values["bias"][6:].detach()]).requires_grad_()
    inputs, leaves = normal(4, 3, 2, dtype=dtype), list(values.values())
    _, _, candidate, output = cell.project(inputs, values)[0].chunk(4, -1)
    found = []
    for run in (fused, readable):
        outputs = run(cell, values, inputs, cell.start(3, 6, inputs))
        assert_close(outputs[0], output.sigmoid() * candidate.tanh())
        found.append([outputs.detach(), *torch.autograd.grad(outputs.sin().sum(), [*leaves, inputs])])
    assert all(part.isfinite().all() for part in found[0] + found[1])
    # A float32 pre-activation of 10^4 is itself uncertain by 10^-3.
    assert dtype == torch.float32 or difference(*found) < 1e-10


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
        outputs = fused(cell, values, inputs)
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

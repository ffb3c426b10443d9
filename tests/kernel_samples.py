"""Cells with a kernel, and both ways to run them, that the tests of kernels have in common."""

import numpy as np
import pytest
import torch

from longlag import registry
from longlag.scans.find import kernel_for
from longlag.scans.run import scan

CELLS = [f"rnn:nonlinearity={name}" for name in ("tanh", "relu", "sigmoid", "linear")] + ["gru", "lstm"]
CELLS += ["lstm:coupled=true", "lstm:forget_gate=false", "lstm:peepholes=true"]
CELLS += ["lstm:peepholes=true,coupled=true", "lstm:peepholes=true,forget_gate=false", "ugrnn", "janet", "janet:beta=2"]
CELLS += ["rhn:depth=1"]
CELLS += ["antisymmetric", "antisymmetric:gated=true", "cornn", "exprnn", "scornn", "slstm"]
CELLS += ["indrnn", "indrnn:nonlinearity=tanh", "mingru", "minlstm", "lru", "selective", "deltanet"]
UNBOUNDED = ["rnn:nonlinearity=relu", "rnn:nonlinearity=linear"]
UNBOUNDED += ["exprnn", "scornn", "indrnn", "mingru", "minlstm", "lru", "selective", "deltanet"]
"""Cells whose states grow with their inputs."""
RARE = ["lstm:peepholes=true,coupled=true", "lstm:peepholes=true,forget_gate=false", "janet:beta=2"]
RARE += ["antisymmetric:gated=true", "indrnn:nonlinearity=tanh", "rhn:depth=1"]
"""Compiling takes seconds a kernel and precision: that of float32 is left to the slow tests for these."""
SATURATING = [spec for spec in CELLS if spec not in UNBOUNDED]
cells = pytest.mark.parametrize("spec", CELLS)


def in_float32(specs):
    """Parametrise a test that compiles kernels for float32."""
    marked = [pytest.param(spec, marks=pytest.mark.slow) if spec in RARE else spec for spec in specs]
    return pytest.mark.parametrize("spec", marked)


def drawn(spec, inputs, hidden, dtype=torch.float64, scale=1.0):
    """Return a cell and weights that require gradients."""
    cell = registry.cell(spec)
    values = cell.initial_weights(inputs, hidden, "test")
    return cell, {name: (torch.from_numpy(v).to(dtype) * scale).requires_grad_() for name, v in values.items()}


def normal(*shape, dtype=torch.float64, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype).requires_grad_()


def initial_states(cell, batch, hidden, dtype=torch.float64):
    shapes = cell.state_shapes(hidden).values()
    return tuple(normal(batch, *shape, dtype=dtype, seed=1 + place) for place, shape in enumerate(shapes))


def fused(cell, values, inputs, initial=None):
    return kernel_for(cell).run(cell, inputs, values, initial=initial)[0]


def readable(cell, values, inputs, initial):
    return scan(cell, cell.project(inputs, values), values, initial)[0]


def difference(found, expected):
    """Return the largest difference, relative to the largest entry of each tensor."""
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if b.numel()]
    return max(((a - b).abs().max() / b.abs().max().clamp(min=1e-30)).item() for a, b in pairs)


def both_ways(spec, steps, batch, inputs, hidden, dtype, scale=1.0, size=1.0):
    """Return values and gradients by the kernel and by the readable path."""
    cell, values = drawn(spec, inputs, hidden, dtype, scale)
    x = (normal(steps, batch, inputs, dtype=dtype) * size).detach().requires_grad_()
    initial = initial_states(cell, batch, hidden, dtype)
    if cell.name() == "slstm":  # the normaliser is a sum of positive numbers
        initial = tuple(1 + part.square() if place == 2 else part for place, part in enumerate(initial))
    leaves, upstream = [*values.values(), x, *initial], normal(steps, batch, hidden, dtype=dtype, seed=9)
    ways = (fused(cell, values, x, initial), readable(cell, values, x, initial))
    return [[outputs.detach(), *torch.autograd.grad(outputs, leaves, upstream.detach())] for outputs in ways]

"""Fused scans against the readable path at shapes and values that nobody chose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longlag import registry
from longlag.scans.run import run_layer, run_readable

CELLS = ["rnn", "rnn:nonlinearity=relu", "gru", "lstm", "lstm:coupled=true", "ugrnn", "janet", "selective", "deltanet"]
BOUNDS = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative to the largest entry of each tensor; of a single number, which may be a sum that cancels, to that of all."""
SIZES = {"plain": 1.0, "tiny": 1e-20, "saturated": 1e2, "huge": 1e30, "zeros": 0.0}


def gradients_both_ways(spec, shape, dtype, seed, change):
    """Return outputs and gradients by the kernel and by the readable path, after a change to inputs and weights."""
    steps, batch, inputs, hidden = shape
    cell, drawn = registry.cell(spec), np.random.default_rng(seed)
    x, upstream = (torch.from_numpy(drawn.standard_normal((steps, batch, size))).to(dtype) for size in (inputs, hidden))
    values = {name: torch.from_numpy(v).to(dtype) for name, v in cell.initial_weights(inputs, hidden, seed).items()}
    change(x, values, drawn)
    found = []
    with np.errstate(all="ignore"):
        for run in (run_layer, run_readable):
            leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
            seen = x.clone().requires_grad_()
            outputs = run(cell, seen, leaves)
            found.append([outputs.detach(), *torch.autograd.grad(outputs, [*leaves.values(), seen], upstream)])
    return found


shapes = st.tuples(st.integers(1, 30), st.integers(1, 19), st.integers(1, 9), st.integers(1, 40))
fuzzed = settings(deadline=None, max_examples=15, derandomize=True)
dtypes = pytest.mark.parametrize("dtype", BOUNDS)


@dtypes
@fuzzed
@given(spec=st.sampled_from(CELLS), shape=shapes, size=st.sampled_from(sorted(SIZES)), seed=st.integers(0, 999))
def test_values_and_gradients_equal_the_readable_paths(dtype, spec, shape, size, seed):
    found, expected = gradients_both_ways(spec, shape, dtype, seed, lambda x, *_: x.mul_(SIZES[size]))
    every = torch.cat([part.flatten() for part in expected])
    for ours, theirs in zip(found, expected, strict=True):
        finite = theirs.isfinite()
        assert torch.equal(ours.isfinite(), finite)
        compared = theirs if theirs.numel() > 1 else every
        largest = compared.nan_to_num(0, 0, 0).abs().max().clamp(min=1e-30)
        assert ((ours - theirs)[finite].abs() <= BOUNDS[dtype] * largest).all()


@dtypes
@fuzzed
@given(spec=st.sampled_from(CELLS), shape=shapes, seed=st.integers(0, 999), bad=st.sampled_from(["nan", "inf", "-inf"]))
def test_one_number_that_is_not_finite_spreads_as_far_as_on_the_readable_path(dtype, spec, shape, seed, bad):
    def spoil(x, values, drawn):
        target = [x, *values.values()][drawn.integers(1 + len(values))].view(-1)
        target[drawn.integers(len(target))] = float(bad)

    for ours, theirs in zip(*gradients_both_ways(spec, shape, dtype, seed, spoil), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours.isinf(), theirs.isinf())

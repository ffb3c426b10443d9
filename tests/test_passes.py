"""The compiled passes against the code in torch that says what they do: the same bytes, or all but the last digit."""

import math

import numpy as np
import pytest
import torch
from clip_samples import context_of, gradients_of
from optimiser_samples import DTYPES, start_of, trained
from optimiser_samples import gradients_of as rows_of

from longlag import registry
from longlag.clips.base import row_norms
from longlag.passes.clips import clip_row, pass_of
from longlag.passes.losses import loss_and_gradient
from longlag.passes.noted import AFTER, BEFORE, CHANGED, COSINE
from longlag.passes.optimisers import step_of
from longlag.tasks.support.losses import LOSSES

CLIPS = ["none", "norm:0.5", "norm:100", "value:0.01", "value:100"]
OPTIMISERS = [
    "adam", "adam:beta1=0.5,beta2=0.9,eps=1e-3", "adamw", "sgd", "sgd:momentum=0.9", "sgd:momentum=0.9,nesterov=true",
    "rmsprop", "lion",
]  # fmt: skip
EXACT, ROOTS = {torch.float32: 0, torch.float64: 0}, {torch.float32: 1e-6, torch.float64: 2e-15}
"""Torch takes square roots with a vector library, whose last digit is not always the nearest."""
STEPS = {spec: EXACT if spec.startswith(("sgd", "lion")) else ROOTS for spec in OPTIMISERS}
ROUNDING = {torch.float32: 0, torch.float64: 1e-15}
"""Norms are sums in another order; their last digit reaches a factor that scales float64, and no float32."""


def clipped(spec, rows):
    """Return the rows after the pass, and what it notes of each."""
    found, noted = rows.clone(), np.full((len(rows), 4), -1.0)
    for row, note in zip(found.numpy(), noted, strict=True):
        clip_row(*pass_of(registry.clip(spec)), row, note)
    return found, torch.from_numpy(noted)


def clipped_by_torch(spec, rows):
    found = rows.clone()
    registry.clip(spec).apply(found, row_norms(rows), context_of(rows))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", CLIPS)
def test_a_clip_leaves_the_row_that_its_definition_leaves(spec, dtype):
    rows = gradients_of(dtype=dtype)
    found, noted = clipped(spec, rows)
    expected = clipped_by_torch(spec, rows)
    torch.testing.assert_close(found, expected, rtol=ROUNDING[dtype], atol=0)
    norms, after = row_norms(rows), row_norms(expected)
    torch.testing.assert_close(noted[:, BEFORE], norms, rtol=1e-12, atol=0)
    torch.testing.assert_close(noted[:, AFTER], after, rtol=1e-12, atol=0)
    cosines = (rows.double() * expected.double()).sum(1) / (norms * after)
    torch.testing.assert_close(noted[:, COSINE], cosines.clamp(-1, 1), rtol=1e-12, atol=0)
    assert noted[:, CHANGED].tolist() == (rows != expected).any(1).double().tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spec", CLIPS)
def test_what_is_not_finite_or_of_extreme_size_is_clipped_as_torch_does(spec, dtype):
    rows = torch.ones(6, 16, dtype=dtype)
    rows[0, 3], rows[1, 3], rows[2] = math.nan, math.inf, 0.0
    rows[3], rows[4, :2] = (1e30 if dtype == torch.float32 else 1e300), torch.tensor([-math.inf, math.nan])
    rows[5] = 1e-30
    found, noted = clipped(spec, rows)
    expected = clipped_by_torch(spec, rows)
    torch.testing.assert_close(found, expected, rtol=ROUNDING[dtype], atol=0, equal_nan=True)
    for place, norms in ((BEFORE, row_norms(rows)), (AFTER, row_norms(expected))):
        torch.testing.assert_close(noted[:, place], norms, rtol=1e-12, atol=0, equal_nan=True)
    assert noted[2, COSINE].isnan(), "what is zero has no direction"
    assert noted[0, CHANGED] == float(spec == "value:0.01"), "the numbers beside the one that is not"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("spec", OPTIMISERS)
def test_fifty_steps_are_those_in_torch(spec, decay, dtype):
    start, gradients, optimiser = start_of((2, 40), dtype), rows_of((2, 40), dtype), registry.optimizer(spec)
    rates = torch.tensor([[0.01], [0.03]], dtype=dtype)
    expected = trained(spec, start, gradients, rates, decay)
    step, state = step_of(optimiser, decay), optimiser.start(start)
    for place, row in enumerate(start.numpy()):
        memory = [state[name][place].numpy() for name in optimiser.memory]
        for count, gradient in enumerate(gradients, start=1):
            norm = step.take(row, gradient[place].numpy(), memory, rates[place].item(), count)
        assert norm == pytest.approx(np.linalg.norm(row.astype(float)), rel=1e-12)
    torch.testing.assert_close(start, expected, rtol=STEPS[spec][dtype], atol=STEPS[spec][dtype])


def test_what_looks_beyond_a_row_and_its_norm_has_no_pass():
    for spec in ("layer:1", "agc:0.01", "quantile:0.1", "skip:1", "guard", "norm:1,type=1", "norm:1+guard"):
        assert pass_of(registry.clip(spec)) is None, spec
    assert step_of(registry.optimizer("muon"), 0.0) is None
    for spec in ("state:1", "omega:2+state:1"):
        assert pass_of(registry.clip(spec)) == pass_of(registry.clip("none")), "what acts before the row is there"
    assert pass_of(registry.clip("norm:2+omega:4+state:1")) == pass_of(registry.clip("norm:2"))


def outputs_and_targets(name, shape, dtype):
    generator = torch.Generator().manual_seed(3)
    outputs = (torch.randn(shape, generator=generator, dtype=torch.float64) * 4).to(dtype)
    if name == "cross_entropy":
        return outputs, torch.randint(shape[1], shape[:1], generator=generator)
    return outputs, torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def closed(name, outputs, targets):
    across = outputs.T.contiguous()
    grads = torch.full_like(across, math.nan)
    loss = loss_and_gradient(name, across.numpy(), targets.numpy(), grads.numpy())
    return loss, grads.T


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_named_loss_and_its_gradient_are_those_of_autograd(name, dtype):
    near = {"rtol": 1e-12, "atol": 1e-15} if dtype == torch.float64 else {"rtol": 2e-6, "atol": 1e-8}
    for shape in ((1, 1), (5, 3), (37, 40)):
        outputs, targets = outputs_and_targets(name, shape, dtype)
        leaf = outputs.double().clone().requires_grad_()
        expected = LOSSES[name](leaf, targets if name == "cross_entropy" else targets.double())
        (gradient,) = torch.autograd.grad(expected, leaf)
        loss, found = closed(name, outputs, targets)
        assert loss == pytest.approx(expected.item(), rel=near["rtol"], abs=near["atol"])
        torch.testing.assert_close(found.double(), gradient, **near)


@pytest.mark.parametrize("name", LOSSES)
def test_an_output_that_is_not_finite_makes_the_loss_so(name):
    for entry in (math.nan, math.inf):
        outputs, targets = outputs_and_targets(name, (4, 3), torch.float32)
        outputs[2, 1] = entry
        if name == "cross_entropy":
            targets[2] = 0
        assert not math.isfinite(closed(name, outputs, targets)[0])


def test_large_outputs_do_not_overflow():
    outputs = torch.tensor([[500.0, -500.0], [-500.0, 500.0]])
    loss, grads = closed("cross_entropy", outputs, torch.tensor([0, 0]))
    assert loss == 500
    torch.testing.assert_close(grads, torch.tensor([[0, 0], [-0.5, 0.5]]), rtol=0, atol=1e-37)  # the least exp gives
    assert closed("binary_cross_entropy", outputs, torch.ones(2, 2))[0] == 250


def test_targets_that_no_output_answers_are_refused():
    outputs = torch.zeros(2, 3)
    for classes in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match=r"classes run from -?\d to \d, not from 0 to 2"):
            closed("cross_entropy", outputs, torch.tensor(classes))
    with pytest.raises(ValueError, match=r"targets are \(2,\), not \(2, 3\)"):
        closed("squared_error", outputs, torch.zeros(2))

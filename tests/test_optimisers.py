"""The optimisers against torch.optim, the schedules at their ends, and rows that do not feel their neighbours."""

from itertools import pairwise
from math import cos, pi

import pytest
import torch

from longlag import registry

UPDATES = 50
RATE = 0.01
REFERENCES = {
    "adam": lambda values, decay: torch.optim.Adam(values, RATE, weight_decay=decay),
    "adam:beta1=0.5,beta2=0.9,eps=1e-3": lambda values, decay: torch.optim.Adam(
        values, RATE, betas=(0.5, 0.9), eps=1e-3, weight_decay=decay
    ),
    "sgd": lambda values, decay: torch.optim.SGD(values, RATE, weight_decay=decay),
    "sgd:momentum=0.9": lambda values, decay: torch.optim.SGD(values, RATE, momentum=0.9, weight_decay=decay),
    "rmsprop": lambda values, decay: torch.optim.RMSprop(values, RATE, weight_decay=decay),
    "rmsprop:alpha=0.5,eps=1e-4": lambda values, decay: torch.optim.RMSprop(
        values, RATE, alpha=0.5, eps=1e-4, weight_decay=decay
    ),
}


def gradients_of(shape, dtype, seed=0):
    """Random gradients whose columns differ in size by up to a million."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.logspace(-5, 1, shape[-1], dtype=torch.float64)
    return [(torch.randn(shape, generator=generator, dtype=torch.float64) * sizes).to(dtype) for _ in range(UPDATES)]


def start_of(shape, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(99), dtype=torch.float64).to(dtype)


def trained(spec, start, gradients, rates, decay=0.0):
    optimiser = registry.optimizer(spec)
    parameters, state = start.clone(), optimiser.start(start)
    for update, gradient in enumerate(gradients, start=1):
        parameters = parameters - optimiser.step(parameters, gradient, state, rates, update, decay, lambda taken: None)
    return parameters


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("dtype", "rtol", "atol"), [
    (torch.float64, 1e-12, 1e-12),
    # A step rounds a few times on either side, each by up to 6e-8 of it; over 50 steps of at most about .1 in
    # parameters of about 1 that sums to some 1e-6, and the order of Adam's divisions differs.
    (torch.float32, 5e-6, 5e-6),
])  # fmt: skip
@pytest.mark.parametrize("spec", REFERENCES)
def test_fifty_updates_equal_those_of_torch_optim(spec, dtype, rtol, atol, decay):
    start, gradients = start_of((3, 40), dtype), gradients_of((3, 40), dtype)
    theirs = torch.nn.Parameter(start.clone())
    reference = REFERENCES[spec]([theirs], decay)
    for gradient in gradients:
        theirs.grad = gradient.clone()
        reference.step()
    ours = trained(spec, start, gradients, torch.full((3, 1), RATE, dtype=dtype), decay)
    assert (ours - start).abs().max() > 0.05, "something moved"
    torch.testing.assert_close(ours, theirs.detach(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("spec", REFERENCES)
def test_every_row_has_its_own_rate(spec):
    start, gradients = start_of((2, 16), torch.float64), gradients_of((2, 16), torch.float64)
    rates = torch.tensor([[0.1], [0.001]], dtype=torch.float64)
    both = trained(spec, start, gradients, rates)
    for row in range(2):
        here = slice(row, row + 1)
        assert torch.equal(both[here], trained(spec, start[here], [g[here] for g in gradients], rates[here]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spec", REFERENCES)
def test_a_row_is_the_same_bytes_wherever_it_stands(spec, dtype):
    for size in (1, 7, 16, 33, 80, 255, 1040):
        start, gradients = start_of((1, size), dtype), gradients_of((1, size), dtype)[:5]
        rate = torch.full((1, 1), RATE, dtype=dtype)
        alone = trained(spec, start, gradients, rate, 0.1)
        for trials in (3, 5):
            others = [gradients_of((trials, size), dtype, seed=1)[update].clone() for update in range(5)]
            matrix = start_of((trials, size), dtype).mul(3)
            for place in range(trials):
                rows, moved = matrix.clone(), [other.clone() for other in others]
                rows[place] = start[0]
                for update in range(5):
                    moved[update][place] = gradients[update][0]
                assert torch.equal(trained(spec, rows, moved, rate.expand(trials, 1), 0.1)[place], alone[0])


@pytest.mark.parametrize("spec", REFERENCES)
def test_padding_stays_zero(spec):
    start, gradients = start_of((2, 16), torch.float32), gradients_of((2, 16), torch.float32)
    for matrix in (start, *gradients):
        matrix[:, 11:] = 0
    after = trained(spec, start, gradients, torch.full((2, 1), RATE), decay=0.1)
    assert (after[:, 11:] == 0).all()
    assert (after[:, :11] != start[:, :11]).all()


def test_padding_stays_zero_with_the_smallest_eps():
    start, zeros = torch.zeros(1, 16), [torch.zeros(1, 16)]
    for spec in ("adam:eps=1e-30", "rmsprop:eps=1e-30"):
        assert torch.equal(trained(spec, start, zeros, torch.ones(1, 1)), start)


def test_the_witness_sees_the_gradients_that_are_taken_without_the_decay():
    seen = []
    gradients = torch.ones(1, 4)
    optimiser = registry.optimizer("sgd")
    parameters = torch.full((1, 4), 2.0)
    step = optimiser.step(parameters, gradients, optimiser.start(gradients), torch.ones(1, 1), 1, 0.5, seen.append)
    assert seen[0] is gradients
    assert torch.equal(step, torch.full((1, 4), 2.0))  # 1 + 0.5 · 2
    assert torch.equal(parameters, torch.full((1, 4), 2.0))


# Schedules


def factors(spec, budget=200):
    schedule = registry.schedule(spec)
    return [schedule.factor(update, budget) for update in range(1, budget + 1)]


def test_the_constant_schedule_is_constant():
    assert factors("constant") == [1.0] * 200


def test_the_cosine_falls_from_one_to_its_end():
    found = factors("cosine")
    assert found[0] == 1
    assert found[100] == pytest.approx(0.5)
    assert found[-1] == pytest.approx((1 + cos(pi * 199 / 200)) / 2)
    assert found[-1] < 1e-3
    assert all(later < earlier for earlier, later in pairwise(found))


def test_the_cosine_stays_above_its_final_share():
    found = factors("cosine:final=0.25")
    assert found[0] == 1
    assert 0.25 < found[-1] < 0.251


def test_the_cosine_equals_torchs():
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 200)
    theirs = []
    for _ in range(200):
        theirs.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert factors("cosine") == pytest.approx(theirs)


def test_the_warmup_rises_to_the_full_rate_and_keeps_it():
    found = factors("warmup:updates=50")
    assert found[0] == 0.02
    assert found[24] == 0.5
    assert found[49:] == [1.0] * 151


def test_a_warmup_of_one_update_is_constant():
    assert factors("warmup:updates=1") == factors("constant")

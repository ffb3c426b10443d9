"""The schedules at their ends, and against torch's."""

from itertools import pairwise
from math import cos, pi

import pytest
import torch
from torch.optim import lr_scheduler

from longlag import registry


def factors(spec, budget=200):
    schedule = registry.schedule(spec)
    return [schedule.factor(update, budget) for update in range(1, budget + 1)]


def torchs(made, updates=200):
    """Return the rates that one of torch's schedules gives a rate of 1."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    schedule, found = made(optimiser), []
    for _ in range(updates):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_the_constant_schedule_is_constant():
    assert factors("constant") == [1.0] * 200


@pytest.mark.parametrize(("spec", "made"), [
    ("cosine", lambda optimiser: lr_scheduler.CosineAnnealingLR(optimiser, 200)),
    ("cosine:final=0.25", lambda optimiser: lr_scheduler.CosineAnnealingLR(optimiser, 200, eta_min=0.25)),
    ("linear", lambda optimiser: lr_scheduler.LinearLR(optimiser, 1, 0, 200)),
    ("linear:final=0.25", lambda optimiser: lr_scheduler.LinearLR(optimiser, 1, 0.25, 200)),
    ("step:every=30,gamma=0.5", lambda optimiser: lr_scheduler.StepLR(optimiser, 30, 0.5)),
])  # fmt: skip
def test_a_schedule_equals_torchs(spec, made):
    assert factors(spec) == pytest.approx(torchs(made), abs=1e-12)


def test_the_cosine_falls_from_one_to_its_end():
    found = factors("cosine")
    assert found[0] == 1
    assert found[100] == pytest.approx(0.5)
    assert found[-1] == pytest.approx((1 + cos(pi * 199 / 200)) / 2)
    assert found[-1] < 1e-3
    assert all(later < earlier for earlier, later in pairwise(found))


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_behind_a_rise_the_rest_of_the_budget_is_the_whole_schedule(name):
    found = factors(f"{name}:warmup=50,final=0.1")
    assert found[:50] == [update / 50 for update in range(1, 51)]
    assert found[50:] == factors(f"{name}:final=0.1", 150)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_rise_as_long_as_the_budget_is_all_there_is(name):
    assert factors(f"{name}:warmup=200") == factors("warmup:updates=200")
    assert factors(f"{name}:warmup=400")[-1] == 0.5


def test_the_warmup_rises_to_the_full_rate_and_keeps_it():
    found = factors("warmup:updates=50")
    assert found[0] == 0.02
    assert found[24] == 0.5
    assert found[49:] == [1.0] * 151


def test_a_warmup_of_one_update_is_constant():
    assert factors("warmup:updates=1") == factors("constant")


def test_the_inverse_root_rises_and_falls_as_in_its_paper():
    """Vaswani et al. 2017, equation 3: min(n^-.5, n w^-1.5), here by sqrt(w)."""
    found = factors("inverse_sqrt:warmup=40")
    assert found == pytest.approx([40**0.5 * min(n**-0.5, n * 40**-1.5) for n in range(1, 201)])
    assert max(found) == found[39] == 1
    assert factors("inverse_sqrt:warmup=40", 500)[:200] == found, "whatever the budget"

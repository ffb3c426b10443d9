"""The temporal convolutional network against its equations, and how far it reaches."""

import torch
from architecture_samples import HIDDEN, INPUTS, STEPS, assert_same, built, sequences, weights_of

from longlag import registry
from longlag.architectures.base import Shape
from longlag.networks.build import network_for
from longlag.networks.whole_network import WholeNetwork
from longlag.plan.study import adhoc
from longlag.training.cohort import train
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring


def test_the_tcn_follows_its_equations() -> None:
    network = built("tcn:kernel_size=3")
    weights = weights_of(network)
    used = [value for name, value in weights.items() if not name.startswith("readout")]

    def convolution(signal: list[torch.Tensor], name: str, apart: int) -> list[torch.Tensor]:
        length, direction = (weights[f"{name}.parametrizations.weight.original{place}"] for place in (0, 1))
        kernel = length * direction / direction.flatten(1).norm(dim=1)[:, None, None]
        return [
            weights[f"{name}.bias"]
            + sum(
                signal[step - (2 - tap) * apart] @ kernel[:, :, tap].T for tap in range(3) if step >= (2 - tap) * apart
            )
            for step in range(STEPS)
        ]

    signal = list(sequences())
    for layer, apart in enumerate((1, 2, 4)):
        block = f"network.blocks.{layer}"
        inner = [torch.relu(one) for one in convolution(signal, f"{block}.first", apart)]
        inner = [torch.relu(one) for one in convolution(inner, f"{block}.second", apart)]
        if layer == 0:
            around = [
                one @ weights[f"{block}.around.weight"][:, :, 0].T + weights[f"{block}.around.bias"] for one in signal
            ]
        else:
            around = signal
        signal = [torch.relu(one + other) for one, other in zip(inner, around, strict=True)]
    assert_same(network.states(weights, sequences()), torch.stack(signal), used)


def test_the_tcn_reaches_as_far_as_it_says() -> None:
    shape = Shape(INPUTS, HIDDEN, 3, 1000)
    assert registry.cell("tcn:kernel_size=3").reach(shape) == 1 + 2 * 2 * (1 + 2 + 4)  # type: ignore[attr-defined]
    network = WholeNetwork(registry.cell("tcn:kernel_size=2"), Shape(1, HIDDEN, 3, 40), 1)  # type: ignore[arg-type]
    inputs = torch.from_numpy(stream("test").generator().standard_normal((40, 1, 1))).requires_grad_()
    (reach,) = torch.autograd.grad(network.states(weights_of(network), inputs)[-1].sum(), inputs)
    assert (reach.flatten() != 0).tolist() == [False] * 25 + [True] * 15


def test_many_layers_of_dilations_beyond_the_sequence_cost_no_memory() -> None:
    network = built("tcn", layers=32)
    assert network.states(weights_of(network), sequences()).isfinite().all()


def test_a_tcn_that_does_not_reach_the_item_stays_at_the_floor() -> None:
    options = {"task": "copy:items=1,blanks=20", "seeds": 1, "updates": 60, "eval_every": 30, "lr": 0.01}
    (near,) = adhoc(cell="tcn:kernel_size=2", layers=3, **options).trials()
    cell = registry.cell(near.cell)
    network = network_for(cell, registry.task(near.task), 8, Wiring(3))
    assert cell.reach(network.shape) == 15 < registry.task(near.task).min_lag  # type: ignore[attr-defined]
    found: list = []
    train([near], found.append)
    assert found[0].error > 0.875 - 0.06  # of 1000 sequences: five standard errors

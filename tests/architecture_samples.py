"""Networks without a cell, small, with weights and inputs that their tests have in common."""

import torch

from longlag import registry
from longlag.architectures.base import Shape
from longlag.networks.whole_network import WholeNetwork
from longlag.values.seeding import stream

SPECS = [
    *("transformer", "transformer:heads=2,positions=rotary", "transformer:positions=learned"),
    *("transformer:positions=none,feedforward=2", "tcn", "tcn:kernel_size=2,dilation_base=3"),
]
STEPS, BATCH, INPUTS, HIDDEN, LAYERS = 7, 3, 5, 8, 3
TINY = {
    "task": "copy:items=1,blanks=3", "updates": 6, "eval_every": 3, "batch_size": 4, "hidden_size": 8,
    "lr": (0.01, 0.1),
}  # fmt: skip


def built(spec: str, layers: int = LAYERS, bidirectional: bool = False) -> WholeNetwork:
    return WholeNetwork(registry.cell(spec), Shape(INPUTS, HIDDEN, layers, STEPS, bidirectional), 4)  # type: ignore[arg-type]


def weights_of(network: WholeNetwork, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights without special values, so that nothing is right by chance."""
    row = network.initial_row(seed) + 0.2 * stream("test", seed).generator().standard_normal(network.layout.row_size)
    return {name: view.requires_grad_() for name, view in network.layout.views(torch.from_numpy(row)).items()}


def sequences(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(stream("test", "inputs", seed).generator().standard_normal((STEPS, BATCH, INPUTS)))


def assert_same(ours: torch.Tensor, theirs: torch.Tensor, weights: list[torch.Tensor]) -> None:
    """Compare values, and gradients of a random projection."""
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    factors = torch.from_numpy(stream("test", "factors").generator().standard_normal(tuple(ours.shape)))
    both = [torch.autograd.grad((found * factors).sum(), weights, retain_graph=True) for found in (ours, theirs)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)

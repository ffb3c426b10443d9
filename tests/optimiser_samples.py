"""Parameters, gradients and updates that the tests of optimisers have in common."""

import torch

from longlag import registry
from longlag.optimisers.base import Update
from longlag.values.layout import Layout

UPDATES = 50
RATE = 0.01
DTYPES = [torch.float32, torch.float64]
LAYOUT = Layout.of(
    {"weight": (3, 8), "turned": (5, 2), "bias": (8,), "readout.weight": (4, 2)},
    {"weight": (4, 4), "turned": ()},
    {"turned": 0},
)
"""Two gates side by side, a matrix that torch.nn stores with its units first, a vector, and a readout."""


def gradients_of(shape, dtype, seed=0, updates=UPDATES):
    """Random gradients whose columns differ in size by up to a million."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.logspace(-5, 1, shape[-1], dtype=torch.float64)
    return [(torch.randn(shape, generator=generator, dtype=torch.float64) * sizes).to(dtype) for _ in range(updates)]


def start_of(shape, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(99), dtype=torch.float64).to(dtype)


def update_of(parameters, gradients, rates, counts, decay=0.0, layout=None):
    """Make an update; of a row of the size of `LAYOUT`'s unless another is given, else of one vector."""
    size = parameters.shape[1]
    layout = layout or (LAYOUT if size == LAYOUT.row_size else Layout.of({"bias": (size,)}))
    return Update(parameters, gradients, rates, counts, decay, layout)


def trained(spec, start, gradients, rates, decay=0.0, layout=None):
    optimiser = registry.optimizer(spec)
    parameters, state = start.clone(), optimiser.start(start)
    for count, gradient in enumerate(gradients, start=1):
        update = update_of(parameters, gradient, rates, (count,) * len(start), decay, layout)
        parameters = parameters - optimiser.step(update, state, lambda taken: None)
    return parameters

"""The linear readout at the end of every network."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from longlag.values.seeding import stream


def readout_shapes(width: int, output_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the readout's tensors, by name."""
    return {"readout.weight": (width, output_size), "readout.bias": (output_size,)}


def initial_readout(width: int, output_size: int, bound: float, *names: str | int) -> dict[str, np.ndarray]:
    """Draw its initial weights (float64, uniform on ±bound), each from its own stream below ``names``.

    Args:
        width: The number of values read at each step.
        output_size: The size of an output.
        bound: The bound of the uniform distribution.
        *names: Names of the stream, such as the seed.
    """
    return {
        name: stream(*names, name).generator().uniform(-bound, bound, shape)
        for name, shape in readout_shapes(width, output_size).items()
    }


def read_out(views: Mapping[str, Tensor], states: Tensor, scored: Tensor) -> Tensor:
    """Return the outputs (N, O) from states (T, B, H) at the scored steps, (N,) places in the flattened (T·B)."""
    return read_states(views, scored_states(states, scored))


def scored_states(states: Tensor, scored: Tensor) -> Tensor:
    """Return the states at the scored steps, (N, H), from states (T, B, H)."""
    return states.flatten(0, 1).index_select(0, scored)


def read_states(views: Mapping[str, Tensor], states: Tensor, across: bool = False) -> Tensor:
    """Return the outputs (N, O) from the states that are read, (N, H); or across, (O, N)."""
    if across:
        return torch.addmm(views["readout.bias"].unsqueeze(1), views["readout.weight"].T, states.T)
    return torch.addmm(views["readout.bias"], states, views["readout.weight"])


def go_back(views: Mapping[str, Tensor], gradients: Mapping[str, Tensor], states: Tensor, by_outputs: Tensor) -> Tensor:
    """Write the readout's gradients, and return the loss's gradient by the states that were read, (N, H).

    Args:
        views: Views of the parameters, by name.
        gradients: Views of the gradient, by name.
        states: (N, H), the states that were read.
        by_outputs: (N, O), the loss's gradient by the outputs.
    """
    torch.mm(states.T, by_outputs, out=gradients["readout.weight"])
    torch.sum(by_outputs, 0, out=gradients["readout.bias"])
    return torch.mm(by_outputs, views["readout.weight"].T)

"""The linear readout that every network ends in."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from longlag.values.seeding import stream


def readout_shapes(width: int, output_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the readout's tensors, by name."""
    return {"readout.weight": (width, output_size), "readout.bias": (output_size,)}


def initial_readout(width: int, output_size: int, bound: float, *names: str | int) -> dict[str, np.ndarray]:
    """Draw its initial weights (float64, uniform on ±bound), each from its own stream below ``names``."""
    return {
        name: stream(*names, name).generator().uniform(-bound, bound, shape)
        for name, shape in readout_shapes(width, output_size).items()
    }


def read_out(views: Mapping[str, Tensor], states: Tensor, scored: Tensor) -> Tensor:
    """Return the outputs (N, O) from states (T, B, H) at the scored steps, (N,) places in the flattened (T·B)."""
    states = states.flatten(0, 1).index_select(0, scored)
    return torch.addmm(views["readout.bias"], states, views["readout.weight"])

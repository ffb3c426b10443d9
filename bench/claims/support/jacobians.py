"""Plain networks and matrices by themselves, in float64: what of a signal arrives how far back; nothing is trained."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from longlag import registry
from longlag.cells.base import Cell
from longlag.values.seeding import stream


@dataclass(frozen=True)
class Plain:
    """A plain network, h_t = f(a_t + h_{t-1} U), that is fed noise.

    Attributes:
        nonlinearity: f, as option of the cell ``rnn``.
        matrix: U, (H, H).
        inputs: a, (T, B, H).
    """

    nonlinearity: str
    matrix: np.ndarray
    inputs: np.ndarray

    @property
    def factor(self) -> float:
        """G s_max, which one step back multiplies a signal by at most."""
        steepest = registry.cell(f"rnn:nonlinearity={self.nonlinearity}").steepest  # type: ignore[attr-defined]
        return float(steepest * np.linalg.norm(self.matrix, 2))

    def signal(self) -> np.ndarray:
        """Return |dy/dh_(T-k)| / |dy/dh_T| for k = 0 to T - 1, (T, B), y being a random direction of the last state."""
        cell = cast(Cell, registry.cell(f"rnn:nonlinearity={self.nonlinearity}"))
        weights = {"recurrent_weight": torch.from_numpy(self.matrix)}
        _, width, size = self.inputs.shape
        state = torch.zeros(width, size, dtype=torch.float64, requires_grad=True)
        states: list[Tensor] = []
        for projected in torch.from_numpy(self.inputs):
            (state,) = cell.step(projected, (state,), weights)
            states.append(state)
        direction = np.random.Generator(np.random.Philox(size)).standard_normal((width, size))
        found = torch.autograd.grad(state, states, torch.from_numpy(direction))
        norms = torch.stack(found[::-1]).norm(dim=2).numpy()
        held: np.ndarray = norms / norms[0]
        return held


def random_plain(place: int, nonlinearity: str, steps: int = 20) -> Plain:
    """Draw a network of 2 to 24 units whose matrix has a largest singular value of .1 to 4.

    Args:
        place: Which one.
        nonlinearity: As of `Plain`.
        steps: Its time steps.
    """
    generator = stream("claims", "plain", nonlinearity).generator(place)
    size = int(generator.integers(2, 25))
    matrix = generator.standard_normal((size, size))
    matrix *= np.exp(generator.uniform(np.log(0.1), np.log(4))) / np.linalg.norm(matrix, 2)
    return Plain(nonlinearity, matrix, generator.standard_normal((steps, 2, size)))

"""What every cell promises.

A cell is the equations of one time step. Its input projection lies outside, so that it is one product over all
time steps: ``projected = inputs @ input_weight + bias``, a block of ``hidden_size`` columns for each gate. The
cell gets one time step of it. Every tensor may carry a leading trial axis S; weights then carry it too, and
biases an axis of one behind it, so that the equations read the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from bench.seeding import stream
from tasks.options import Configurable

Weights = Mapping[str, Tensor]
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Cell(Configurable, ABC):
    """The equations of one time step, with initial weights."""

    kind: ClassVar[str] = "cell"
    reference: ClassVar[str]
    gates: ClassVar[tuple[str, ...]]
    """The blocks of the input projection, in order."""
    states: ClassVar[tuple[str, ...]]
    """The vectors carried from step to step, each of ``hidden_size``; the first is the output."""

    @abstractmethod
    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights that `step` uses; products are ``state @ weight``."""

    @abstractmethod
    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        """Advance the state by one time step.

        Args:
            projected: The input projection of this step, (B, G·H) for G gates.
            state: One (B, H) tensor for each of `states`.
            weights: The tensors of `recurrent_shapes`.
        """

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        """Change the default initial values (uniform on ±1/√H, as in torch.nn) in place; nothing by default."""

    @final
    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all of the cell's tensors, input projection first."""
        width = len(self.gates) * hidden_size
        return {"input_weight": (input_size, width), "bias": (width,)} | self.recurrent_shapes(hidden_size)

    @final
    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Draw initial weights (float64), each tensor from its own stream below ``names``."""
        bound = hidden_size**-0.5
        values = {
            name: stream(*names, name).generator().uniform(-bound, bound, shape)
            for name, shape in self.shapes(input_size, hidden_size).items()
        }
        self.initialise(values, stream(*names, "cell").generator())
        return values


def orthogonal(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw a matrix (size, size) uniformly from the orthogonal group (QR with signs fixed: Mezzadri 2007)."""
    q, r = np.linalg.qr(generator.standard_normal((size, size)))
    return q * np.sign(np.diag(r))

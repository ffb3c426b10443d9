"""The contract of a network without a cell: one `torch.nn.Module` over whole sequences.

It runs a trial at a time on views of the trial's row, so that it keeps the promises of every cell.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import nn

from longlag.cells.support.backbone import Backbone
from longlag.process.state import seeded
from longlag.tasks.support.errors import UsageError
from longlag.values.wiring import Wiring

NOTHING = {"skip": "none", "normalisation": "none", "dropout": "0"}


@dataclass(frozen=True)
class Shape:
    """The sizes that a network is built for.

    Attributes:
        input_size: The size of an input vector, or the number of tokens.
        hidden_size: The size of a layer's output at a step.
        layers: The number of layers.
        length: Time steps of the longest sequence.
        bidirectional: Whether a step may see later ones.
    """

    input_size: int
    hidden_size: int
    layers: int
    length: int
    bidirectional: bool = False


@dataclass(frozen=True)
class Architecture(Backbone):
    """A whole network, named like a cell."""

    unit_axis: ClassVar[int] = 0  # as torch.nn stores its weights
    directions: ClassVar[tuple[str, ...]] = ("forward",)
    """The directions in which it can read."""

    @abstractmethod
    def build(self, shape: Shape) -> nn.Module:
        """Build the module: from inputs (T, B, I) and lengths (B,), or None, to outputs (T, B, H).

        It has no buffers, which trials would share, and draws its initial weights from torch's global generator.
        """

    @abstractmethod
    def context_size(self, shape: Shape) -> int:
        """Return the number of past values that are needed to compute the next step."""

    def reach(self, shape: Shape) -> int:
        """Return the steps that the last output sees, its own included; by default all."""
        return shape.length

    @final
    def admit(self, wiring: Wiring) -> None:
        """Check that a wiring has no settings between layers, no learned initial states and a supported direction.

        Raises:
            UsageError: The wiring has one of these.
        """
        between = {"skip": wiring.skip, "normalisation": wiring.normalisation, "dropout": wiring.dropout}
        for name, value in between.items():
            if value not in ("none", 0):
                raise UsageError(f"cell {self.name()} connects its layers itself: {name} must be {NOTHING[name]}")
        if wiring.initial_state != "zeros":
            raise UsageError(f"cell {self.name()} carries no state from step to step: initial_state must be zeros")
        if wiring.direction not in self.directions:
            raise UsageError(f"cell {self.name()} reads from left to right only: direction must be forward")


@lru_cache(maxsize=64)
def template(architecture: Architecture, shape: Shape) -> nn.Module:
    """Build a module whose tensors have shapes but no values."""
    with torch.device("meta"):
        return architecture.build(shape)


def drawn(architecture: Architecture, shape: Shape, seed: int) -> nn.Module:
    """Build a module with initial weights drawn from a seed; the global random state is left unchanged."""
    with seeded(seed):
        return architecture.build(shape)

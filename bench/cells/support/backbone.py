"""The value of `--cell`: the part of a network below its readout, and the contract of those that stack in layers.

Two contracts build on it. A `Cell` (`longlag.cells.base`) has the equations of one time step. A module runs over whole
sequences by itself: one in each layer (`longlag.cells.support.module_cell`), or one for the whole network
(`longlag.architectures.base`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import ClassVar, final

import numpy as np

from longlag.tasks.support.options import Configurable
from longlag.values.wiring import Wiring


@dataclass(frozen=True)
class Backbone(Configurable, ABC):
    """The part of a network below its readout, which `--cell` names."""

    kind: ClassVar[str] = "cell"
    reference: ClassVar[str]
    no_kernel: ClassVar[str] = ""
    """Why it has no kernel by default, in a few words; empty if it has one, and for plugins."""
    unit_axis: ClassVar[int]
    """The axis of a weight matrix that counts the units of its output."""

    @property
    def width_step(self) -> int:
        """The number that hidden sizes must be multiples of; by default any size is allowed."""
        return 1

    @property
    def tokens(self) -> bool:
        """Whether it reads only tokens (T, B), not vectors; by default it reads both."""
        return False

    def admit(self, wiring: Wiring) -> None:
        """Check that it supports a wiring; by default it supports all.

        Raises:
            UsageError: It does not support the wiring.
        """

    def kept_losses(self, input_size: int, hidden_size: int) -> list[str]:
        """Return the attributes in which a user's module keeps its own loss, which nothing would train."""
        return []

    def admit_inputs(self, tokens: bool) -> None:
        """Check that it can read the inputs, tokens or vectors; by default it reads both.

        Raises:
            UsageError: It cannot read them.
        """

    def admit_steps(self, trained: int, longest: int) -> None:
        """Check that a network trained on ``trained`` time steps can read longer sequences; by default it reads any.

        Raises:
            UsageError: It cannot read ``longest`` time steps.
        """


@dataclass(frozen=True)
class Stackable(Backbone):
    """A backbone that can be each layer of a network, with tensors and initial values for any input and hidden size."""

    @abstractmethod
    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all of a layer's tensors, by name."""

    @abstractmethod
    def parts(self, name: str, hidden_size: int) -> tuple[int, ...]:
        """Return the numbers of columns of the logical tensors that are stored side by side in one of `shapes`."""

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each state of one sequence that a scan may start from; empty by default."""
        return {}

    @abstractmethod
    def state_count(self, hidden_size: int) -> int:
        """Return the size of a layer's state for one sequence: all numbers carried from step to step."""

    @abstractmethod
    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Draw initial weights (float64) from streams whose names begin with ``names``."""

    def frozen(self, input_size: int, hidden_size: int) -> frozenset[str]:
        """Return the names of the tensors that are drawn with the others and never trained; by default none."""
        return frozenset()

    @final
    def count(self, input_size: int, hidden_size: int) -> int:
        """Return the number of a layer's trained parameters."""
        frozen = self.frozen(input_size, hidden_size)
        shapes = self.shapes(input_size, hidden_size)
        return sum(prod(shape) for name, shape in shapes.items() if name not in frozen)

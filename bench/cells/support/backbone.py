"""What a network is made of below its readout: what `--cell` names, and what of that can be stacked in layers.

Two contracts build on it. A `Cell` (`longlag.cells.base`) says the equations of one time step. What runs whole
sequences by itself is a module in each layer (`longlag.cells.support.module_cell`), or one for all of the network
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
    """What a network is made of below its readout, named where a cell is."""

    kind: ClassVar[str] = "cell"
    reference: ClassVar[str]
    no_kernel: ClassVar[str] = ""
    """Why it has no kernel by default, in a few words; nothing where it has one, or somebody else wrote it."""
    unit_axis: ClassVar[int]
    """The axis of a weight matrix that counts the units it leads to."""

    @property
    def width_step(self) -> int:
        """What hidden sizes must be multiples of; by default any will do."""
        return 1

    @property
    def tokens(self) -> bool:
        """Whether it reads tokens (T, B) and no vectors; by default it reads either."""
        return False

    def admit(self, wiring: Wiring) -> None:
        """Refuse layers joined in a way that this cannot be; by default all are possible.

        Raises:
            UsageError: It cannot.
        """

    def admit_inputs(self, tokens: bool) -> None:
        """Refuse tokens, or vectors; by default both can be read.

        Raises:
            UsageError: They cannot.
        """

    def admit_steps(self, trained: int, longest: int) -> None:
        """Refuse sequences that a network trained on ``trained`` time steps cannot read; by default it reads any.

        Raises:
            UsageError: It cannot.
        """


@dataclass(frozen=True)
class Stackable(Backbone):
    """What each layer of a network can be: it has tensors and initial values for any sizes of its input and itself."""

    @abstractmethod
    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all of a layer's tensors, by name."""

    @abstractmethod
    def parts(self, name: str, hidden_size: int) -> tuple[int, ...]:
        """Return the columns of each logical tensor stored side by side in one of `shapes`."""

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each state of one sequence that a scan may start from; nothing by default."""
        return {}

    @abstractmethod
    def state_count(self, hidden_size: int) -> int:
        """Return the numbers that a layer carries from step to step."""

    @abstractmethod
    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Draw initial weights (float64), which follow from streams below ``names``."""

    def frozen(self, input_size: int, hidden_size: int) -> frozenset[str]:
        """Return the names of the tensors that are drawn with the others and never trained; by default none."""
        return frozenset()

    @final
    def count(self, input_size: int, hidden_size: int) -> int:
        """Return the numbers of a layer that are trained."""
        frozen = self.frozen(input_size, hidden_size)
        shapes = self.shapes(input_size, hidden_size)
        return sum(prod(shape) for name, shape in shapes.items() if name not in frozen)

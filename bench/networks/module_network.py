"""A network whose layers are ordinary modules, each of which runs over whole sequences by itself, and a readout."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from longlag.cells.base import Cell
from longlag.cells.support.module_cell import ModuleCell
from longlag.networks import work
from longlag.networks.layered import Layered
from longlag.networks.layers import Scan
from longlag.networks.work import Sequences, Work
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward


@dataclass(frozen=True)
class ModuleNetwork(Layered):
    """Layers of a module over a task's inputs, and a linear readout at the scored steps."""

    cell: ModuleCell

    @property
    def makes_noise(self) -> bool:
        """True, since a module may have dropout."""
        return True

    def scan(self, backward: Backward, noise: np.random.Generator | None = None) -> Scan:
        """Return the function that runs a layer in one direction.

        Args:
            backward: The rules of the backward pass, which must be the chain rule alone.
            noise: Given in training: modules are in training mode, and draw from global generators that it seeds.

        Raises:
            ValueError: ``backward`` has a rule for the steps within the module.
        """
        if backward != PLAIN:
            raise ValueError(f"cell {self.cell.name()} is a module: no clip or truncation can act between its steps")
        sizes = dict(self.layers.scans)
        places = {name: place for place, name in enumerate(sizes)}

        def run(name: str, seen: Tensor, weights: Mapping[str, Tensor], start: object) -> Tensor:
            own = None if noise is None else _apart(noise, places[name])
            return self.cell.run(seen, weights, sizes[name], self.hidden_size, own)

        return run

    def path(self, device: str, dtype: str) -> str:
        """Return ``readable``, since torch runs it."""
        return "readable"

    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return an empty list, since no cell is scanned."""
        return []

    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Do nothing: there is nothing to compile."""

    def work(self, sequences: Sequences) -> list[Work]:
        """Return the work of its layers and its readout, a lower bound since a module's work is unknown."""
        each, outputs = work.of_module(self.hidden_size), self.output_size * sequences.scored
        return [work.of_layers(self.layers, each, sequences.length, outputs, plain=self.wiring.plain)]

    def gradient(
        self,
        task: Task,
        row: Tensor,
        gradient: Tensor,
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Write one trial's gradient and return its loss, by autograd."""
        return self.by_autograd(task, row, gradient, batch, noise, backward)


def _apart(noise: np.random.Generator, place: int) -> np.random.Generator:
    """Return a generator for the module at a place that does not advance the generator of dropout between layers."""
    bits = noise.bit_generator
    assert isinstance(bits, np.random.Philox), "streams are Philox generators"
    return np.random.Generator(bits.jumped(place + 1))

"""A network: layers of cells and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import Tensor

from longlag.cells.base import Cell
from longlag.networks import work
from longlag.networks.layered import Layered
from longlag.networks.layers import Scan
from longlag.networks.omega import add_omega
from longlag.networks.work import Sequences, Work
from longlag.scans.find import kernel_for, serves
from longlag.scans.run import run_layer, standard_kernel, warm
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.wiring import ONE_LAYER, Wiring

if TYPE_CHECKING:
    from longlag.networks.plain import PlainGradient
    from longlag.scans.engine.base import Kernel


@dataclass(frozen=True)
class Network(Layered):
    """Layers of a cell over a task's inputs, and a linear readout at the scored steps."""

    cell: Cell

    @classmethod
    def for_task(cls, cell: Cell, task: Task, hidden_size: int, wiring: Wiring = ONE_LAYER) -> "Network":
        """Return the network that fits a task's inputs and outputs."""
        return cls(cell, task.input_size, task.output_size, hidden_size, wiring)

    def scan(self, backward: Backward, noise: np.random.Generator | None = None) -> Scan:
        """Return the function that runs a layer in one direction: step by step, or by the cell's kernel."""
        return lambda _, seen, weights, start: run_layer(self.cell, seen, weights, backward, start)

    def path(self, device: str, dtype: str) -> str:
        """Return the code that runs the scans: ``fused`` or ``readable``."""
        return "fused" if serves(device, dtype) and standard_kernel(self.cell) is not None else "readable"

    def by_scan(self, views: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors of each scan's cell, layer by layer, both directions in turn, by the cell's names."""
        return self.layers.by_scan(views)

    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return the tensors of each scan's cell, each with the cell."""
        return [(self.cell, tensors) for tensors in self.by_scan(views)]

    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Compile the cell's kernel."""
        warm(self.cell, tokens, device, dtype)

    def work(self, sequences: Sequences) -> list[Work]:
        """Return the work of its layers and its readout."""
        each, outputs = work.of_cell(self.cell, self.hidden_size), self.output_size * sequences.scored
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
        """Write one trial's gradient and return its loss: plain layers by their kernel, others by autograd."""
        if backward.omega and backward.seen is None:
            backward = replace(backward, seen=[])
        if self._is_plain(row):
            loss = self._plain.write(task, row, gradient, batch, backward)
        else:
            loss = self.by_autograd(task, row, gradient, batch, noise, backward)
        if backward.omega:
            add_omega(self, row, gradient, backward)
        return loss

    def _is_plain(self, row: Tensor) -> bool:
        """Return whether the network is a plain stack with a readout, run by a kernel that needs no autograd."""
        return self._is_direct and serves(row.device.type, str(row.dtype))

    @cached_property
    def _is_direct(self) -> bool:
        """Return whether the network is a plain stack whose kernel reads the cell's own weights."""
        kernel = standard_kernel(self.cell)
        return self.wiring.plain and kernel is not None and kernel.direct

    @cached_property
    def _plain(self) -> "PlainGradient":
        """Return the object that writes the gradients of such a network."""
        from longlag.networks.plain import PlainGradient  # which loads the compiler

        return PlainGradient(cast("Kernel", kernel_for(self.cell)), self.layers, self.layout)

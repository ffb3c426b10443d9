"""A network: layers of cells and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.networks.layers import Layers
from longlag.networks.readout import initial_readout, read_out, readout_shapes
from longlag.scans.find import serves
from longlag.scans.run import standard_kernel
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.wiring import ONE_LAYER, Wiring


@dataclass(frozen=True)
class Network:
    """Layers of a cell over a task's inputs, and a linear readout at the scored steps."""

    cell: Cell
    input_size: int
    output_size: int
    hidden_size: int
    wiring: Wiring = ONE_LAYER

    @classmethod
    def for_task(cls, cell: Cell, task: Task, hidden_size: int, wiring: Wiring = ONE_LAYER) -> "Network":
        """Return the network that fits a task's inputs and outputs."""
        return cls(cell, task.input_size, task.output_size, hidden_size, wiring)

    @cached_property
    def layers(self) -> Layers:
        """All of it but the readout."""
        return Layers(self.cell, self.input_size, self.hidden_size, self.wiring)

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in a row: those of `Layers.shapes`, then ``readout.weight`` and ``readout.bias``."""
        width, parts = self.layers.width, self.layers.parts
        readout = readout_shapes(width, self.output_size)
        return Layout.of(self.layers.shapes | readout, parts, dict.fromkeys(parts, self.cell.unit_axis))

    def rate_factors(self) -> Tensor | None:
        """Return factors on the learning rate, (P,) float64; None where the cell declares none."""
        declared = self.cell.rate_factors()
        if not declared:
            return None
        row = torch.ones(self.layout.row_size, dtype=torch.float64)
        for views in self.by_scan(self.layout.views(row)):
            for name, view in views.items():
                view.fill_(declared.get(name, 1.0))
        return row

    def path(self, device: str, dtype: str) -> str:
        """Say which code runs the scans: ``fused`` or ``readable``."""
        return "fused" if serves(device, dtype) and standard_kernel(self.cell) is not None else "readable"

    def by_scan(self, views: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors of each scan's cell, layer by layer, both directions in turn, by the cell's names."""
        return self.layers.by_scan(views)

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next."""
        return self.layers.state_size

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64.

        Neither skips nor directions nor what lies between layers are in a stream's name: tensors that two networks
        of one depth have in common, with equal shapes, start equal.
        """
        sizes = (self.input_size, self.hidden_size, self.output_size, self.wiring.layers)
        names: tuple[str | int, ...] = ("weights", self.cell.spec, self.cell.version, *sizes, seed)
        width, bound = self.layers.width, self.hidden_size**-0.5
        values = self.layers.initial_values(*names) | initial_readout(width, self.output_size, bound, *names)
        return self.layout.row(values)

    @torch.no_grad()
    def orthogonality_error(self, row: Tensor) -> float | None:
        """Return how far the matrices that a cell keeps orthogonal are from it, the worst layer; None without any."""
        found = [self.cell.orthogonality_error(weights) for weights in self.by_scan(self.layout.views(row))]
        known = [float(error) for error in found if error is not None]
        return max(known) if known else None

    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        how: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O).

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Inputs (T, B) tokens or (T, B, I).
            noise: Draws what dropout sets to zero, in training; in evaluation there is none.
            how: What happens to the backward signal of each scan.
        """
        return read_out(views, self.states(views, batch.inputs, batch.lengths, noise, how), batch.scored)

    def states(
        self,
        views: Mapping[str, Tensor],
        inputs: Tensor,
        lengths: Tensor | None = None,
        noise: np.random.Generator | None = None,
        how: Backward = PLAIN,
    ) -> Tensor:
        """Return what the readout reads at every step, (T, B, W), as `Layers.run` does.

        Raises:
            ValueError: The cell returns another shape.
        """
        return self.layers.run(views, inputs, lengths, noise, how)

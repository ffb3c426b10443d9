"""A network: cells stacked in depth and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from bench.cells.base import Cell, State, Weights
from bench.kernels.find import kernel_for, serves
from bench.layout import Layout
from bench.module_cell import ModuleCell
from bench.seeding import stream
from tasks.base import Batch, Task


@dataclass(frozen=True)
class Network:
    """Cells in ``layers`` layers over a task's inputs, and a linear readout at the scored steps."""

    cell: Cell
    input_size: int
    output_size: int
    hidden_size: int
    layers: int = 1

    @classmethod
    def for_task(cls, cell: Cell, task: Task, hidden_size: int, layers: int = 1) -> "Network":
        """Return the network that fits a task's inputs and outputs."""
        return cls(cell, task.input_size, task.output_size, hidden_size, layers)

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in a row; a layer's tensors are called ``0.bias``, the readout's ``readout.bias``."""
        shapes: dict[str, tuple[int, ...]] = {}
        parts: dict[str, tuple[int, ...]] = {}
        for layer, size in enumerate(self._input_sizes):
            for name, shape in self.cell.shapes(size, self.hidden_size).items():
                shapes[f"{layer}.{name}"] = shape
                parts[f"{layer}.{name}"] = self.cell.parts(name, self.hidden_size)
        shapes |= {"readout.weight": (self.hidden_size, self.output_size), "readout.bias": (self.output_size,)}
        return Layout.of(shapes, parts, dict.fromkeys(parts, self.cell.unit_axis))

    def rate_factors(self) -> Tensor | None:
        """Return factors on the learning rate, (P,) float64; None where the cell declares none."""
        declared = self.cell.rate_factors()
        if not declared:
            return None
        row = torch.ones(self.layout.row_size, dtype=torch.float64)
        for slot in self.layout.slots:
            slot.view(row).fill_(declared.get(slot.name.partition(".")[2], 1.0))
        return row

    def path(self, device: str, dtype: str) -> str:
        """Say which code runs the scans: ``fused`` or ``readable``."""
        return "fused" if serves(device, dtype) and _kernel_for(self.cell) is not None else "readable"

    def by_layer(self, views: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors of each layer's cell, from the bottom, by the cell's names."""
        return [{name: views[f"{layer}.{name}"] for name in self._names} for layer in range(self.layers)]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.cell.shapes(self.input_size, self.hidden_size))

    @property
    def _input_sizes(self) -> list[int]:
        return [self.input_size] + [self.hidden_size] * (self.layers - 1)

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next."""
        return self.layers * self.cell.state_count(self.hidden_size)

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64."""
        sizes = (self.input_size, self.hidden_size, self.output_size, self.layers)
        names: tuple[str | int, ...] = ("weights", self.cell.spec, self.cell.version, *sizes, seed)
        values: dict[str, np.ndarray] = {}
        for layer, size in enumerate(self._input_sizes):
            weights = self.cell.initial_weights(size, self.hidden_size, *names, layer)
            values |= {f"{layer}.{name}": value for name, value in weights.items()}
        bound = self.hidden_size**-0.5
        row = np.zeros(self.layout.row_size)
        for slot in self.layout.slots:
            if slot.name.startswith("readout."):
                values[slot.name] = stream(*names, slot.name).generator().uniform(-bound, bound, slot.shape)
            row[slot.offset : slot.offset + slot.size] = values[slot.name].ravel()
        return row

    @torch.no_grad()
    def orthogonality_error(self, row: Tensor) -> float | None:
        """Return how far the matrices that a cell keeps orthogonal are from it, the worst layer; None without any."""
        found = [self.cell.orthogonality_error(weights) for weights in self.by_layer(self.layout.views(row))]
        known = [float(error) for error in found if error is not None]
        return max(known) if known else None

    def outputs(self, views: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the readout at the scored steps, (N, O).

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Inputs (T, B) tokens or (T, B, I).
        """
        states = self.states(views, batch.inputs).flatten(0, 1).index_select(0, batch.scored)
        return torch.addmm(views["readout.bias"], states, views["readout.weight"])

    def states(self, views: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return the top layer's outputs at every step, (T, B, H), over inputs (T, B) tokens or (T, B, I).

        Raises:
            ValueError: The cell returns another shape.
        """
        signal = inputs
        for size, weights in zip(self._input_sizes, self.by_layer(views), strict=True):
            if isinstance(self.cell, ModuleCell):
                signal = self.cell.run(signal, weights, size, self.hidden_size)
            else:
                signal = run_layer(self.cell, signal, weights)
            expected = (*inputs.shape[:2], self.hidden_size)
            if signal.shape != expected:
                what = f"cell {self.cell.name()}: outputs must be (T, B, hidden_size) = {expected}"
                raise ValueError(f"{what}, not {tuple(signal.shape)}")
        return signal


def _kernel_for(cell: Cell) -> Any:
    return kernel_for(cell) if cell.standard else None


def run_layer(cell: Cell, inputs: Tensor, weights: Weights) -> Tensor:
    """Run a cell over tokens (T, B) or vectors (T, B, I) from a zero state; return its outputs (T, B, H).

    A cell with a kernel runs fused where kernels run; the readable path gives the same numbers but for rounding.
    """
    weight = weights["input_weight"]
    if serves(weight.device.type, str(weight.dtype)) and (kernel := _kernel_for(cell)) is not None:
        from bench.kernels.differentiable import run_kernel

        return run_kernel(kernel, weights, inputs)[0]
    return run_readable(cell, inputs, weights)


def run_readable(cell: Cell, inputs: Tensor, weights: Weights) -> Tensor:
    """Do the same step by step, in torch."""
    if inputs.is_floating_point():
        projected = inputs @ weights["input_weight"]
    else:
        projected = embedding(inputs, weights["input_weight"])  # a one-hot product, as a look-up
    if cell.biased:
        projected = projected + weights["bias"]
    state = cell.start(projected.shape[1], cell.hidden_size(weights), projected)
    return scan(cell, projected, weights, state)


def scan(cell: Cell, projected: Tensor, weights: Weights, state: State) -> Tensor:
    """Step through time, the readable path: (T, B, G·H) projected inputs to (T, B, H) outputs."""
    weights, outputs = cell.prepare(weights), []
    for step in projected.unbind(0):
        state = cell.step(step, state, weights)
        outputs.append(cell.output(step, state, weights))
    return torch.stack(outputs)

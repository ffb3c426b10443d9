"""A network: cells stacked in depth and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from bench.cells.base import Cell, State, Weights
from bench.layout import Layout
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
        for layer, size in enumerate(self._input_sizes):
            shapes |= {f"{layer}.{name}": shape for name, shape in self.cell.shapes(size, self.hidden_size).items()}
        shapes |= {"readout.weight": (self.hidden_size, self.output_size), "readout.bias": (self.output_size,)}
        return Layout.of(shapes)

    @property
    def _input_sizes(self) -> list[int]:
        return [self.input_size] + [self.hidden_size] * (self.layers - 1)

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next."""
        return self.layers * len(self.cell.states) * self.hidden_size

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

    def outputs(self, views: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the readout at the scored steps, (N, O).

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Inputs (T, B) tokens or (T, B, I).
        """
        signal = batch.inputs
        for layer in range(self.layers):
            weights = {name: views[f"{layer}.{name}"] for name in self.cell.shapes(1, 1)}
            signal = run_layer(self.cell, signal, weights)
        states = signal.flatten(0, 1).index_select(0, batch.scored)
        return states @ views["readout.weight"] + views["readout.bias"]


def run_layer(cell: Cell, inputs: Tensor, weights: Weights) -> Tensor:
    """Run a cell over tokens (T, B) or vectors (T, B, I) from a zero state; return its outputs (T, B, H)."""
    if inputs.is_floating_point():
        projected = inputs @ weights["input_weight"] + weights["bias"]
    else:
        projected = embedding(inputs, weights["input_weight"]) + weights["bias"]  # a one-hot product, as a look-up
    hidden_size = projected.shape[-1] // len(cell.gates)
    zero = projected.new_zeros(projected.shape[1], hidden_size)
    return scan(cell, projected, weights, (zero,) * len(cell.states))


def scan(cell: Cell, projected: Tensor, weights: Weights, state: State) -> Tensor:
    """Step through time, the readable path: (T, B, G·H) projected inputs to (T, B, H) outputs."""
    outputs = []
    for step in projected.unbind(0):
        state = cell.step(step, state, weights)
        outputs.append(state[0])
    return torch.stack(outputs)

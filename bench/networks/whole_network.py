"""A network that is one architecture and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from longlag.architectures.base import Architecture, Shape, drawn, template
from longlag.cells.base import Cell
from longlag.networks.protocol import SequenceNetwork
from longlag.networks.readout import initial_readout, read_out, readout_shapes
from longlag.networks.work import Sequences, Work
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.seeding import stream


@dataclass(frozen=True)
class WholeNetwork(SequenceNetwork):
    """An architecture over a task's inputs, and a linear readout at the scored steps."""

    cell: Architecture
    shape: Shape
    output_size: int

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in a row; the architecture's are called ``network.<name>``."""
        named = template(self.cell, self.shape).named_parameters()
        shapes = {f"network.{name}": tuple(value.shape) for name, value in named}
        axes = dict.fromkeys(shapes, self.cell.unit_axis)
        return Layout.of(shapes | readout_shapes(self.shape.hidden_size, self.output_size), unit_axes=axes)

    @property
    def state_size(self) -> int:
        """The number of past values that are needed to compute the next step."""
        return self.cell.context_size(self.shape)

    def reach(self, length: int) -> int:
        """Return the number of steps that the last output depends on, from the architecture."""
        return min(length, self.cell.reach(self.shape))

    def path(self, device: str, dtype: str) -> str:
        """Return ``readable``, since torch runs it."""
        return "readable"

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64."""
        shape = self.shape
        sizes = (shape.input_size, shape.hidden_size, self.output_size, shape.layers)
        names: tuple[str | int, ...] = ("weights", self.cell.spec, self.cell.version, *sizes, seed)
        from_torch = int(stream(*names, "module").generator().integers(2**63))
        named = drawn(self.cell, shape, from_torch).named_parameters()
        values = {f"network.{name}": value.detach().double().numpy() for name, value in named}
        values |= initial_readout(shape.hidden_size, self.output_size, shape.hidden_size**-0.5, *names)
        return self.layout.row(values)

    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return an empty list, since no cell is scanned."""
        return []

    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Do nothing: there is nothing to compile."""

    def work(self, sequences: Sequences) -> list[Work]:
        """Return the architecture's work: at each step all of its parameters, and the past that it reads."""
        shape = self.shape
        ways = 2 if shape.bidirectional else 1
        seen = ways * (shape.input_size + (shape.layers - 1) * ways * shape.hidden_size)
        return [
            Work(
                steps=sequences.length,
                products=2 * self.layout.num_parameters + 2 * self.state_size,
                between=shape.hidden_size * shape.layers,
                scans=ways * shape.layers,
                kept=2 * shape.hidden_size,
                seen=seen if shape.bidirectional else 0,
                modules=shape.layers,
            )
        ]

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

    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O).

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Inputs (T, B) tokens or (T, B, I).
            noise: Not used, since nothing is dropped.
            backward: The chain rule alone, since nothing is scanned.
        """
        assert backward == PLAIN, "nothing else happens in the backward pass of an architecture"
        return read_out(views, self.states(views, batch.inputs, batch.lengths), batch.scored)

    def states(self, views: Mapping[str, Tensor], inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the outputs at every step, (T, B, H), over inputs (T, B) tokens or (T, B, I)."""
        if not inputs.is_floating_point():
            inputs = one_hot(inputs, self.shape.input_size).to(views["readout.bias"].dtype)
        module = template(self.cell, self.shape)
        given = {name: views[f"network.{name}"] for name, _ in module.named_parameters()}
        outputs: Tensor = torch.func.functional_call(module, given, (inputs, lengths))
        return outputs

"""The base of networks of layers and a linear readout, whose layers are cells or modules."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from longlag.cells.support.backbone import Stackable
from longlag.networks.layers import Layers, Scan
from longlag.networks.protocol import SequenceNetwork
from longlag.networks.readout import initial_readout, read_out, readout_shapes
from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.wiring import ONE_LAYER, Wiring


@dataclass(frozen=True)
class Layered(SequenceNetwork):
    """Layers over a task's inputs, and a linear readout at the scored steps."""

    cell: Stackable
    input_size: int
    output_size: int
    hidden_size: int
    wiring: Wiring = ONE_LAYER

    @abstractmethod
    def scan(self, backward: Backward, noise: np.random.Generator | None = None) -> Scan:
        """Return the function that runs a layer in one direction.

        Args:
            backward: The rules for the backward signal, whose steps are counted in the scan's own direction.
            noise: In training, the generator for layers that draw noise themselves.
        """

    @cached_property
    def layers(self) -> Layers:
        """All layers, without the readout."""
        return Layers(self.cell, self.input_size, self.hidden_size, self.wiring)

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in a row: those of `Layers.shapes`, then ``readout.weight`` and ``readout.bias``."""
        width, parts = self.layers.width, self.layers.parts
        readout = readout_shapes(width, self.output_size)
        return Layout.of(self.layers.shapes | readout, parts, dict.fromkeys(parts, self.cell.unit_axis))

    @property
    def frozen(self) -> frozenset[str]:
        """The names of tensors in `layout` that are never trained."""
        return self.layers.frozen

    @property
    def state_size(self) -> int:
        """The number of values carried from one time step to the next."""
        return self.layers.state_size

    def reach(self, length: int) -> int:
        """Return the number of steps that the last state depends on: all, since states carry information."""
        return length

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64.

        Streams are not named by skips, directions and settings between layers: tensors with the same name and shape in
        two networks of equal depth start equal.
        """
        sizes = (self.input_size, self.hidden_size, self.output_size, self.wiring.layers)
        names: tuple[str | int, ...] = ("weights", self.cell.spec, self.cell.version, *sizes, seed)
        width, bound = self.layers.width, self.hidden_size**-0.5
        values = self.layers.initial_values(*names) | initial_readout(width, self.output_size, bound, *names)
        return self.layout.row(values)

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
            noise: The generator of dropout in training; None in evaluation.
            backward: The rules for the backward signal of each scan.
        """
        return read_out(views, self.states(views, batch.inputs, batch.lengths, noise, backward), batch.scored)

    def states(
        self,
        views: Mapping[str, Tensor],
        inputs: Tensor,
        lengths: Tensor | None = None,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Return the states that the readout reads, at every step, (T, B, W), from `Layers.run`.

        Raises:
            ValueError: A layer returns another shape, or does not support ``backward``.
        """
        return self.layers.run(views, inputs, self.scan(backward, noise), lengths, noise)

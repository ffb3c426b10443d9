"""What networks of layers and a linear readout have in common, whether a layer is a cell or a module."""

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
        """Return what runs a layer one way.

        Args:
            backward: What happens to the backward signal, counted in the scan's own direction.
            noise: In training, what a layer draws from that makes noise of its own.
        """

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

    @property
    def frozen(self) -> frozenset[str]:
        """The names of tensors in `layout` that are never trained."""
        return self.layers.frozen

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next."""
        return self.layers.state_size

    def reach(self, length: int) -> int:
        """Return how many steps the last state depends on: layers carry what they like from the first."""
        return length

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
            noise: Draws what dropout sets to zero, in training; in evaluation there is none.
            backward: What happens to the backward signal of each scan.
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
        """Return what the readout reads at every step, (T, B, W), as `Layers.run` does.

        Raises:
            ValueError: A layer returns another shape, or cannot do what ``backward`` says.
        """
        return self.layers.run(views, inputs, self.scan(backward, noise), lengths, noise)

"""An encoder-decoder: layers of cells read a sequence, other layers write one, starting from their last states.

The encoder reads each sequence up to the step before its first answer. With e_k the last states of encoder layer k (all
of them, those of both directions side by side, each at its sequence's own end), decoder layer l starts from

    d_l = e_k                 where both cells have states of the same names and sizes, and the encoder one direction
    d_l = e_k B_l + b_l       elsewhere, B_l and b_l learned: the bridge

Here k is as far from the encoder's top as l is from the decoder's, or the lowest layer if the encoder has fewer. There
is no other connection between the two, so that the gradient flows back through these states alone.

In training the decoder reads the previous right symbol at each step (teacher forcing, Williams & Zipser 1989). Without
decoder inputs it runs freely: at each step it reads the class to which it gave the largest output before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State
from longlag.networks import work
from longlag.networks.layers import Layers, scan_name
from longlag.networks.protocol import AnyNetwork
from longlag.networks.readout import initial_readout, read_out, readout_shapes
from longlag.networks.work import Sequences, Work
from longlag.scans.find import serves
from longlag.scans.run import run_between, standard_kernel, warm
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

Starts = dict[str, State]
"""The states of each scan of some layers, by the names of `Layers.scans`."""


@dataclass(frozen=True)
class EncoderDecoder(AnyNetwork):
    """Layers over a task's inputs, layers that write its output sequence, and a linear readout of the latter.

    Sutskever, Vinyals & Le 2014; Cho et al. 2014. The decoder reads classes, and at first the start symbol, class O.
    """

    cell: Cell
    decoder_cell: Cell
    input_size: int
    output_size: int
    hidden_size: int
    wiring: Wiring

    @cached_property
    def encoder(self) -> Layers:
        """The layers that read the input."""
        return Layers(self.cell, self.input_size, self.hidden_size, self.wiring.encoder)

    @cached_property
    def decoder(self) -> Layers:
        """The layers that write the output sequence."""
        return Layers(self.decoder_cell, self.output_size + 1, self.hidden_size, self.wiring.decoder)

    @cached_property
    def layout(self) -> Layout:
        """Where each tensor lies in a row: ``encoder.0.bias``, ``decoder.0.bias``, ``bridge.0.weight``, ``readout``."""
        shapes: dict[str, tuple[int, ...]] = {}
        parts: dict[str, tuple[int, ...]] = {}
        axes: dict[str, int] = {}
        for part, layers in self._parts.items():
            shapes |= {f"{part}.{name}": shape for name, shape in layers.shapes.items()}
            own = {f"{part}.{name}": widths for name, widths in layers.parts.items()}
            parts |= own
            axes |= dict.fromkeys(own, layers.cell.unit_axis)
        readout = readout_shapes(self.decoder.width, self.output_size)
        return Layout.of(shapes | self._bridge_shapes | readout, parts, axes)

    @property
    def _parts(self) -> dict[str, Layers]:
        return {"encoder": self.encoder, "decoder": self.decoder}

    @cached_property
    def _bridge_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of B_l and b_l; empty where states are copied."""
        one, other = (cell.state_shapes(self.hidden_size) for cell in (self.cell, self.decoder_cell))
        if one == other and len(self.wiring.directions) == 1:
            return {}
        width = self.cell.state_count(self.hidden_size) * len(self.wiring.directions)
        wanted = self.decoder_cell.state_count(self.hidden_size)
        both: dict[str, tuple[int, ...]] = {"weight": (width, wanted), "bias": (wanted,)}
        return {f"bridge.{layer}.{name}": both[name] for layer in range(self.wiring.decoder_layers) for name in both}

    @property
    def state_size(self) -> int:
        """The number of values carried from one time step to the next: the larger of encoder's and decoder's."""
        return max(layers.state_size for layers in self._parts.values())

    def path(self, device: str, dtype: str) -> str:
        """Return the code that runs the scans: ``fused`` if both cells have kernels, else ``readable``."""
        fused = all(standard_kernel(cell) is not None for cell in (self.cell, self.decoder_cell))
        return "fused" if serves(device, dtype) and fused else "readable"

    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return the cell and the tensors of each of the encoder's scans, then of the decoder's."""
        cells = {"encoder": self.cell, "decoder": self.decoder_cell}
        return [
            (cells[part], tensors)
            for part, layers in self._parts.items()
            for tensors in layers.by_scan(_within(part, views))
        ]

    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Compile the kernels of both cells; the decoder always reads tokens."""
        warm(self.cell, tokens, device, dtype)
        warm(self.decoder_cell, True, device, dtype)

    def work(self, sequences: Sequences) -> list[Work]:
        """Return the work of the encoder up to the scored steps, and that of decoder and readout at them."""
        read, written = sequences.length * (1 - sequences.scored), sequences.length * sequences.scored
        encoder, decoder = (work.of_cell(cell, self.hidden_size) for cell in (self.cell, self.decoder_cell))
        return [
            work.of_layers(self.encoder, encoder, read, pieces=sequences.ends),
            work.of_layers(self.decoder, decoder, written, self.output_size),
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

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64.

        The encoder's do not depend on the decoder, nor the decoder's on the encoder.
        """
        values: dict[str, np.ndarray] = {}
        for part, layers in self._parts.items():
            drawn = layers.initial_values(*self._stream_names(part, seed))
            values |= {f"{part}.{name}": value for name, value in drawn.items()}
        bound, names = self.hidden_size**-0.5, self._stream_names("decoder", seed)
        values |= initial_readout(self.decoder.width, self.output_size, bound, *names)
        for name, shape in self._bridge_shapes.items():
            bound = self._bridge_shapes[name.replace("bias", "weight")][0] ** -0.5
            generator = stream("weights", self.cell.spec, self.decoder_cell.spec, name, seed).generator()
            values[name] = generator.uniform(-bound, bound, shape)
        return self.layout.row(values)

    def _stream_names(self, part: str, seed: int) -> tuple[str | int, ...]:
        layers = self._parts[part]
        sizes = (layers.input_size, self.hidden_size, layers.wiring.layers)
        return ("weights", part, layers.cell.spec, layers.cell.version, *sizes, seed)

    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O), which the decoder wrote one after the other.

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Its scored steps are consecutive, and begin at the second step of a sequence or later. The decoder
                reads its `decoder_inputs`; without them it runs freely.
            noise: The generator of dropout in training; None in evaluation.
            backward: Must be the chain rule alone.
        """
        assert backward == PLAIN, "nothing else happens in the backward pass of an encoder-decoder"
        first = batch.mask.int().argmax(0)
        lengths = first if bool((first != first[0]).any()) else None
        read = batch.inputs[: int(first.max())]
        _, ends = _run_between(self.cell, self.encoder, _within("encoder", views), read, None, lengths, noise)
        starts = self._bridged(views, ends)
        column = batch.scored % len(first)
        written = (batch.scored // len(first) - first[column]) * len(first) + column  # places in (T', B)
        if batch.decoder_inputs is None:
            steps = int(batch.mask.sum(0).max())
            return self._run_freely(views, starts, steps).flatten(0, 1).index_select(0, written)
        tensors, given = _within("decoder", views), batch.decoder_inputs
        states, _ = _run_between(self.decoder_cell, self.decoder, tensors, given, starts, None, noise)
        return read_out(views, states, written)

    def _bridged(self, views: Mapping[str, Tensor], ends: Starts) -> Starts:
        """Return the initial states of the decoder's scans, from the last states of the encoder's."""
        starts: Starts = {}
        above = self.wiring.layers - self.wiring.decoder_layers
        for layer in range(self.wiring.decoder_layers):
            beside = max(layer + above, 0)
            met = [part for way in self.wiring.directions for part in ends[scan_name(beside, way)]]
            if self._bridge_shapes:
                flat = torch.cat([part.flatten(1) for part in met], 1)
                met = self._split(flat @ views[f"bridge.{layer}.weight"] + views[f"bridge.{layer}.bias"])
            starts[scan_name(layer, "forward")] = tuple(met)
        return starts

    def _split(self, flat: Tensor) -> list[Tensor]:
        """Cut numbers (B, D) into the states of a decoder's layer."""
        shapes = self.decoder_cell.state_shapes(self.hidden_size).values()
        pieces = torch.split(flat, [prod(shape) for shape in shapes], 1)
        return [piece.reshape(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def _run_freely(self, views: Mapping[str, Tensor], states: Starts, steps: int) -> Tensor:
        """Write ``steps`` symbols, each read at the next step; return the readouts (T', B, O)."""
        tensors, batch = _within("decoder", views), len(next(iter(states.values()))[0])
        everywhere = torch.arange(batch, device=views["readout.bias"].device)
        last, readouts = torch.full_like(everywhere, self.output_size), []
        for _ in range(steps):
            outputs, states = _run_between(self.decoder_cell, self.decoder, tensors, last.unsqueeze(0), states)
            readouts.append(read_out(views, outputs, everywhere))
            last = readouts[-1].argmax(1)
        return torch.stack(readouts)


def _run_between(
    cell: Cell,
    layers: Layers,
    tensors: Mapping[str, Tensor],
    inputs: Tensor,
    starts: Starts | None,
    lengths: Tensor | None = None,
    noise: np.random.Generator | None = None,
) -> tuple[Tensor, Starts]:
    """Run layers of a cell from given states; return the outputs of the top one, and the last states of each scan.

    Args:
        cell: The cell.
        layers: The layers.
        tensors: The tensors by their names in `Layers.shapes`.
        inputs: (T, B) tokens or (T, B, I) vectors.
        starts: The states of each scan before its first step; by default learned ones or zeros.
        lengths: (B,), at least 1, the lengths of sequences, each with its own last states; T by default.
        noise: The generator of dropout; without it nothing is dropped.
    """
    ends: Starts = {}

    def scan(name: str, seen: Tensor, weights: Mapping[str, Tensor], learned: State | None) -> Tensor:
        zeros = cell.start(seen.shape[1], layers.hidden_size, weights["input_weight"])
        start = (learned or zeros) if starts is None else starts[name]
        outputs, ends[name] = run_between(cell, seen, weights, start, lengths)
        return outputs

    return layers.run(tensors, inputs, scan, lengths, noise), ends


def _within(part: str, views: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors of the encoder or the decoder by its own names."""
    return {name.removeprefix(f"{part}."): view for name, view in views.items() if name.startswith(f"{part}.")}

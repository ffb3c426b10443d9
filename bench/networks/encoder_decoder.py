"""An encoder-decoder: layers of cells read a sequence, others write one from where the first ended.

The encoder reads each sequence up to the step before its first answer. With e_k what encoder layer k ends with (all of
its states, those of both directions side by side, each at its sequence's own end), decoder layer l starts from

    d_l = e_k                 where both cells have states of the same names and sizes, and the encoder one direction
    d_l = e_k B_l + b_l       elsewhere, B_l and b_l learned: the bridge

k being as far from the encoder's top as l is from the decoder's, or the lowest layer where the encoder has fewer. That
is all that joins the two, and the way on which the gradient flows back.

While it learns the decoder is told each symbol before the one that it writes (teacher forcing, Williams & Zipser 1989).
Where a batch tells it nothing it runs freely: step by step, it reads the class that it has just put highest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell, State
from longlag.networks.layers import Layers, scan_name
from longlag.networks.readout import initial_readout, read_out, readout_shapes
from longlag.scans.find import serves
from longlag.scans.run import standard_kernel
from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

Starts = dict[str, State]
"""The states of each scan of some layers, by the names of `Layers.scans`."""


@dataclass(frozen=True)
class EncoderDecoder:
    """Layers over a task's inputs, layers that write its output sequence, and a linear readout of the latter.

    Sutskever, Vinyals & Le 2014; Cho et al. 2014. The decoder reads classes, and the first one that is none.
    """

    cell: Cell
    decoder_cell: Cell
    input_size: int
    output_size: int
    hidden_size: int
    wiring: Wiring

    @cached_property
    def encoder(self) -> Layers:
        """What reads."""
        return Layers(self.cell, self.input_size, self.hidden_size, self.wiring.encoder)

    @cached_property
    def decoder(self) -> Layers:
        """What writes."""
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
        """The shapes of B_l and b_l; nothing where states are copied."""
        one, other = (cell.state_shapes(self.hidden_size) for cell in (self.cell, self.decoder_cell))
        if one == other and len(self.wiring.directions) == 1:
            return {}
        width = self.cell.state_count(self.hidden_size) * len(self.wiring.directions)
        wanted = self.decoder_cell.state_count(self.hidden_size)
        both: dict[str, tuple[int, ...]] = {"weight": (width, wanted), "bias": (wanted,)}
        return {f"bridge.{layer}.{name}": both[name] for layer in range(self.wiring.decoder_layers) for name in both}

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next, by whichever carries more: they run one after the other."""
        return max(layers.state_size for layers in self._parts.values())

    def rate_factors(self) -> Tensor | None:
        """Return factors on the learning rate, (P,) float64; None where neither cell declares any."""
        row = torch.ones(self.layout.row_size, dtype=torch.float64)
        for of_scan, cell in self._by_scan(self.layout.views(row)):
            for name, factor in cell.rate_factors().items():
                of_scan[name].fill_(factor)
        return row if self.cell.rate_factors() or self.decoder_cell.rate_factors() else None

    def path(self, device: str, dtype: str) -> str:
        """Say which code runs the scans: ``fused``, or ``readable`` where that of either part does."""
        fused = all(standard_kernel(cell) is not None for cell in (self.cell, self.decoder_cell))
        return "fused" if serves(device, dtype) and fused else "readable"

    def _by_scan(self, views: Mapping[str, Tensor]) -> list[tuple[dict[str, Tensor], Cell]]:
        """Return the tensors of each scan's cell, by the cell's names, and the cell."""
        return [
            (of_scan, layers.cell)
            for part, layers in self._parts.items()
            for of_scan in layers.by_scan(_within(part, views))
        ]

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

    @torch.no_grad()
    def orthogonality_error(self, row: Tensor) -> float | None:
        """Return how far the matrices that a cell keeps orthogonal are from it, the worst layer; None without any."""
        found = [cell.orthogonality_error(of_scan) for of_scan, cell in self._by_scan(self.layout.views(row))]
        known = [float(error) for error in found if error is not None]
        return max(known) if known else None

    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        how: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O), which the decoder wrote one after the other.

        Args:
            views: The tensors of one trial, by their names in `layout`.
            batch: Its scored steps follow each other, the first not before the second step of a sequence. With
                `decoder_inputs` the decoder is told what they hold, without it runs freely.
            noise: Draws what dropout sets to zero, in training; in evaluation there is none.
            how: The chain rule alone.
        """
        assert how == PLAIN, "nothing else happens in the backward pass of an encoder-decoder"
        first = batch.mask.int().argmax(0)
        lengths = first if bool((first != first[0]).any()) else None
        read = batch.inputs[: int(first.max())]
        _, ends = self.encoder.run_between(_within("encoder", views), read, None, lengths, noise)
        starts = self._bridged(views, ends)
        column = batch.scored % len(first)
        written = (batch.scored // len(first) - first[column]) * len(first) + column  # places in (T', B)
        if batch.decoder_inputs is None:
            steps = int(batch.mask.sum(0).max())
            return self._run_freely(views, starts, steps).flatten(0, 1).index_select(0, written)
        states, _ = self.decoder.run_between(_within("decoder", views), batch.decoder_inputs, starts, None, noise)
        return read_out(views, states, written)

    def _bridged(self, views: Mapping[str, Tensor], ends: Starts) -> Starts:
        """Return where the decoder's scans start, of where the encoder's ended."""
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
        """Write ``steps`` symbols, each from the one before; return the readouts (T', B, O)."""
        tensors, batch = _within("decoder", views), len(next(iter(states.values()))[0])
        everywhere = torch.arange(batch, device=views["readout.bias"].device)
        told, found = torch.full_like(everywhere, self.output_size), []
        for _ in range(steps):
            outputs, states = self.decoder.run_between(tensors, told.unsqueeze(0), states)
            found.append(read_out(views, outputs, everywhere))
            told = found[-1].argmax(1)
        return torch.stack(found)


def _within(part: str, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the encoder or the decoder by its own names."""
    return {name.removeprefix(f"{part}."): view for name, view in views.items() if name.startswith(f"{part}.")}

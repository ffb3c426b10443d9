"""Cells stacked in depth and direction, without a readout: shapes, initial values, and the pass over a sequence.

With x the input, h_l the outputs of layer l (both directions side by side) and s_l the signal that goes up from it::

    none      u_l = s_{l-1}                      s_l = h_l
    residual  u_l = s_{l-1}                      s_l = s_{l-1} + h_l
    highway   u_l = s_{l-1}                      s_l = g h_l + (1 - g) s_{l-1},  g = sigmoid(v_l W_l + b_l)
    dense     u_l = [h_1, ..., h_{l-1}]          s_l = h_l

Layer l sees v_l = dropout(normalised(u_l)), with dense connections [x, v_l]. The first layer maps the input to the
hidden size: it sees x, neither normalised nor dropped, and s_1 = h_1, even if both have the same width. The outputs of
the top layer are neither normalised nor dropped. With dense connections a cell's initial weights of u_l are divided by
the square root of l - 1, the number of layers in u_l: otherwise wide sums would saturate deep layers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import layer_norm, one_hot

from longlag.cells.base import State
from longlag.cells.support.backbone import Stackable
from longlag.scans.run import reversed_in_time
from longlag.values.seeding import stream
from longlag.values.wiring import ONE_LAYER, Wiring

Scan = Callable[[str, Tensor, Mapping[str, Tensor], State | None], Tensor]
"""Runs a layer in one direction: takes the name of its scan, its inputs, its weights and its initial state, None if
that is not learned; returns its outputs (T, B, H)."""
HIGHWAY_BIAS = -2.0
"""Initial bias of the transform gate: at first most of a layer's input is passed on (Srivastava et al. 2015)."""


@dataclass(frozen=True)
class Layers:
    """Layers over inputs of ``input_size``; the caller of `run` passes the function that runs a layer over time.

    Their tensors are called ``0.bias``, ``0-backward.bias``, ``1-norm.gain``, ``1-highway.weight``, and, if initial
    states are learned, ``0.initial_h``: a state's values as a vector.

    Residual: He et al. 2015; dense: Huang et al. 2016; highway: Srivastava, Greff & Schmidhuber 2015; layer
    normalisation: Ba, Kiros & Hinton 2016; dropout between layers only, in training: Zaremba, Sutskever & Vinyals
    2014; both directions: Schuster & Paliwal 1997.
    """

    cell: Stackable
    input_size: int
    hidden_size: int
    wiring: Wiring = ONE_LAYER

    @property
    def width(self) -> int:
        """The size of a layer's output at a time step: the hidden size for each direction."""
        return self.hidden_size * len(self.wiring.directions)

    @property
    def state_size(self) -> int:
        """The number of values carried from one time step to the next, in all layers and directions."""
        each = self.cell.state_count(self.hidden_size)
        return self.wiring.layers * len(self.wiring.directions) * each

    @cached_property
    def scans(self) -> tuple[tuple[str, int], ...]:
        """The name of each scan, the prefix of its tensors' names, and its input size, from the bottom."""
        return tuple(
            (scan_name(layer, direction), self._input_size(layer))
            for layer in range(self.wiring.layers)
            for direction in self.wiring.directions
        )

    def _input_size(self, layer: int) -> int:
        if layer == 0:
            return self.input_size
        return self._carried(layer) + (self.input_size if self.wiring.skip == "dense" else 0)

    def _carried(self, layer: int) -> int:
        """Return the size of u_l, for a layer that is not the first."""
        return self.width * (layer if self.wiring.skip == "dense" else 1)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor: layer by layer, first the cell's, then those between layers."""
        shapes_by_name: dict[str, tuple[int, ...]] = {}
        for layer in range(self.wiring.layers):
            for direction in self.wiring.directions:
                own = self.cell.shapes(self._input_size(layer), self.hidden_size)
                own |= {name: (prod(shape),) for name, shape in self._initial_states.items()}
                shapes_by_name |= {f"{scan_name(layer, direction)}.{name}": shape for name, shape in own.items()}
            shapes_by_name |= self._between(layer)
        return shapes_by_name

    @cached_property
    def frozen(self) -> frozenset[str]:
        """The names of tensors that are never trained."""
        return frozenset(
            f"{prefix}.{name}" for prefix, size in self.scans for name in self.cell.frozen(size, self.hidden_size)
        )

    @cached_property
    def _initial_states(self) -> dict[str, tuple[int, ...]]:
        """The shapes of a scan's learned initial states, by their own names; empty where it starts from zeros."""
        if self.wiring.initial_state == "zeros":
            return {}
        return {f"initial_{name}": shape for name, shape in self.cell.state_shapes(self.hidden_size).items()}

    def _start(self, scan: str, tensors: Mapping[str, Tensor], batch: int) -> State | None:
        """Return the initial states of a scan, (B, ...) each; None where they are zeros."""
        own = {name: tensors[f"{scan}.{name}"].view(shape) for name, shape in self._initial_states.items()}
        return tuple(state.expand(batch, *state.shape).contiguous() for state in own.values()) or None

    def _between(self, layer: int) -> dict[str, tuple[int, ...]]:
        if layer == 0:
            return {}
        size = self._carried(layer)
        shapes_by_name: dict[str, tuple[int, ...]] = {}
        if self.wiring.normalisation == "layer":
            shapes_by_name |= {f"{layer}-norm.gain": (size,), f"{layer}-norm.bias": (size,)}
        if self.wiring.skip == "highway":
            shapes_by_name |= {f"{layer}-highway.weight": (size, size), f"{layer}-highway.bias": (size,)}
        return shapes_by_name

    @cached_property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """The columns of each logical tensor in the cell's tensors (`Slot.parts`)."""
        own = {name: self.cell.parts(name, self.hidden_size) for name in self._names}
        return {f"{prefix}.{name}": widths for prefix, _ in self.scans for name, widths in own.items()}

    def by_scan(self, tensors: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors of each scan's cell, in the order of `scans`, by the cell's names."""
        return [{name: tensors[f"{prefix}.{name}"] for name in self._names} for prefix, _ in self.scans]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.cell.shapes(self.input_size, self.hidden_size))

    def initial_values(self, *names: str | int) -> dict[str, np.ndarray]:
        """Draw initial values, each tensor from its own stream; normalisation starts with gain 1 and bias 0."""
        values: dict[str, np.ndarray] = {}
        for prefix, size in self.scans:
            place, _, backward = prefix.partition("-")
            below = (*names, int(place), backward) if backward else (*names, int(place))
            own = self.cell.initial_weights(size, self.hidden_size, *below)
            if self.wiring.skip == "dense" and "input_weight" in own:
                own["input_weight"][self.input_size :] /= max(int(place), 1) ** 0.5
            own |= {name: np.zeros(prod(shape)) for name, shape in self._initial_states.items()}
            values |= {f"{prefix}.{name}": value for name, value in own.items()}
        for layer in range(1, self.wiring.layers):
            for name, shape in self._between(layer).items():
                values[name] = _initial_between(name, shape, *names)
        return values

    def run(
        self,
        tensors: Mapping[str, Tensor],
        inputs: Tensor,
        scan: Scan,
        lengths: Tensor | None = None,
        noise: np.random.Generator | None = None,
    ) -> Tensor:
        """Return the outputs of the top layer at every step, (T, B, W), W the `width`.

        Args:
            tensors: The tensors by their names in `shapes`.
            inputs: (T, B) tokens or (T, B, I) vectors.
            scan: Runs each layer in each direction; the backward direction gets reversed sequences.
            lengths: (B,), the lengths of sequences; the backward direction starts at their ends. T by default.
            noise: The generator of dropout; without it nothing is dropped.

        Raises:
            ValueError: A layer returns outputs of another shape than (T, B, H).
        """
        dense = self.wiring.skip == "dense"
        vectors = _as_vectors(inputs, self.input_size, next(iter(tensors.values()))) if dense else inputs
        made = [self._scanned(0, inputs, tensors, lengths, scan)]
        rising = made[0]
        for layer in range(1, self.wiring.layers):
            carried = self._passed_on(layer, torch.cat(made, -1) if dense else rising, tensors, noise)
            seen = torch.cat([vectors, carried], -1) if dense else carried
            made.append(self._scanned(layer, seen, tensors, lengths, scan))
            rising = self._joined(layer, made[-1], rising, carried, tensors)
        return rising

    def _scanned(
        self, layer: int, seen: Tensor, tensors: Mapping[str, Tensor], lengths: Tensor | None, scan: Scan
    ) -> Tensor:
        """Run a layer's cell over its inputs in each direction; return h_l (T, B, W)."""
        by_direction = []
        for direction in self.wiring.directions:
            name = scan_name(layer, direction)
            weights = {own: tensors[f"{name}.{own}"] for own in self._names}
            start = self._start(name, tensors, seen.shape[1])
            if direction == "backward":
                outputs = self._checked(scan(name, reversed_in_time(seen, lengths), weights, start), seen)
                by_direction.append(reversed_in_time(outputs, lengths))
            else:
                by_direction.append(self._checked(scan(name, seen, weights, start), seen))
        return torch.cat(by_direction, -1) if len(by_direction) > 1 else by_direction[0]

    def _checked(self, outputs: Tensor, seen: Tensor) -> Tensor:
        """Return outputs after a check of their shape.

        Raises:
            ValueError: They have another shape than (T, B, H).
        """
        expected = (*seen.shape[:2], self.hidden_size)
        if outputs.shape != expected:
            what = f"cell {self.cell.name()}: outputs must be (T, B, hidden_size) = {expected}"
            raise ValueError(f"{what}, not {tuple(outputs.shape)}")
        return outputs

    def _passed_on(
        self, layer: int, rising: Tensor, tensors: Mapping[str, Tensor], noise: np.random.Generator | None
    ) -> Tensor:
        """Return v_l of u_l: normalised, with dropout."""
        if self.wiring.normalisation == "layer":
            gain, bias = tensors[f"{layer}-norm.gain"], tensors[f"{layer}-norm.bias"]
            rising = layer_norm(rising, rising.shape[-1:], gain, bias)
        if self.wiring.dropout and noise is not None:
            kept = noise.random(tuple(rising.shape), dtype=np.float32) >= self.wiring.dropout
            rising = rising * torch.from_numpy(kept).to(rising) / (1 - self.wiring.dropout)
        return rising

    def _joined(
        self, layer: int, made: Tensor, rising: Tensor, carried: Tensor, tensors: Mapping[str, Tensor]
    ) -> Tensor:
        """Return s_l of h_l, s_{l-1} and v_l."""
        if self.wiring.skip == "residual":
            return rising + made
        if self.wiring.skip == "highway":
            weight, bias = tensors[f"{layer}-highway.weight"], tensors[f"{layer}-highway.bias"]
            gate = torch.sigmoid(carried @ weight + bias)
            return gate * made + (1 - gate) * rising
        return made


def scan_name(layer: int, direction: str) -> str:
    """Return the name of a scan, the prefix of its tensors' names.

    >>> scan_name(0, "forward"), scan_name(2, "backward")
    ('0', '2-backward')
    """
    return str(layer) if direction == "forward" else f"{layer}-{direction}"


def _as_vectors(inputs: Tensor, size: int, like: Tensor) -> Tensor:
    """Turn tokens (T, B) into one-hot vectors (T, B, I); leave vectors."""
    return inputs if inputs.is_floating_point() else one_hot(inputs, size).to(like.dtype)


def _initial_between(name: str, shape: tuple[int, ...], *names: str | int) -> np.ndarray:
    if name.endswith("-norm.gain"):
        return np.ones(shape)
    if name.endswith("-norm.bias"):
        return np.zeros(shape)
    if name.endswith("-highway.bias"):
        return np.full(shape, HIGHWAY_BIAS)
    bound = shape[0] ** -0.5
    return stream(*names, name).generator().uniform(-bound, bound, shape)

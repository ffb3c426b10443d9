"""Runs stacked layers forward and backward, from a trial's row of parameters into its row of gradients.

It computes the same bytes as `Stack`, if a sequence is one chunk of time and the backward signal is not recorded. All
buffers are allocated once for a shape of batch and serve one trial after another; an update allocates nothing.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from longlag.scans.engine import layer as layers
from longlag.scans.engine import weights as outside
from longlag.scans.engine import workspace
from longlag.scans.engine.laid_out import Laid, WeightGrads, gather, lay_out, leaves, scatter, write_gradients
from longlag.scans.engine.pair import Pair
from longlag.scans.engine.products import panel_width
from longlag.scans.engine.scan import Chunk, Grads, Recurrence, SignalRules, scan_backward, scan_forward
from longlag.values.backward import PLAIN, Backward

Array = np.ndarray[Any, Any]


class Shape(NamedTuple):
    """The shape of a batch.

    Attributes:
        steps: T.
        batch: B.
        tokens: Whether inputs are tokens, not vectors.
        dtype: The dtype of the weights.
    """

    steps: int
    batch: int
    tokens: bool
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, inputs: Array, dtype: np.dtype[Any]) -> "Shape":
        """Return the shape of inputs (T, B) or (T, B, I)."""
        return cls(inputs.shape[0], inputs.shape[1], inputs.ndim == 2, dtype)

    def row(self, units: int) -> int:
        """Return the padded number of units: whole panels."""
        panel = panel_width(self.dtype)
        return -(-units // panel) * panel

    def fits(self, kernel: Pair, units: int) -> bool:
        """Return whether a sequence is one chunk of time in every layer."""
        numbers = self.batch * self.row(units) * (kernel.gates + kernel.apart)
        return self.steps * numbers <= layers.KEPT_NUMBERS


@dataclass(frozen=True)
class Sizes:
    """A layer's sizes, and the offsets of its tensors in a row.

    Attributes:
        inputs: I, or the number of tokens.
        units: H.
        at: (4 + V,) int64, the offsets, in the order of `longlag.scans.engine.laid_out`.
    """

    inputs: int
    units: int
    at: Array


class KeptLayer:
    """The buffers of one layer.

    Args:
        kernel: Its kernel.
        sizes: Its sizes.
        shape: The shape of the batch.
        lowest: Whether it is the first layer, whose inputs need no gradient.

    Attributes:
        states: (T·B, padded units), the outputs h, valid until the next forward pass.
        arriving: (T·B, padded units), to be filled with the loss's gradients by the outputs before `backward`.
    """

    def __init__(self, kernel: Pair, sizes: Sizes, shape: Shape, lowest: bool) -> None:
        self.kernel, self.sizes, self.shape = kernel, sizes, shape
        products = kernel.gates if kernel.products is None else kernel.products
        units, row, panel = sizes.units, shape.row(sizes.units), panel_width(shape.dtype)
        size, tokens = shape.batch * row, shape.tokens and lowest
        zeros = partial(_zeros, shape.dtype)
        back = 0 if lowest else kernel.gates
        self.laid = Laid(
            zeros(kernel.gates if tokens else 0, sizes.inputs, row),
            zeros(0 if tokens else kernel.gates, row // panel, sizes.inputs, panel),
            zeros(back, shape.row(sizes.inputs) // panel, units, panel),
            zeros(0 if tokens else kernel.gates, size),
            zeros(products, row // panel, units, panel),
            zeros(products, row // panel, units, panel),
            zeros(kernel.apart, size),
            zeros(kernel.vectors, 1, size),
        )
        self.weight_grads = WeightGrads(
            zeros(kernel.gates, sizes.inputs, row),
            zeros(kernel.gates, row),
            zeros(products, units, row),
            zeros(kernel.apart, row),
            zeros(kernel.vectors, 1, size),
            zeros(kernel.vectors, row),
        )
        self.chunk = Chunk(
            zeros(kernel.gates, shape.steps, size),
            zeros(kernel.apart, shape.steps, size),
            zeros(kernel.states, shape.steps + 1, size),
        )
        self.grads = Grads(zeros(1, shape.steps, size), zeros(kernel.states, 1, size), self.weight_grads.vectors)
        self.recurrence, self.recurrence_back = (
            Recurrence(weights, self.laid.apart_bias, kernel.apart_state, self.laid.vectors)
            for weights in (self.laid.recurrent, self.laid.recurrent_back)
        )
        self.by_token = self.chunk.gates.reshape(kernel.gates, shape.steps, shape.batch, row)
        self.outputs = self.chunk.states[0, 1:]
        self.states, self.arriving = self.outputs.reshape(-1, row), self.grads.outputs.reshape(-1, row)
        self.unwatched, self.ones = zeros(kernel.states, 0, size), np.ones(1, shape.dtype)

    def forward(self, row: Array, inputs: Array) -> None:
        """Run forward in time.

        Args:
            row: (P,), the trial's parameters.
            inputs: Tokens (T, B), or (T, B·I) vectors, whose padding is not read.
        """
        lay_out(row, self.sizes.at, self.sizes.units, self.laid)
        if len(self.laid.table):
            outside.project_tokens(inputs, self.laid.table, self.by_token)
        else:
            outside.project_vectors(inputs, self.laid.inputs, self.laid.bias, self.chunk.gates)
        scan_forward(self.kernel, self.chunk, self.recurrence)

    def backward(self, gradient: Array, inputs: Array, by_inputs: Array | None, backward: Backward) -> None:
        """Run backward in time.

        Args:
            gradient: (P,), the trial's gradient; the gradients by the layer's weights are written.
            inputs: As for `forward`.
            by_inputs: (T·B, padded inputs), the gradients by the inputs, written; None if they are not needed.
            backward: The rules for the backward signal.
        """
        gates, weight_grads = self.chunk.gates, self.weight_grads
        self.grads.carry.fill(0)
        weight_grads.vectors.fill(0)
        weight_grads.input_weight.fill(0)
        rules = SignalRules(self.unwatched, gates.dtype.type(backward.signal_limit), backward.truncate, 0)
        scan_backward(self.kernel, self.chunk, self.recurrence_back, self.grads, rules)
        if len(self.laid.table):
            outside.add_by_token(inputs, self.by_token, weight_grads.input_weight)
        else:
            outside.add_products(inputs, self.sizes.inputs, gates, weight_grads.input_weight)
        if by_inputs is not None:
            by_inputs.fill(0)
            outside.add_input_grads(gates, self.laid.inputs_back, by_inputs.reshape(len(inputs), -1))
        write_gradients(
            self.chunk, self.kernel.apart_state, self.ones, weight_grads, gradient, self.sizes.at, self.sizes.units
        )


class Straight:
    """All layers for batches of one shape.

    Args:
        kernel: The kernel.
        sizes: The sizes of each layer, from the bottom.
        shape: The shape of the batch.
    """

    def __init__(self, kernel: Pair, sizes: tuple[Sizes, ...], shape: Shape) -> None:
        self.layers = [KeptLayer(kernel, own, shape, place == 0) for place, own in enumerate(sizes)]
        self.tokens = sizes[0].inputs if shape.tokens else 0
        self.seen: list[Array] = []

    @property
    def numbers(self) -> int:
        """The number of pre-activations that the buffers hold."""
        return sum(layer.chunk.gates.size for layer in self.layers)

    def forward(self, row: Array, inputs: Array, scored: Array) -> Array:
        """Return the outputs of the top layer at the scored steps, (N, H).

        Args:
            row: (P,), the trial's parameters.
            inputs: Tokens (T, B) or vectors (T, B, I).
            scored: (N,), places in the flattened (T·B).

        Raises:
            IndexError: A token is out of range, which compiled code would not notice.
        """
        if self.tokens and leaves(inputs, self.tokens):
            raise IndexError(f"tokens run from {inputs.min()} to {inputs.max()}, not from 0 to {self.tokens - 1}")
        self.seen = [inputs if self.tokens else inputs.reshape(len(inputs), -1)]
        for layer in self.layers:
            layer.forward(row, self.seen[-1])
            self.seen.append(layer.outputs)
        top = self.layers[-1]
        read = np.empty((len(scored), top.sizes.units), row.dtype)
        gather(top.states, scored, read)
        return read

    def backward(self, gradient: Array, scored: Array, by_states: Array, backward: Backward = PLAIN) -> None:
        """Write the gradients by all weights.

        Args:
            gradient: (P,), the trial's gradient, written except for the readout's.
            scored: As for `forward`.
            by_states: (N, H), the loss's gradient by the outputs that `forward` returned.
            backward: The rules for the backward signal.
        """
        scatter(by_states, scored, self.layers[-1].arriving)
        for place in reversed(range(len(self.layers))):
            below = self.layers[place - 1].arriving if place else None
            self.layers[place].backward(gradient, self.seen[place], below, backward)


def _zeros(dtype: np.dtype[Any], *shape: int) -> Array:
    array = workspace.fresh(shape, dtype)
    array.fill(0)
    return array

"""One layer of a network for one trial on the CPU: input projection, scan, and their gradients.

A long sequence is cut into chunks of time. If there is more than one chunk, only the states at their borders are kept,
and the backward pass computes each chunk again. A chunk's length depends on the layer's shape alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import numpy as np
import torch

from longlag.scans.engine import weights as outside
from longlag.scans.engine import workspace
from longlag.scans.engine.pair import Pair
from longlag.scans.engine.products import packed, panel_width
from longlag.scans.engine.scan import Chunk, Grads, Recurrence, SignalRules, scan_backward, scan_forward
from longlag.scans.engine.weights import Sums
from longlag.values.backward import PLAIN, Backward, Signal

Array = np.ndarray[Any, Any]

KEPT_NUMBERS = 2**25
"""The most pre-activations that the forward pass keeps for the backward pass: 128 MiB of float32."""
CHUNK_NUMBERS = 2**20
"""Pre-activations of a chunk where there are more: few enough for the cache when they are computed again."""
PASSING_NUMBERS = 2**18
"""Pre-activations of a chunk where no backward pass follows: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Kept:
    """The arrays of the backward pass: the states at the chunks' borders, (states, N) each, and an only chunk whole."""

    borders: list[Array]
    chunk: Chunk | None


class Layer:
    """The weights of one layer and one batch, laid out for the scan; all arrays are contiguous.

    Args:
        kernel: The kernel.
        weights: The scan's weights by name: ``input_weight`` (I, G·H), with I the number of tokens if inputs are
            tokens; ``bias`` (G·H,); ``recurrent_weight`` (H, R·H) if there are R products; the kernel's `apart_bias`,
            (A·H,), if it has one; and the tensors of its `vector_names`.
        inputs: Tokens (T, B) or vectors (T, B, I), T and B at least 1.
        initial: The states before the first step, (B, H) each; zeros by default.

    Raises:
        IndexError: A token has no row in the input weight; compiled code does not check that.
    """

    def __init__(
        self, kernel: Pair, weights: Mapping[str, Array], inputs: Array, initial: Sequence[Array] | None = None
    ) -> None:
        self.kernel, self.gates, self.inputs, self.weights = kernel, kernel.gates, inputs, weights
        self.products = kernel.gates if kernel.products is None else kernel.products
        self.input_weight = weights["input_weight"]
        self.dtype = self.input_weight.dtype
        if inputs.ndim == 2 and not 0 <= inputs.min() <= inputs.max() < len(self.input_weight):
            rows = len(self.input_weight)
            raise IndexError(f"tokens run from {inputs.min()} to {inputs.max()}, not from 0 to {rows - 1}")
        self.steps, self.batch = inputs.shape[:2]
        assert self.steps >= 1 <= self.batch, "a kernel needs a time step and a sequence"
        self.units = len(weights["bias"]) // self.gates
        self.row = self._whole_panels(self.units)
        self.size = self.batch * self.row
        self._first = np.zeros((kernel.states, self.size), self.dtype)
        for place, part in enumerate(initial or ()):
            self._first[place] = self._pad(part).reshape(-1)
        self._pack()

    def forward(self, keep: bool) -> tuple[Array, list[Array], Kept | None]:
        """Run forward in time.

        Args:
            keep: Whether to keep what `backward` needs.

        Returns:
            The outputs (T, B, H), or (outputs, T, B, H) if the kernel has several; the last states but the first,
            (B, H) each; and what was kept, or None.
        """
        handed_on = slice(self.kernel.outputs)
        length = self._kept_steps if keep else self._chunk_steps(PASSING_NUMBERS)
        whole, state, borders = length == self.steps, self._first, []
        if not whole:
            outputs = workspace.fresh((self.kernel.outputs, self.steps, self.size), self.dtype)
        for start in range(0, self.steps, length):
            borders.append(state)
            chunk = self._advance(start, min(start + length, self.steps), state)
            state = chunk.states[:, -1].copy()
            if whole:
                outputs = chunk.states[handed_on, 1:]
            else:
                outputs[:, start : start + length] = chunk.states[handed_on, 1:]
                workspace.give_back([chunk.states])
            if not (whole and keep):
                workspace.give_back([chunk.gates, chunk.apart])
        kept = Kept(borders, chunk if whole else None) if keep else None
        return self._unpad(self._only(outputs)), [self._unpad(part) for part in state[1:]], kept

    def backward(
        self, kept: Kept, grads: Array, last_grads: Sequence[Array] = (), wants_inputs: bool = False,
        backward: Backward = PLAIN, signal: Signal | None = None,
    ) -> tuple[dict[str, Array], list[Array]]:  # fmt: skip
        """Run backward in time.

        Args:
            kept: What `forward` has kept; it can be used once.
            grads: (..., T, B, H), the loss's gradients by the outputs; or in whole panels, with zeros as padding.
            last_grads: The loss's gradients by the last states but the first, (B, H) each; zeros by default.
            wants_inputs: Whether to return the gradients by the inputs, too.
            backward: What happens to the signal in the backward pass.
            signal: Filled with the signal that was carried; its `arriving` only for kernels with one output.

        Returns:
            The gradients by the weights, by name, with those by the inputs as ``inputs``; and by the initial states.
        """
        length, kernel, sums = self._kept_steps, self.kernel, self._no_sums(wants_inputs)
        output_grads = self._pad(grads).reshape(kernel.outputs, self.steps, self.size)
        carry = np.zeros((kernel.states, 1, self.size), self.dtype)
        for place, part in enumerate(last_grads):
            carry[1 + place] = self._pad(part).reshape(1, -1)
        recurrence = self._recurrence._replace(weights=self._packed_recurrent(transpose=True))
        limit, watched = self.dtype.type(backward.signal_limit), self.steps if signal is not None else 0
        before, passed = (np.empty((kernel.states, watched, self.size), self.dtype) for _ in range(2))
        for start in reversed(range(0, self.steps, length)):
            end = min(start + length, self.steps)
            chunk = kept.chunk or self._advance(start, end, kept.borders[start // length])
            if signal is not None:
                before[:, start:end] = chunk.states[:, :-1]
            of_chunk = Grads(output_grads[:, start:end], carry, sums.vectors)
            rules = SignalRules(passed[:, start:end], limit, backward.truncate, start)
            scan_backward(kernel, chunk, recurrence, of_chunk, rules)
            self._add_chunk(start, end, chunk, sums)
            workspace.give_back(chunk[:2] if kept.chunk else chunk)
        if signal is not None:
            self._fill(signal, before, passed, output_grads)
        return self._by_weight(sums), [self._unpad(part[0]) for part in carry]

    def _no_sums(self, wants_inputs: bool) -> Sums:
        kernel, inputs, input_weight = self.kernel, None, None
        by_weight = {
            "input_weight": self._zeros(self.gates, len(self.input_weight)),
            "bias": self._zeros(self.gates),
            "recurrent_weight": self._zeros(self.products, self.units),
            kernel.apart_bias: self._zeros(kernel.apart),
        }
        if wants_inputs:
            inputs = np.zeros((self.steps, self.batch, self._whole_panels(self.inputs.shape[2])), self.dtype)
            input_weight = packed(self.input_weight, self.gates, True)
        return Sums(by_weight, np.zeros_like(self._recurrence.vectors), inputs, input_weight)

    def _add_chunk(self, start: int, end: int, chunk: Chunk, sums: Sums) -> None:
        """Add a chunk's gradients by the weights, from the arrays as `scan_backward` has written them."""
        (pre, apart, states), kernel, totals = chunk, self.kernel, sums.by_weight
        together, recurrent = self.products - kernel.apart, totals["recurrent_weight"]
        ones = np.ones(1, self.dtype)
        outside.add_products(states[0, :-1], self.units, pre[:together], recurrent[:together])
        if kernel.apart:
            outside.add_products(states[kernel.apart_state, :-1], self.units, apart, recurrent[together:])
            outside.add_sums(apart, ones, totals[kernel.apart_bias])
        outside.add_sums(pre, ones, totals["bias"])
        self._add_input_weights(start, end, pre, totals["input_weight"])
        if sums.inputs is not None:
            outside.add_input_grads(pre, sums.input_weight, sums.inputs[start:end].reshape(end - start, -1))

    def _by_weight(self, sums: Sums) -> dict[str, Array]:
        """Return the gradients by name, in the shapes of the weights."""
        vectors = self._zeros(self.kernel.vectors)
        if self.kernel.vectors:
            outside.add_sums(sums.vectors, np.ones(1, self.dtype), vectors)
        totals = sums.by_weight | self._by_name(vectors)
        named = {name: self._side_by_side(totals[name]) for name in self.weights}
        if sums.inputs is not None:
            named["inputs"] = sums.inputs[..., : self.inputs.shape[2]]
        return named

    def _fill(self, signal: Signal, before: Array, passed: Array, output_grads: Array) -> None:
        """Fill a signal with the states before each step, the signal after clipping, and what arrived."""
        by_state = [[torch.from_numpy(self._unpad(part)) for part in parts] for parts in (before, passed)]
        arriving = torch.from_numpy(self._unpad(output_grads[0])) if len(output_grads) == 1 else signal.arriving
        signal.fill(by_state[0], arriving, by_state[1])

    def blank_signal(self) -> Signal:
        """Return a signal that `backward` can fill."""
        start = [torch.from_numpy(self._unpad(part)) for part in self._first]
        return Signal.blank(torch.from_numpy(self.inputs), start, self.units)

    def _whole_panels(self, columns: int) -> int:
        panel = panel_width(self.dtype)
        return -(-columns // panel) * panel

    @property
    def _kept_steps(self) -> int:
        """The time steps of a chunk if a backward pass follows: all of them if they can be kept."""
        whole = self._chunk_steps(KEPT_NUMBERS) == self.steps
        return self.steps if whole else self._chunk_steps(min(KEPT_NUMBERS, CHUNK_NUMBERS))

    def _chunk_steps(self, numbers: int) -> int:
        return int(min(self.steps, max(1, numbers // (self.size * (self.gates + self.kernel.apart)))))

    def _pack(self) -> None:
        """Lay the weights out for the forward pass."""
        bias = self._pad(self.weights["bias"].reshape(self.gates, self.units))
        if self.inputs.ndim == 3:
            self._input = packed(self.input_weight, self.gates, False)
            self._bias = self._for_each_sequence(bias)
        else:
            by_gate = self.input_weight.reshape(-1, self.gates, self.units).transpose(1, 0, 2)
            with np.errstate(all="ignore"):  # NaN and Inf of a diverging trial are handled elsewhere
                self._table = self._pad(by_gate) + bias[:, None]
        apart_bias = np.zeros((self.kernel.apart, self.size), self.dtype)
        if self.kernel.apart_bias:
            of_units = self.weights[self.kernel.apart_bias].reshape(self.kernel.apart, self.units)
            apart_bias = self._for_each_sequence(self._pad(of_units))
        vectors = np.zeros((self.kernel.vectors, 1, self.size), self.dtype)
        for name, rows in self._by_name(vectors).items():
            rows[:, 0] = self._for_each_sequence(self._pad(self.weights[name].reshape(-1, self.units)))
        weights = self._packed_recurrent(transpose=False)
        self._recurrence = Recurrence(weights, apart_bias, self.kernel.apart_state, vectors)

    def _packed_recurrent(self, transpose: bool) -> Array:
        if self.products:
            return cast(Array, packed(self.weights["recurrent_weight"], self.products, transpose))
        return np.zeros((0, 1, 1, panel_width(self.dtype)), self.dtype)

    def _by_name(self, vectors: Array) -> dict[str, Array]:
        """Split (V, ...) into views, one for each of the kernel's `vector_names`."""
        counts = [self.weights[name].size // self.units for name in self.kernel.vector_names]
        assert sum(counts) == self.kernel.vectors, "the kernel declares another number of vectors"
        places = accumulate(counts, initial=0)
        return {
            name: vectors[place : place + count]
            for name, place, count in zip(self.kernel.vector_names, places, counts, strict=False)
        }

    def _advance(self, start: int, end: int, state: Array) -> Chunk:
        """Project the inputs of a chunk and scan it forward from the states (states, N)."""
        steps, kernel, inputs = end - start, self.kernel, self.inputs[start:end]
        gates = workspace.take((self.gates, steps, self.size), self.dtype)
        apart = workspace.take((kernel.apart, steps, self.size), self.dtype)
        states = workspace.take((kernel.states, steps + 1, self.size), self.dtype)
        states[:, 0] = state
        if inputs.ndim == 3:
            outside.project_vectors(inputs.reshape(steps, -1), self._input, self._bias, gates)
        else:
            outside.project_tokens(inputs, self._table, gates.reshape(self.gates, steps, self.batch, self.row))
        chunk = Chunk(gates, apart, states)
        scan_forward(kernel, chunk, self._recurrence)
        return chunk

    def _add_input_weights(self, start: int, end: int, pre: Array, total: Array) -> None:
        inputs, steps = self.inputs[start:end], end - start
        if inputs.ndim == 3:
            outside.add_products(inputs.reshape(steps, -1), inputs.shape[2], pre, total)
        else:
            outside.add_by_token(inputs, pre.reshape(self.gates, steps, self.batch, self.row), total)

    def _only(self, outputs: Array) -> Array:
        return outputs[0] if self.kernel.outputs == 1 else outputs

    def _pad(self, array: Array) -> Array:
        """Return rows of H units, padded to whole panels."""
        if array.shape[-1] == self.row:
            return np.ascontiguousarray(array)
        padded = np.zeros((*array.shape[:-1], self.row), self.dtype)
        padded[..., : self.units] = array
        return padded

    def _unpad(self, array: Array) -> Array:
        """Turn (..., N) into (..., B, H), a view."""
        return array.reshape(*array.shape[:-1], self.batch, self.row)[..., : self.units]

    def _side_by_side(self, padded: Array) -> Array:
        """Turn (G, ..., padded units), with at most one axis in between, into (..., G·H)."""
        units = padded[..., : self.units].swapaxes(0, -2)
        return units.reshape(*units.shape[:-2], -1)

    def _for_each_sequence(self, bias: Array) -> Array:
        """Turn (G, padded units) into (G, N)."""
        return np.repeat(bias[:, None], self.batch, axis=1).reshape(len(bias), -1)

    def _zeros(self, *shape: int) -> Array:
        return np.zeros((*shape, self.row), self.dtype)


def warm(kernel: Pair, tokens: bool, dtype: str) -> None:
    """Compile the code that training needs, or load it from disk, so that no update is timed with it.

    Args:
        kernel: The kernel.
        tokens: Whether inputs are tokens; else they are vectors.
        dtype: The precision.
    """
    real = np.dtype(dtype)
    products = kernel.gates if kernel.products is None else kernel.products
    shapes: dict[str, tuple[int, ...]] = {"input_weight": (1, kernel.gates), "bias": (kernel.gates,)}
    shapes |= {"recurrent_weight": (1, products)} if products else {}
    shapes |= {kernel.apart_bias: (kernel.apart,)} if kernel.apart_bias else {}
    share = kernel.vectors // max(1, len(kernel.vector_names))
    shapes |= dict.fromkeys(kernel.vector_names, (share,))
    weights = {name: np.zeros(shape, real) for name, shape in shapes.items()}
    for inputs in (np.zeros((1, 1), np.int64) if tokens else np.zeros((1, 1, 1), real), np.zeros((1, 1, 1), real)):
        layer = Layer(kernel, weights, inputs)
        _, _, kept = layer.forward(keep=True)
        assert kept is not None
        layer.backward(kept, np.zeros((kernel.outputs, 1, 1, 1), real), (), inputs.ndim == 3)

"""The loops over time, shared by all kernels: at each time step the recurrent products and one pass over the units.

Arrays are padded: the units of a sequence fill whole panels (`products.panel_width`), and the units of all B sequences
at a time step are contiguous, N = B · padded units. Weights are padded with zeros, so that padding changes no result.
"""

from typing import Any, NamedTuple

import numpy as np

from longlag.scans.engine.compiler import compiled, inlined, separate
from longlag.scans.engine.pair import add, backward, forward, load, store
from longlag.scans.engine.products import times_packed
from longlag.scans.engine.rows import add_row, copy_row, fill_row

Array = np.ndarray[Any, Any]


class Chunk(NamedTuple):
    """The arrays of a chunk of T time steps, overwritten by the forward and the backward pass.

    Attributes:
        gates: (G, T, N), the projected inputs; after the forward pass the numbers that the kernel keeps; after the
            backward pass the gradients by the pre-activations.
        apart: (A, T, N), the recurrent products that stand apart; after the backward pass the gradients by them.
        states: (states, T + 1, N), with the initial states at time 0.
    """

    gates: Array
    apart: Array
    states: Array


class Recurrence(NamedTuple):
    """The weights, which are the same at every time step.

    Attributes:
        weights: (products, panels, depth, panel width), packed; for the backward pass each is transposed first.
        apart_bias: (A, N), added to the products that stand apart.
        apart_state: The state that the products apart multiply; the others multiply the first state.
        vectors: (V, 1, N), the numbers that units have for themselves, repeated for each sequence.
    """

    weights: Array
    apart_bias: Array
    apart_state: int
    vectors: Array


class Grads(NamedTuple):
    """The gradients that the backward pass reads, and those that it writes.

    Attributes:
        outputs: (outputs, T, N), the gradients by the outputs.
        carry: (states, 1, N), the gradients by the last states; replaced by those by the initial states.
        vectors: (V, 1, N), the gradients by the vectors, added to.
    """

    outputs: Array
    carry: Array
    vectors: Array


class SignalRules(NamedTuple):
    """The rules for the backward signal in a chunk of time, and the array that keeps it; see `longlag.values.backward`.

    Attributes:
        passed: (..., T, ...), written with the signal of each step after clipping; not written if it has no time steps.
        limit: The limit to which entries are clipped, of the arrays' type; infinity leaves them as they are.
        truncate: Steps between the borders at which the signal ends; 0 for none.
        start: The place of the chunk's first time step in the whole sequence.
    """

    passed: Array
    limit: Any
    truncate: int
    start: int


@compiled
def scan_forward(kernel: Any, chunk: Chunk, recurrence: Recurrence) -> None:
    """Run a kernel forward in time.

    Args:
        kernel: The kernel.
        chunk: The projected inputs and the initial states; all else is written, and the projected inputs overwritten.
        recurrence: The weights.
    """
    gates, apart, states = chunk
    weights, apart_bias, apart_state, vectors = recurrence
    for t in range(gates.shape[1]):
        _multiply(gates, apart, apart_bias, apart_state, weights, states, t)
        _advance(kernel, chunk, vectors, t)


@compiled
def scan_backward(kernel: Any, chunk: Chunk, recurrence: Recurrence, grads: Grads, rules: SignalRules) -> None:
    """Run a kernel backward in time.

    Args:
        kernel: The kernel.
        chunk: The arrays that `scan_forward` has written; gradients overwrite the gates and the products apart.
        recurrence: The weights, transposed.
        grads: The gradients by the outputs and the last states; the carry and the vectors' gradients are written.
        rules: What happens to the backward signal; its ``passed`` is (states, T, N).
    """
    gates, apart, _ = chunk
    outputs, carry, _ = grads
    weights, _, apart_state, vectors = recurrence
    passed, limit, truncate, start = rules
    for t in range(gates.shape[1] - 1, -1, -1):
        _arrive(outputs, carry, passed, limit, t)
        _retreat(kernel, chunk, vectors, grads, t)
        _depart(gates, apart, apart_state, weights, carry, ends(truncate, start + t), t)


@inlined
def ends(truncate: int, place: int) -> bool:
    """Return whether the signal ends between this time step of the whole sequence and the one before."""
    return truncate > 0 and place > 0 and place % truncate == 0


# These functions are compiled once for all kernels. They take arrays one by one: if a named tuple is passed, compiled
# code counts the references to its arrays, which doubled the time of the backward pass of 16 units.


@separate
def _multiply(
    gates: Array, apart: Array, apart_bias: Array, apart_state: int, weights: Array, states: Array, t: int
) -> None:
    """Add the recurrent products of a time step to the gates, and write those that stand apart."""
    together = len(weights) - len(apart)
    for gate in range(together):
        times_packed(states[0, t], weights[gate], gates[gate, t])
    for place in range(len(apart)):
        copy_row(apart_bias[place], apart[place, t])
        times_packed(states[apart_state, t], weights[together + place], apart[place, t])


@separate
def _arrive(outputs: Array, carry: Array, passed: Array, limit: Any, t: int) -> None:
    """Add the gradients by a time step's outputs to the signal, clip it, and write it to ``passed`` if that is kept."""
    for output in range(len(outputs)):
        add_row(outputs[output, t], carry[output, 0])
    if limit < np.inf:
        for state in range(len(carry)):
            bound(carry[state, 0], limit)
    if passed.shape[1] > 0:
        for state in range(len(carry)):
            copy_row(carry[state, 0], passed[state, t])


@separate
def _depart(gates: Array, apart: Array, apart_state: int, weights: Array, carry: Array, ended: bool, t: int) -> None:
    """Add the gradients through a time step's recurrent products to the signal, or end the signal at a border."""
    if ended:
        for state in range(len(carry)):
            fill_row(0, carry[state, 0])
        return
    together = len(weights) - len(apart)
    for gate in range(together):
        times_packed(gates[gate, t], weights[gate], carry[0, 0])
    for product in range(len(apart)):
        times_packed(apart[product, t], weights[together + product], carry[apart_state, 0])


@separate
def _advance(kernel: Any, chunk: Chunk, vectors: Array, t: int) -> None:
    """Apply the kernel's forward function to every unit of a time step."""
    gates, apart, states = chunk
    for unit in range(gates.shape[2]):
        after, kept = forward(
            kernel,
            load(kernel, "gates", gates, t, unit),
            load(kernel, "apart", apart, t, unit),
            load(kernel, "states", states, t, unit),
            load(kernel, "vectors", vectors, 0, unit),
        )
        store(states, t + 1, unit, after)
        store(gates, t, unit, kept)


@separate
def _retreat(kernel: Any, chunk: Chunk, vectors: Array, grads: Grads, t: int) -> None:
    """Apply the kernel's backward function to every unit of a time step."""
    gates, apart, states = chunk
    _, carry, vector_grads = grads
    for unit in range(gates.shape[2]):
        pre_grads, apart_grads, before_grads, own_grads = backward(
            kernel,
            load(kernel, "states", carry, 0, unit),
            load(kernel, "kept", gates, t, unit),
            load(kernel, "apart", apart, t, unit),
            load(kernel, "states", states, t, unit),
            load(kernel, "states", states, t + 1, unit),
            load(kernel, "vectors", vectors, 0, unit),
        )
        store(gates, t, unit, pre_grads)
        store(apart, t, unit, apart_grads)
        store(carry, 0, unit, before_grads)
        add(vector_grads, unit, own_grads)


@separate
def bound(signal: Array, limit: Any) -> None:
    """Clip every entry to [-limit, limit]; NaN stays NaN."""
    for unit in range(signal.size):
        value = signal[unit]
        signal[unit] = limit if value > limit else (-limit if value < -limit else value)

"""The loops over time, shared by all kernels: the recurrent products and one pass over the units a time step.

Arrays are padded: the units of a sequence fill whole panels (`products.panel_width`), and the units of a time
step's B sequences lie one behind the other, N = B · padded units. Padded weights are zero, so nothing leaks out
of the padding. ``gates`` (G, T, N) comes in as input projections and is overwritten: by what the kernel keeps on
the way forward, by the gradients of the pre-activations on the way back. ``apart`` (A, T, N) is overwritten by
recurrent products, then by their gradients. ``states`` is (states, T + 1, N), the initial ones first; ``vectors``
(V, 1, N) repeats for each sequence what the units have for themselves.
"""

from typing import Any

import numpy as np

from longlag.scans.engine.compiler import compiled, separate
from longlag.scans.engine.pair import add, backward, forward, load, store
from longlag.scans.engine.products import times_packed
from longlag.scans.engine.rows import add_row, copy_row, fill_row


@compiled
def scan_forward(kernel: Any, gates: Any, apart: Any, apart_bias: Any, apart_state: int, weights: Any, vectors: Any,
                 states: Any) -> None:  # fmt: skip
    """Run a kernel forward in time.

    Args:
        kernel: The kernel.
        gates: (G, T, N), projected inputs; becomes what the kernel keeps.
        apart: (A, T, N), becomes the recurrent products that stand apart.
        apart_bias: (A, N), added to them.
        apart_state: The state that they multiply.
        weights: The recurrent weights of each product, packed.
        vectors: (V, 1, N).
        states: (states, T + 1, N), the initial ones at time 0; the others are written.
    """
    for t in range(gates.shape[1]):
        _multiply(gates, apart, apart_bias, apart_state, weights, states, t)
        _advance(kernel, gates, apart, vectors, states, t)


@compiled
def scan_backward(kernel: Any, gates: Any, apart: Any, apart_state: int, weights: Any, vectors: Any, vector_grads: Any,
                  states: Any, grads: Any, carry: Any, signals: Any, limit: Any, truncate: int,
                  start: int) -> None:  # fmt: skip
    """Run a kernel backward in time; `longlag.values.backward` has the equations.

    Args:
        kernel: The kernel.
        gates: (G, T, N), as `scan_forward` left it; becomes the gradients of the pre-activations.
        apart: (A, T, N), as `scan_forward` left it; becomes the gradients of the products that stand apart.
        apart_state: The state that the products apart multiply.
        weights: The recurrent weights of each product, transposed and packed.
        vectors: (V, 1, N).
        vector_grads: (V, 1, N), their gradients, added to.
        states: (states, T + 1, N), as `scan_forward` left it.
        grads: (outputs, T, N), gradients of the outputs.
        carry: (states, 1, N), gradients of the last states by what comes later; becomes the initial states'.
        signals: (states, T, N), becomes the backward signal after clipping; with no time steps it is not kept.
        limit: The largest entry of the backward signal, of the arrays' type; infinity leaves it as it is.
        truncate: Steps of a chunk, at whose borders the signal ends; 0 for none.
        start: The place of the first time step here in the whole sequence.
    """
    for t in range(gates.shape[1] - 1, -1, -1):
        _arrive(grads, carry, signals, limit, t)
        _retreat(kernel, gates, apart, vectors, vector_grads, states, carry, t)
        _depart(gates, apart, apart_state, weights, carry, truncate, start + t, t)


# What kernels have in common is compiled once for all of them.


@separate
def _multiply(gates: Any, apart: Any, apart_bias: Any, apart_state: int, weights: Any, states: Any, t: int) -> None:
    """Add the recurrent products of a time step to the gates; write those that stand apart."""
    together = len(weights) - len(apart)
    for gate in range(together):
        times_packed(states[0, t], weights[gate], gates[gate, t])
    for place in range(len(apart)):
        copy_row(apart_bias[place], apart[place, t])
        times_packed(states[apart_state, t], weights[together + place], apart[place, t])


@separate
def _arrive(grads: Any, carry: Any, signals: Any, limit: Any, t: int) -> None:
    """Add what the outputs of a time step bring to the signal, clip it, and keep it where it is watched."""
    for output in range(len(grads)):
        add_row(grads[output, t], carry[output, 0])
    if limit < np.inf:
        for state in range(len(carry)):
            bound(carry[state, 0], limit)
    if signals.shape[1] > 0:
        for state in range(len(carry)):
            copy_row(carry[state, 0], signals[state, t])


@separate
def _depart(
    gates: Any, apart: Any, apart_state: int, weights: Any, carry: Any, truncate: int, place: int, t: int
) -> None:
    """Add to the signal what goes back through the recurrent products of a time step, or end it at a chunk's border."""
    if truncate > 0 and place > 0 and place % truncate == 0:
        for state in range(len(carry)):
            fill_row(0, carry[state, 0])
        return
    together = len(weights) - len(apart)
    for gate in range(together):
        times_packed(gates[gate, t], weights[gate], carry[0, 0])
    for product in range(len(apart)):
        times_packed(apart[product, t], weights[together + product], carry[apart_state, 0])


@separate
def _advance(kernel: Any, gates: Any, apart: Any, vectors: Any, states: Any, t: int) -> None:
    """Apply the kernel's forward function to every unit of a time step."""
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
def bound(signal: Any, limit: Any) -> None:
    """Clip every entry to [-limit, limit]; NaN stays NaN."""
    for unit in range(signal.size):
        value = signal[unit]
        signal[unit] = limit if value > limit else (-limit if value < -limit else value)


@separate
def _retreat(
    kernel: Any, gates: Any, apart: Any, vectors: Any, vector_grads: Any, states: Any, carry: Any, t: int
) -> None:
    """Apply the kernel's backward function to every unit of a time step."""
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

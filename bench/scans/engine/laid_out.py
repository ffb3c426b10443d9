"""Copies a layer's weights from a trial's row to where the scan reads them, and their gradients back into a row.

A row holds a layer's tensors in the cell's layout, the gates side by side. The scan reads padded panels, gate by gate.
The buffers are kept from one update to the next and overwritten by each; their padding is zero from the start and is
never written.
"""

from typing import Any, NamedTuple

import numpy as np

from longlag.scans.engine.compiler import compiled, separate
from longlag.scans.engine.rows import copy_row, fill_row
from longlag.scans.engine.weights import add_products, add_sums

Array = np.ndarray[Any, Any]

INPUT_WEIGHT, BIAS, RECURRENT_WEIGHT, APART_BIAS, VECTORS = range(5)
"""The places of tensors in a layer's list of offsets; from the last one on, there is one place for each vector."""


class Laid(NamedTuple):
    """A layer's weights as the scan and the projections read them; arrays that a layer does not need have length 0.

    Attributes:
        table: (G, tokens, padded units), the input weight plus the bias, for inputs that are tokens.
        inputs: (G, panels, I, panel width), the packed input weight, for inputs that are vectors.
        inputs_back: (G, panels, H, panel width), the input weight, transposed and packed, if gradients by the inputs
            are needed.
        bias: (G, N), the bias repeated for each sequence, for inputs that are vectors.
        recurrent: (R, panels, H, panel width), the packed recurrent weight.
        recurrent_back: (R, panels, H, panel width), the recurrent weight, transposed and packed.
        apart_bias: (A, N), the bias of the products that stand apart, repeated for each sequence.
        vectors: (V, 1, N), the weights that a unit has for itself, repeated for each sequence.
    """

    table: Array
    inputs: Array
    inputs_back: Array
    bias: Array
    recurrent: Array
    recurrent_back: Array
    apart_bias: Array
    vectors: Array


class WeightGrads(NamedTuple):
    """The gradients by a layer's weights, gate by gate.

    Attributes:
        input_weight: (G, I, padded units).
        bias: (G, padded units).
        recurrent: (R, H, padded units).
        apart_bias: (A, padded units).
        vectors: (V, 1, N), for each sequence.
        own: (V, padded units), the gradients by the vectors, summed over the sequences.
    """

    input_weight: Array
    bias: Array
    recurrent: Array
    apart_bias: Array
    vectors: Array
    own: Array


@compiled
def lay_out(row: Any, at: Any, units: int, laid: Any) -> None:
    """Copy a layer's weights to where the scan reads them.

    Args:
        row: (P,), a trial's parameters.
        at: The offset of each of the layer's tensors in the row.
        units: H.
        laid: A `Laid`, written.
    """
    table, inputs, inputs_back, bias, recurrent, recurrent_back, apart_bias, vectors = laid
    _add_bias(row[at[INPUT_WEIGHT] :], row[at[BIAS] :], units, table)
    _pack(row[at[INPUT_WEIGHT] :], units, inputs)
    _pack_transposed(row[at[INPUT_WEIGHT] :], units, inputs.shape[2], inputs_back)
    _pack(row[at[RECURRENT_WEIGHT] :], units, recurrent)
    _pack_transposed(row[at[RECURRENT_WEIGHT] :], units, units, recurrent_back)
    for gate in range(len(bias)):
        _repeat(row[at[BIAS] + gate * units :], units, table.shape[2], bias[gate])
    for product in range(len(apart_bias)):
        _repeat(row[at[APART_BIAS] + product * units :], units, table.shape[2], apart_bias[product])
    for vector in range(len(vectors)):
        _repeat(row[at[VECTORS + vector] :], units, table.shape[2], vectors[vector, 0])


@compiled
def write_gradients(chunk: Any, apart_state: int, ones: Any, grads: Any, row: Any, at: Any, units: int) -> None:
    """Compute the gradients by a layer's weights from a scan's, and copy them into a trial's row.

    Args:
        chunk: The arrays as `scan_backward` has written them.
        apart_state: The state that the products apart multiply.
        ones: (1,), a one.
        grads: A `WeightGrads`, written, but for ``input_weight`` and ``vectors``, which the caller has computed.
        row: (P,), a trial's gradient; the layer's tensors in it are written.
        at: The offset of each of the layer's tensors in the row.
        units: H.
    """
    pre, apart, states = chunk
    input_weight, bias, recurrent, apart_bias, vectors, own = grads
    together = len(recurrent) - len(apart)
    for sums in (bias, apart_bias, own):
        fill_row(0, sums.reshape(-1))
    fill_row(0, recurrent.reshape(-1))
    add_products(states[0, :-1], units, pre[:together], recurrent[:together])
    if len(apart) > 0:
        add_products(states[apart_state, :-1], units, apart, recurrent[together:])
        add_sums(apart, ones, apart_bias)
    add_sums(pre, ones, bias)
    add_sums(vectors, ones, own)
    _side_by_side(input_weight, units, row[at[INPUT_WEIGHT] :])
    _side_by_side(bias.reshape(len(bias), 1, -1), units, row[at[BIAS] :])
    _side_by_side(recurrent, units, row[at[RECURRENT_WEIGHT] :])
    for product in range(len(apart_bias)):
        copy_row(apart_bias[product], row[at[APART_BIAS] + product * units :][:units])
    for vector in range(len(own)):
        copy_row(own[vector], row[at[VECTORS + vector] :][:units])


@compiled
def gather(states: Any, places: Any, into: Any) -> None:
    """Copy the states (T·B, padded units) at some places, (N,), to (N, H)."""
    for n in range(len(places)):
        copy_row(states[places[n]], into[n])


@compiled
def scatter(grads: Any, places: Any, into: Any) -> None:
    """Copy gradients (N, H) to their places, (N,) different ones, in (T·B, padded units); write zeros elsewhere."""
    fill_row(0, into.reshape(-1))
    for n in range(len(places)):
        copy_row(grads[n], into[places[n], : grads.shape[1]])


@compiled
def leaves(whole: Any, size: int) -> bool:
    """Return whether any of some whole numbers is not between 0 and ``size`` - 1."""
    found = False
    for number in whole.flat:
        found = found or number < 0 or number >= size
    return found


@separate
def _pack(flat: Any, units: int, found: Any) -> None:
    """Copy a weight (depth, G·H) panel by panel, as `longlag.scans.engine.products.packed` does."""
    gates, panels, depth, width = found.shape
    for gate in range(gates):
        for panel in range(panels):
            first = panel * width
            for k in range(depth):
                start = (k * gates + gate) * units + first
                copy_row(flat[start : start + width], found[gate, panel, k, : min(width, units - first)])


@separate
def _pack_transposed(flat: Any, units: int, rows: int, found: Any) -> None:
    """Copy a weight panel by panel, each gate's block (rows, H) transposed."""
    gates, panels, _, width = found.shape
    for gate in range(gates):
        for panel in range(panels):
            for j in range(min(width, rows - panel * width)):
                start = ((panel * width + j) * gates + gate) * units
                for k in range(units):
                    found[gate, panel, k, j] = flat[start + k]


@separate
def _add_bias(flat: Any, bias: Any, units: int, table: Any) -> None:
    gates, tokens, _ = table.shape
    for gate in range(gates):
        for token in range(tokens):
            start = (token * gates + gate) * units
            for unit in range(units):
                table[gate, token, unit] = flat[start + unit] + bias[gate * units + unit]


@separate
def _repeat(flat: Any, units: int, width: int, into: Any) -> None:
    """Copy numbers of H units to (N,), once for each sequence."""
    for start in range(0, into.size, width):
        copy_row(flat, into[start : start + units])


@separate
def _side_by_side(found: Any, units: int, flat: Any) -> None:
    """Copy (G, depth, padded units) to (depth, G·H)."""
    gates, depth, _ = found.shape
    for gate in range(gates):
        for k in range(depth):
            start = (k * gates + gate) * units
            copy_row(found[gate, k], flat[start : start + units])

"""Computations outside the scan: input projections, and the gradients by weights and inputs.

Arrays are padded as in `scan`. Sums over time run in blocks that stay in cache, from the first step to the last.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from longlag.scans.engine.compiler import compiled
from longlag.scans.engine.products import times_packed, transposed_times
from longlag.scans.engine.rows import add_row, copy_row

Array = np.ndarray[Any, Any]

_BLOCK_ROWS = 256


@dataclass(frozen=True)
class Sums:
    """The gradients of a layer, which the backward pass adds up over chunks; rows are padded.

    Attributes:
        by_weight: (G, ..., padded units), the gradients by each weight but the kernel's vectors, by name.
        vectors: (V, 1, N), the gradients by the kernel's vectors, for each sequence.
        inputs: (T, B, padded inputs), the gradients by the inputs; None if nobody needs them.
        input_weight: The input weight, transposed and packed, for the gradients by the inputs; None without them.
    """

    by_weight: dict[str, Array]
    vectors: Array
    inputs: Array | None
    input_weight: Array | None


@compiled
def project_vectors(inputs: Any, weights: Any, bias: Any, gates: Any) -> None:
    """Write the input projection of vectors.

    Args:
        inputs: (T, B·I).
        weights: (G, panels, I, panel width), packed.
        bias: (G, N), the bias of each gate for every sequence.
        gates: (G, T, N), written.
    """
    for t in range(len(inputs)):
        for gate in range(len(gates)):
            copy_row(bias[gate], gates[gate, t])
            times_packed(inputs[t], weights[gate], gates[gate, t])


@compiled
def project_tokens(inputs: Any, table: Any, gates: Any) -> None:
    """Write the input projection of tokens: a row of a table for each token, in place of a one-hot product.

    Args:
        inputs: (T, B) int64.
        table: (G, tokens, padded units), weights plus bias.
        gates: (G, T, B, padded units), written.
    """
    for t in range(inputs.shape[0]):
        for gate in range(len(gates)):
            for b in range(inputs.shape[1]):
                copy_row(table[gate, inputs[t, b]], gates[gate, t, b])


@compiled
def add_products(left: Any, columns: int, right: Any, total: Any) -> None:
    """Add the gradients by a weight: products of two sequences of rows, summed over time.

    Args:
        left: (T, B·row), rows of which the first ``columns`` numbers are read.
        columns: The numbers read of each row of ``left``.
        right: (R, T, N), rows of padded units.
        total: (R, columns, padded units), added to.
    """
    steps, width = left.shape[0], total.shape[2]
    rows = right.shape[2] // width
    block = max(1, _BLOCK_ROWS // rows)
    for start in range(0, steps, block):
        end = min(start + block, steps)
        for part in range(len(right)):
            a, b = left[start:end].reshape(-1), right[part, start:end].reshape(-1)
            transposed_times(a, left.shape[1] // rows, columns, b, width, total[part].reshape(-1))


@compiled
def add_sums(right: Any, ones: Any, total: Any) -> None:
    """Add the gradients by a bias: rows, summed over time and batch.

    Args:
        right: (R, T, N), rows of padded units.
        ones: (1,), a one.
        total: (R, padded units), added to.
    """
    for part in range(len(right)):
        transposed_times(ones, 0, 1, right[part].reshape(-1), total.shape[1], total[part])


@compiled
def add_by_token(inputs: Any, right: Any, total: Any) -> None:
    """Add the gradients by a table of tokens: each row is added to the row of its token.

    Args:
        inputs: (T, B) int64, the tokens.
        right: (G, T, B, padded units), gradients by the pre-activations.
        total: (G, tokens, padded units), added to.
    """
    for t in range(inputs.shape[0]):
        for gate in range(len(right)):
            for b in range(inputs.shape[1]):
                add_row(right[gate, t, b], total[gate, inputs[t, b]])


@compiled
def add_input_grads(gates: Any, weights: Any, total: Any) -> None:
    """Add the gradients by vector inputs.

    Args:
        gates: (G, T, N), gradients by the pre-activations.
        weights: (G, panels, H, panel width), input weights, transposed and packed.
        total: (T, B·padded inputs), added to.
    """
    for t in range(len(total)):
        for gate in range(len(gates)):
            times_packed(gates[gate, t], weights[gate], total[t])

"""The matrix product of one time step: C += A B for matrices that stay in cache.

C is cut into tiles of up to 8 rows and `panel_width` columns, whose sums stay in vector registers during the loop over
k. Products are added to an entry in the order of k, whatever the number of rows and the tile, so that the bytes of an
entry depend on nothing else. Columns are padded to whole panels.

The right factor of a scan is the same at every time step: `packed` lays it out once, panel by panel.
"""

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from longlag.scans.engine.compiler import compiled, separate

_WIDE = bool(llvm.get_host_cpu_features().get("avx512f"))
_VECTOR_BYTES = 64 if _WIDE else 32
_VECTORS = 2
PANEL_BYTES = _VECTORS * _VECTOR_BYTES
"""Bytes of one row of a panel: two vector registers."""


def panel_width(dtype: np.dtype[Any]) -> int:
    """Return the number of columns of a panel."""
    return PANEL_BYTES // dtype.itemsize


@intrinsic(prefer_literal=True)
def _tile(_context: Any, rows: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_step: Any,
          c: Any, c_at: Any, c_row: Any, depth: Any) -> Any:  # fmt: skip
    """Compute C[i, j] += sum over k of A[i, k] B[k, j], for ``rows`` rows and the columns of one panel.

    A, B and C are flat arrays: A[i, k] lies at a_at + i a_row + k a_step, B[k, j] at b_at + k b_step + j, C[i, j]
    at c_at + i c_row + j.
    """
    count = rows.literal_value
    signature = types.void(rows, a, a_at, a_row, a_step, b, b_at, b_step, c, c_at, c_row, depth)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, a_at, a_row, a_step, _, b_at, b_step, _, c_at, c_row, depth = arguments
        a, b, c = (
            context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (1, 5, 8)
        )
        real = context.get_value_type(signature.args[1].dtype)
        itemsize = signature.args[1].dtype.bitwidth // 8
        lanes, index = _VECTOR_BYTES // itemsize, ir.IntType(64)
        vector = ir.VectorType(real, lanes)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)

        def place(base: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

        def load(base: Any, offset: Any) -> Any:
            return builder.load(place(base, offset), align=itemsize)

        def broadcast(offset: Any) -> Any:
            number = builder.load(builder.gep(a, [offset]))
            undefined = ir.Constant(vector, ir.Undefined)
            return builder.shuffle_vector(builder.insert_element(undefined, number, index(0)), undefined, everywhere)

        cells = [(i, v) for i in range(count) for v in range(_VECTORS)]
        targets = [builder.add(builder.add(c_at, builder.mul(c_row, index(i))), index(v * lanes)) for i, v in cells]
        before = builder.block
        loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
        first = [load(c, target) for target in targets]
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(index)
        sums = [builder.phi(vector) for _ in cells]
        at_b = builder.add(b_at, builder.mul(k, b_step))
        row_b = [load(b, builder.add(at_b, index(v * lanes))) for v in range(_VECTORS)]
        at_a = builder.add(a_at, builder.mul(k, a_step))
        column_a = [broadcast(builder.add(at_a, builder.mul(a_row, index(i)))) for i in range(count)]
        new = [
            builder.fadd(builder.fmul(column_a[i], row_b[v], flags=("contract",)), total, flags=("contract",))
            for (i, v), total in zip(cells, sums, strict=True)
        ]
        next_k = builder.add(k, index(1))
        k.add_incoming(index(0), before)
        k.add_incoming(next_k, loop)
        for phi, value, sum_ in zip(sums, first, new, strict=True):
            phi.add_incoming(value, before)
            phi.add_incoming(sum_, loop)
        builder.cbranch(builder.icmp_signed("<", next_k, depth), loop, end)

        builder.position_at_end(end)
        for target, sum_ in zip(targets, new, strict=True):
            builder.store(sum_, place(c, target), align=itemsize)
        return context.get_dummy_value()

    return signature, code


@separate
def _multiply(a: Any, a_row: int, a_step: int, b: Any, b_panel: int, b_step: int, c: Any, rows: int, panels: int,
              depth: int) -> None:  # fmt: skip
    """Compute C += A B for flat arrays: A[i, k] is a[i a_row + k a_step], and C has rows of whole panels."""
    width = PANEL_BYTES // c.itemsize
    c_row = panels * width
    for panel in range(panels):
        b_at, c_at = panel * b_panel, panel * width
        i = 0
        if _WIDE:
            while i + 8 <= rows:
                _tile(8, a, i * a_row, a_row, a_step, b, b_at, b_step, c, c_at + i * c_row, c_row, depth)
                i += 8
        while i + 4 <= rows:
            _tile(4, a, i * a_row, a_row, a_step, b, b_at, b_step, c, c_at + i * c_row, c_row, depth)
            i += 4
        while i < rows:
            _tile(1, a, i * a_row, a_row, a_step, b, b_at, b_step, c, c_at + i * c_row, c_row, depth)
            i += 1


@separate
def times_packed(a: Any, weight: Any, c: Any) -> None:
    """Compute C += A W, where each sequence has a row of A and one of C, padded to whole panels.

    Args:
        a: (N,), rows of ``depth`` numbers and padding; the padding is not read.
        weight: (panels, depth, panel width), the packed W.
        c: (N',), rows of all panels, added to.
    """
    panels, depth, width = weight.shape
    rows = c.size // (panels * width)
    _multiply(a, a.size // rows, 1, weight.reshape(-1), depth * width, width, c, rows, panels, depth)


@separate
def transposed_times(a: Any, a_row: int, columns: int, b: Any, b_row: int, c: Any) -> None:
    """Compute C += A^T B, summed over the rows that A and B have in common.

    Args:
        a: The flat A, of rows of ``a_row`` numbers, of which the first ``columns`` are read.
        a_row: Numbers from one row of A to the next.
        columns: The number of rows of C.
        b: The flat B, of rows of whole panels.
        b_row: Numbers in a row of B and of C.
        c: The flat C, (columns, b_row), added to.
    """
    width = PANEL_BYTES // c.itemsize
    _multiply(a, 1, a_row, b, width, b_row, c, columns, b_row // width, b.size // b_row)


@compiled
def packed(matrix: Any, gates: int, transpose: bool) -> Any:
    """Lay out a weight matrix (rows, G·H) gate by gate and panel by panel, padded with zeros.

    Args:
        matrix: The weights, H columns for each gate.
        gates: G.
        transpose: Whether to transpose each gate's block first.

    Returns:
        (G, panels, depth, panel width), where depth is the number of rows of the matrix, or H if transposed.
    """
    rows, size = matrix.shape[0], matrix.shape[1] // gates
    depth, columns = (size, rows) if transpose else (rows, size)
    width = PANEL_BYTES // matrix.itemsize
    panels = np.zeros((gates, -(-columns // width), depth, width), matrix.dtype)
    for gate in range(gates):
        for k in range(depth):
            for j in range(columns):
                entry = matrix[j, gate * size + k] if transpose else matrix[k, gate * size + j]
                panels[gate, j // width, k, j % width] = entry
    return panels

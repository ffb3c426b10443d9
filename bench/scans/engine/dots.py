"""The scalar product of two rows, summed in the same order by every processor and compiler.

Element i belongs to lane i modulo the number of lanes in 64 bytes. Each lane is summed in order; then the upper half of
the lanes is added to the lower half until one lane is left. The elements that fill no whole row of lanes follow, one by
one.
"""

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from longlag.scans.engine.compiler import inlined

_BYTES = 64


@intrinsic
def _dot_of_lanes(_context: Any, a: Any, b: Any, rows: Any) -> Any:
    """Return the scalar product of two contiguous arrays over ``rows`` rows of lanes, at least one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, index = context.get_value_type(signature.args[0].dtype), ir.IntType(64)
        itemsize = signature.args[0].dtype.bitwidth // 8
        lanes = _BYTES // itemsize
        vector = ir.VectorType(real, lanes)
        bases = [context.make_array(signature.args[place])(context, builder, arguments[place]).data for place in (0, 1)]
        before = builder.block
        loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
        builder.branch(loop)

        builder.position_at_end(loop)
        row, total = builder.phi(index), builder.phi(vector)
        places = [builder.gep(base, [builder.mul(row, index(lanes))]) for base in bases]
        x, y = (builder.load(builder.bitcast(place, vector.as_pointer()), align=itemsize) for place in places)
        new = builder.fadd(builder.fmul(x, y, flags=("contract",)), total, flags=("contract",))
        following = builder.add(row, index(1))
        row.add_incoming(index(0), before)
        row.add_incoming(following, loop)
        total.add_incoming(ir.Constant(vector, [0.0] * lanes), before)
        total.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, arguments[2]), loop, end)

        builder.position_at_end(end)
        while lanes > 1:
            lanes //= 2
            number = ir.VectorType(ir.IntType(32), lanes)
            lower, upper = (
                builder.shuffle_vector(new, new, ir.Constant(number, list(range(first, first + lanes))))
                for first in (0, lanes)
            )
            new = builder.fadd(lower, upper)
        return builder.extract_element(new, index(0))

    return a.dtype(a, b, rows), code


@inlined
def dot(a: Any, b: Any) -> Any:
    """Return the scalar product of two contiguous rows of one length and type."""
    lanes = _BYTES // a.itemsize
    whole = a.size // lanes
    total = _dot_of_lanes(a, b, whole) if whole > 0 else a.dtype.type(0)
    for place in range(whole * lanes, a.size):
        total += a[place] * b[place]
    return total

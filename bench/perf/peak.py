"""Measures a core's peak arithmetic: fused multiply-adds in independent chains that stay in registers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from longlag.scans.engine.compiler import compiled
from longlag.scans.engine.products import PANEL_BYTES

_CHAINS = 12
"""The number of chains: more than the latency of a multiply-add (4 cycles) times those started in a cycle (2), and
fewer than there are registers."""
_LANES = PANEL_BYTES // 2 // 4


@intrinsic
def _chained(_context: Any, rounds: Any, factor: Any) -> Any:
    """Return the sum of all chains x <- x factor + factor, each a vector of float32, after ``rounds`` steps."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, index = context.get_value_type(types.float32), ir.IntType(64)
        vector = ir.VectorType(real, _LANES)
        same = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[1], index(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), None)
        same = builder.shuffle_vector(same, same, everywhere)
        before, loop, end = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("end")
        builder.branch(loop)
        builder.position_at_end(loop)
        count, chains = builder.phi(index), [builder.phi(vector) for _ in range(_CHAINS)]
        new = [
            builder.fadd(builder.fmul(chain, same, flags=("contract",)), same, flags=("contract",)) for chain in chains
        ]
        following = builder.add(count, index(1))
        count.add_incoming(index(0), before)
        count.add_incoming(following, loop)
        for place, (chain, value) in enumerate(zip(chains, new, strict=True)):
            chain.add_incoming(ir.Constant(vector, [float(place)] * _LANES), before)
            chain.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, arguments[0]), loop, end)
        builder.position_at_end(end)
        total = new[0]
        for value in new[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, index(0))

    return types.float32(types.int64, types.float32), code


@compiled
def _run(rounds: Any, factor: Any) -> Any:
    return _chained(rounds, factor)


def arithmetic(operations: int) -> Callable[[], object]:
    """Return a call that does a number of float32 additions and multiplications as fast as one core can.

    Args:
        operations: Additions and multiplications together.
    """
    rounds, factor = max(1, operations // (2 * _CHAINS * _LANES)), np.float32(0.5)
    return lambda: _run(rounds, factor)

"""The time step of orthogonal networks with modReLU, and its derivative.

    h' = sign(a) max(|a| + b, 0)

A unit is active if h' is not 0; then the slope by a is 1, and h' has the sign of a. With dh' the loss's derivative by
the new state, the gradients of active units are

    da = dh'        db = dh' sign(h')

and those of all others 0. The orthogonal matrix is computed from its parameters once a sequence, outside the scan.
"""

from typing import Any

from longlag.cells.base import Cell, Weights
from longlag.scans.engine.base import Kernel


class Modrelu(Kernel):
    """One gate, state h; the bias b is a vector."""

    gates = 1
    vectors = 1
    vector_names = ("magnitude_bias",)
    kept = 0
    states = 1
    direct = False

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; NaN stays NaN."""
        (a,), (b,) = pre, vectors
        zero = type(a)(0)
        size = abs(a) + b
        size = zero if size <= zero else size
        return (size if a > zero else (-size if a < zero else a * size),), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,) = grads, after
        zero = type(dh)(0)
        alive = zero if h == zero else dh
        return (alive,), (), (zero,), (-alive if h < zero else alive,)

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Compute the orthogonal matrix; the input projection has no bias."""
        named = {name: weights[name] for name in ("input_weight", "magnitude_bias")}
        bias = weights["magnitude_bias"].new_zeros(weights["magnitude_bias"].shape)
        return {**named, "bias": bias, "recurrent_weight": cell.prepare(weights)["orthogonal"]}

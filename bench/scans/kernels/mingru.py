"""The minimal GRU's time step and its derivative.

    z = sigmoid(a_z)        h' = h + z (n - h), n the candidate's input projection

With dh' the loss's derivative by the new state:

    da_z = dh' (n - h) z(1 - z)        dn = dh' z        dh = dh' (1 - z)
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope


class Mingru(Kernel):
    """Gates in the order update, candidate; state h; there are no recurrent products."""

    gates = 2
    products = 0
    kept = 2
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; gate and candidate are kept."""
        a_z, n = pre
        (h,) = before
        z = sigmoid(a_z)
        return (h + z * (n - h),), (z, n)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,) = grads, before
        z, n = kept
        return (dh * (n - h) * sigmoid_slope(z), dh * z), (), (dh - dh * z,), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell."""
    return Mingru()

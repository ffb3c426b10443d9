"""The GRU's time step and its derivative; the candidate's recurrent product q = h U_n + b_n stands apart.

    r, z = sigmoid(a_r), sigmoid(a_z)      n = tanh(x_n + r q)      h' = n + z (h - n)

With dh' the loss's derivative by the new state:

    dn   = dh' (1 - z)             dz = dh' (h - n)        dh = dh' z (plus the recurrent products)
    dx_n = dn (1 - n²)             da_z = dz z(1 - z)
    dq   = dx_n r                  da_r = dx_n q r(1 - r)
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Gru(Kernel):
    """Gates in the order reset, update, candidate; state h."""

    gates = 3
    apart = 1
    apart_bias = "candidate_bias"
    kept = 3
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_r, a_z, x_n = pre
        (q,) = apart
        (h,) = before
        r, z = sigmoid(a_r), sigmoid(a_z)
        n = tanh(x_n + r * q)
        return (n + z * (h - n),), (r, z, n)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,) = grads
        r, z, n = kept
        (q,) = apart
        (h,) = before
        dx_n = (dh - dh * z) * tanh_slope(n)
        da_z = dh * (h - n) * sigmoid_slope(z)
        return (dx_n * q * sigmoid_slope(r), da_z, dx_n), (dx_n * r,), (dh * z,), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; the cell's options change only its initial weights."""
    return Gru()

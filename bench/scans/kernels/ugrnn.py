"""The update gate network's time step and its derivative.

    g = sigmoid(a_g)    n = tanh(a_n)    h' = n + g (h - n)

With dh' the loss's derivative by the new state:

    da_g = dh' (h - n) g(1 - g)    da_n = dh' (1 - g)(1 - n²)    dh = dh' g (plus the recurrent products)
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Ugrnn(Kernel):
    """Gates in the order update, candidate; state h."""

    gates = 2
    kept = 2
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_g, a_n = pre
        (h,) = before
        g, n = sigmoid(a_g), tanh(a_n)
        return (n + g * (h - n),), (g, n)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,) = grads
        g, n = kept
        (h,) = before
        return (dh * (h - n) * sigmoid_slope(g), (dh - dh * g) * tanh_slope(n)), (), (dh * g,), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; the cell's options change only its initial weights."""
    return Ugrnn()

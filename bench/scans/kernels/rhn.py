"""The time step, and its derivative, of a recurrent highway network with one layer in a step.

    n = tanh(a_n)    g = sigmoid(a_g)    s' = s + g (n - s)

With ds' the loss's derivative by the new state:

    da_n = ds' g (1 - n²)    da_g = ds' (n - s) g(1 - g)    ds = ds' (1 - g) (plus the recurrent products)
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Rhn(Kernel):
    """Gates in the order candidate, transform; state s."""

    gates = 2
    kept = 2
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; candidate and gate are kept."""
        a_n, a_g = pre
        (s,) = before
        n, g = tanh(a_n), sigmoid(a_g)
        return (s + g * (n - s),), (n, g)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (ds,) = grads
        n, g = kept
        (s,) = before
        return (ds * g * tanh_slope(n), ds * (n - s) * sigmoid_slope(g)), (), (ds - ds * g,), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of the cell with one layer in a step."""
    return Rhn()

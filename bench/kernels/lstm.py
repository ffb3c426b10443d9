"""The LSTM's time step and its derivative.

    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)    g = tanh(a_g)
    c' = f c + i g        h' = o tanh(c')

With dh', dc' the loss's derivatives by the new states, dc' not yet counting the way through h':

    da_o = dh' tanh(c') o(1 - o)
    d    = dc' + dh' o (1 - tanh(c')²)      all that reaches c'
    da_i = d g i(1 - i)     da_f = d c f(1 - f)     da_g = d i (1 - g²)     dc = d f
"""

from typing import Any

from bench.cells.base import Cell
from bench.kernels.base import Kernel
from bench.kernels.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Lstm(Kernel):
    """Gates in the order input, forget, candidate, output; states h, c."""

    gates = 4
    kept = 4
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_i, a_f, a_g, a_o = pre
        _, c = before
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
        c = f * c + i * g
        return (o * tanh(c), c), (i, f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        i, f, g, o = kept
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        d = dc + dh * o * tanh_slope(squashed)
        da_i, da_f, da_g = d * g * sigmoid_slope(i), d * c * sigmoid_slope(f), d * i * tanh_slope(g)
        return (da_i, da_f, da_g, dh * squashed * sigmoid_slope(o)), (), (type(dh)(0), d * f)


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; its options only concern initial weights."""
    return Lstm()

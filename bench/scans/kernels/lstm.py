"""The LSTM's time step and its derivative, for each variant of its gates.

    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)    g = tanh(a_g)
    c' = f c + i g        h' = o tanh(c')

With dh', dc' the loss's derivatives by the new states, where dc' leaves out the path through h':

    da_o = dh' tanh(c') o(1 - o)
    d    = dc' + dh' o (1 - tanh(c')²)      the whole derivative by c'
    da_i = d g i(1 - i)     da_f = d c f(1 - f)     da_g = d i (1 - g²)     dc = d f

With a coupled input gate, i = 1 - f, the derivative by i goes to f: da_f = d (c - g) f(1 - f). The LSTM of 1997 has
f = 1, so that dc = d.
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope
from longlag.scans.engine.peepholes import CoupledPeepholes, OriginalPeepholes, Peepholes


class Lstm(Kernel):
    """Gates in the order input, forget, candidate, output; states h, c."""

    gates = 4
    kept = 4
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_i, a_f, a_g, a_o = pre
        _, c = before
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
        c = f * c + i * g
        return (o * tanh(c), c), (i, f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        i, f, g, o = kept
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        d = dc + dh * o * tanh_slope(squashed)
        da_i, da_f, da_g = d * g * sigmoid_slope(i), d * c * sigmoid_slope(f), d * i * tanh_slope(g)
        return (da_i, da_f, da_g, dh * squashed * sigmoid_slope(o)), (), (type(dh)(0), d * f), ()


class Coupled(Kernel):
    """Gates in the order forget, candidate, output; states h, c."""

    gates = 3
    kept = 3
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_f, a_g, a_o = pre
        _, c = before
        f, g, o = sigmoid(a_f), tanh(a_g), sigmoid(a_o)
        c = f * c + (type(f)(1) - f) * g
        return (o * tanh(c), c), (f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        f, g, o = kept
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        d = dc + dh * o * tanh_slope(squashed)
        da_f, da_g = d * (c - g) * sigmoid_slope(f), (d - d * f) * tanh_slope(g)
        return (da_f, da_g, dh * squashed * sigmoid_slope(o)), (), (type(dh)(0), d * f), ()


class Original(Kernel):
    """Gates in the order input, candidate, output; states h, c."""

    gates = 3
    kept = 3
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_i, a_g, a_o = pre
        _, c = before
        i, g, o = sigmoid(a_i), tanh(a_g), sigmoid(a_o)
        c = c + i * g
        return (o * tanh(c), c), (i, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        i, g, o = kept
        _, c_after = after
        squashed = tanh(c_after)
        d = dc + dh * o * tanh_slope(squashed)
        return (
            (d * g * sigmoid_slope(i), d * i * tanh_slope(g), dh * squashed * sigmoid_slope(o)),
            (),
            (type(dh)(0), d),
            (),
        )


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell, by its gates and peepholes; other options change only its initial weights."""
    peepholes: bool = cell.peepholes  # type: ignore[attr-defined]
    if not cell.forget_gate:  # type: ignore[attr-defined]
        return OriginalPeepholes() if peepholes else Original()
    if cell.coupled:  # type: ignore[attr-defined]
        return CoupledPeepholes() if peepholes else Coupled()
    return Peepholes() if peepholes else Lstm()

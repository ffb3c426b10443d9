"""The time step of the LSTM with peepholes, and its derivative, for each variant of its gates.

    i, f = sigmoid(a_i + p_i c), sigmoid(a_f + p_f c)      g = tanh(a_g)
    c' = f c + i g        o = sigmoid(a_o + p_o c')        h' = o tanh(c')

The derivative is that of the LSTM (`longlag.scans.kernels.lstm`) plus the gates' paths to the cell state:

    da_o = dh' tanh(c') o(1 - o)                        dp_o = da_o c'
    d    = dc' + dh' o (1 - tanh(c')²) + da_o p_o       the whole derivative by c'
    da_i = d g i(1 - i)    da_f = d c f(1 - f)    da_g = d i (1 - g²)
    dp_i = da_i c          dp_f = da_f c          dc = d f + da_i p_i + da_f p_f

With a coupled input gate, i = 1 - f and da_f = d (c - g) f(1 - f). The LSTM of 1997 has f = 1.
"""

from typing import Any

from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Peepholes(Kernel):
    """Gates in the order input, forget, candidate, output; states h, c."""

    gates = 4
    vectors = 3
    vector_names = ("peephole_weight",)
    kept = 4
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_i, a_f, a_g, a_o = pre
        p_i, p_f, p_o = vectors
        _, c = before
        i, f, g = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c), tanh(a_g)
        c = f * c + i * g
        o = sigmoid(a_o + p_o * c)
        return (o * tanh(c), c), (i, f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        i, f, g, o = kept
        p_i, p_f, p_o = vectors
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        da_o = dh * squashed * sigmoid_slope(o)
        d = dc + dh * o * tanh_slope(squashed) + da_o * p_o
        da_i, da_f, da_g = d * g * sigmoid_slope(i), d * c * sigmoid_slope(f), d * i * tanh_slope(g)
        earlier = d * f + da_i * p_i + da_f * p_f
        return (da_i, da_f, da_g, da_o), (), (type(dh)(0), earlier), (da_i * c, da_f * c, da_o * c_after)


class CoupledPeepholes(Kernel):
    """Gates in the order forget, candidate, output; states h, c."""

    gates = 3
    vectors = 2
    vector_names = ("peephole_weight",)
    kept = 3
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_f, a_g, a_o = pre
        p_f, p_o = vectors
        _, c = before
        f, g = sigmoid(a_f + p_f * c), tanh(a_g)
        c = f * c + (type(f)(1) - f) * g
        o = sigmoid(a_o + p_o * c)
        return (o * tanh(c), c), (f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        f, g, o = kept
        p_f, p_o = vectors
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        da_o = dh * squashed * sigmoid_slope(o)
        d = dc + dh * o * tanh_slope(squashed) + da_o * p_o
        da_f, da_g = d * (c - g) * sigmoid_slope(f), (d - d * f) * tanh_slope(g)
        return (da_f, da_g, da_o), (), (type(dh)(0), d * f + da_f * p_f), (da_f * c, da_o * c_after)


class OriginalPeepholes(Kernel):
    """Gates in the order input, candidate, output; states h, c."""

    gates = 3
    vectors = 2
    vector_names = ("peephole_weight",)
    kept = 3
    states = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the gates are kept."""
        a_i, a_g, a_o = pre
        p_i, p_o = vectors
        _, c = before
        i, g = sigmoid(a_i + p_i * c), tanh(a_g)
        c = c + i * g
        o = sigmoid(a_o + p_o * c)
        return (o * tanh(c), c), (i, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc = grads
        i, g, o = kept
        p_i, p_o = vectors
        _, c = before
        _, c_after = after
        squashed = tanh(c_after)
        da_o = dh * squashed * sigmoid_slope(o)
        d = dc + dh * o * tanh_slope(squashed) + da_o * p_o
        da_i, da_g = d * g * sigmoid_slope(i), d * i * tanh_slope(g)
        return (da_i, da_g, da_o), (), (type(dh)(0), d + da_i * p_i), (da_i * c, da_o * c_after)

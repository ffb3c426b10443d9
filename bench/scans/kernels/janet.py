"""JANET's time step and its derivative.

For beta = 1, the default:

    f = sigmoid(a_s)    k = 1 - sigmoid(a_s - 1) = sigmoid(1 - a_s)    g = tanh(a_n)    h' = f h + k g

With dh' the loss's derivative by the new state:

    da_s = dh' (h f(1 - f) - g k(1 - k))    da_n = dh' k (1 - g²)    dh = dh' f (plus the recurrent products)

The scan keeps one number for each gate, so the backward function computes k from f: with exp(-a_s) = (1 - f) / f and
e = exp(1),

    k = 1 / (1 + exp(a_s) / e) = e (1 - f) / (e (1 - f) + f)

whose denominator is never below 1. For any other beta, given as a vector over units, a_s itself is kept, and f and
k = sigmoid(beta - a_s) are computed again; the equations are the same.
"""

from math import exp
from typing import Any

from longlag.cells.base import Cell, Weights
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope

BETA = 1.0
_E = exp(BETA)


class Janet(Kernel):
    """Gates in the order forget, candidate; state h."""

    gates = 2
    kept = 2
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; forget gate and candidate are kept."""
        a_s, a_n = pre
        (h,) = before
        f, k, g = sigmoid(a_s), sigmoid(type(a_s)(BETA) - a_s), tanh(a_n)
        return (f * h + k * g,), (f, g)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,) = grads
        f, g = kept
        (h,) = before
        rest = type(f)(_E) * (type(f)(1) - f)
        k = rest / (rest + f)
        return (dh * (h * sigmoid_slope(f) - g * sigmoid_slope(k)), dh * k * tanh_slope(g)), (), (dh * f,), ()


class AnyBeta(Kernel):
    """Gates in the order forget, candidate; state h."""

    gates = 2
    vectors = 1
    vector_names = ("beta",)
    kept = 2
    states = 1
    direct = False

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the forget gate's pre-activation and the candidate are kept."""
        a_s, a_n = pre
        (h,), (beta,) = before, vectors
        f, k, g = sigmoid(a_s), sigmoid(beta - a_s), tanh(a_n)
        return (f * h + k * g,), (a_s, g)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,), (beta,) = grads, before, vectors
        a_s, g = kept
        f, k = sigmoid(a_s), sigmoid(beta - a_s)
        da_s = dh * (h * sigmoid_slope(f) - g * sigmoid_slope(k))
        return (da_s, dh * k * tanh_slope(g)), (), (dh * f,), (type(dh)(0),)

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Add beta, an option of the cell, as a vector."""
        recurrent = weights["recurrent_weight"]
        return {**weights, "beta": recurrent.new_full((len(recurrent),), cell.beta)}  # type: ignore[attr-defined]


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell, by its beta; the cell's other options change only its initial weights."""
    return Janet() if cell.beta == BETA else AnyBeta()  # type: ignore[attr-defined]

"""The independently recurrent network's time step and its derivative, for each nonlinearity f.

    h' = f(a)        a = x + u h, x the input projection

With dh' the loss's derivative by the new state, and f'(a) from h':

    dx = dh' f'(a)        du = dx h        dh = dx u
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import tanh, tanh_slope


class _Independent(Kernel):
    """One gate, one state; each unit has one recurrent weight, for its own past."""

    gates = 1
    products = 0
    vectors = 1
    vector_names = ("recurrent_weight",)
    kept = 0
    states = 1


class Tanh(_Independent):
    """f(a) = tanh a."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        (x,), (h,), (u,) = pre, before, vectors
        return (tanh(x + u * h),), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,), (u,) = grads, before, vectors
        dx = dh * tanh_slope(after[0])
        return (dx,), (), (dx * u,), (dx * h,)


class Relu(_Independent):
    """f(a) = a where a > 0, else 0; the slope at 0 is 0. NaN stays NaN."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        (x,), (h,), (u,) = pre, before, vectors
        a = x + u * h
        zero = type(a)(0)
        return (zero if a <= zero else a,), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,), (u,) = grads, before, vectors
        zero = type(dh)(0)
        dx = zero if after[0] <= zero else dh
        return (dx,), (), (dx * u,), (dx * h,)


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell, by its nonlinearity."""
    return Tanh() if cell.nonlinearity == "tanh" else Relu()  # type: ignore[attr-defined]

"""The plain recurrent network's time step and its derivative, for each nonlinearity f.

h' = f(a)        da = dh' f'(a), where f'(a) follows from h'
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class _Plain(Kernel):
    """One gate, one state; nothing is kept, and h' reaches later states only through the recurrent product."""

    gates = 1
    kept = 0
    states = 1


class Tanh(_Plain):
    """f(a) = tanh a."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        return (tanh(pre[0]),), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        zero = type(after[0])(0)
        return (grads[0] * tanh_slope(after[0]),), (), (zero,), ()


class Sigmoid(_Plain):
    """f(a) = 1 / (1 + exp(-a))."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        return (sigmoid(pre[0]),), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        zero = type(after[0])(0)
        return (grads[0] * sigmoid_slope(after[0]),), (), (zero,), ()


class Relu(_Plain):
    """f(a) = a where a > 0, else 0; the slope at 0 is 0. NaN stays NaN."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        zero = type(pre[0])(0)
        return (zero if pre[0] <= zero else pre[0],), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        zero = type(after[0])(0)
        return (zero if after[0] <= zero else grads[0],), (), (zero,), ()


class Linear(_Plain):
    """f(a) = a."""

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step."""
        return (pre[0],), ()

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        zero = type(after[0])(0)
        return (grads[0],), (), (zero,), ()


_KERNELS: dict[str, type[Kernel]] = {"tanh": Tanh, "sigmoid": Sigmoid, "relu": Relu, "linear": Linear}


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell, by its nonlinearity."""
    return _KERNELS[cell.nonlinearity]()  # type: ignore[attr-defined]

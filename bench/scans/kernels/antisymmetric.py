"""The antisymmetric network's time step and its derivative, plain and gated; e is the step size.

    n = tanh(a)                                     h' = h + e n
    n = tanh(x_n + q)    z = sigmoid(x_z + q)       h' = h + e n z

In the gated form the recurrent product q = h M stands apart, as candidate and gate share it. With dh' the loss's
derivative by the new state:

    da = dh' e (1 - n²)                                                             dh = dh'
    dx_n = dh' e z (1 - n²)    dx_z = dh' e n z(1 - z)    dq = dx_n + dx_z          dh = dh'

plus the recurrent products. M is computed from its parameters once a sequence, outside the scan.
"""

from typing import Any

from longlag.cells.base import Cell, Weights
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import sigmoid, sigmoid_slope, tanh, tanh_slope


class Antisymmetric(Kernel):
    """One gate, state h; the step size is a vector."""

    gates = 1
    vectors = 1
    vector_names = ("epsilon",)
    kept = 1
    states = 1
    direct = False

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the candidate is kept."""
        (a,), (h,), (e,) = pre, before, vectors
        n = tanh(a)
        return (h + e * n,), (n,)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (n,), (e,) = grads, kept, vectors
        return (dh * e * tanh_slope(n),), (), (dh,), (type(dh)(0),)

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Compute the matrix M, and add the step size, an option of the cell."""
        matrix = cell.prepare(weights)["matrix"]
        step = matrix.new_full((len(matrix),), cell.epsilon)  # type: ignore[attr-defined]
        named = {name: weights[name] for name in ("input_weight", "bias")}
        return {**named, "recurrent_weight": matrix, "epsilon": step}


class Gated(Antisymmetric):
    """Gates in the order candidate, gate; state h."""

    gates = 2
    products = 1
    apart = 1
    kept = 2

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; candidate and gate are kept."""
        x_n, x_z = pre
        (q,), (h,), (e,) = apart, before, vectors
        n, z = tanh(x_n + q), sigmoid(x_z + q)
        return (h + e * n * z,), (n, z)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (e,) = grads, vectors
        n, z = kept
        d = dh * e
        dx_n, dx_z = d * z * tanh_slope(n), d * n * sigmoid_slope(z)
        return (dx_n, dx_z), (dx_n + dx_z,), (dh,), (type(dh)(0),)


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell."""
    return Gated() if cell.gated else Antisymmetric()  # type: ignore[attr-defined]

"""The minimal LSTM's time step and its derivative.

    s = i / (f + i) with f = sigmoid(a_f), i = sigmoid(a_i)        h' = h + s (n - h), n the candidate's projection

computed as s = sigmoid(log i - log f), which holds even if both gates underflow. With dh' the loss's derivative by the
new state and ds = dh' (n - h):

    da_i = ds s(1 - s) (1 - i)    da_f = -ds s(1 - s) (1 - f)    dn = dh' s    dh = dh' (1 - s)

since d log sigmoid(a) / da = 1 - sigmoid(a) = sigmoid(-a). The pre-activations are kept, and s is computed again.
"""

from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import log_sigmoid, sigmoid, sigmoid_slope


class Minlstm(Kernel):
    """Gates in the order forget, input, candidate; state h; there are no recurrent products."""

    gates = 3
    products = 0
    kept = 3
    states = 1

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the pre-activations are kept."""
        a_f, a_i, n = pre
        (h,) = before
        share = sigmoid(log_sigmoid(a_i) - log_sigmoid(a_f))
        return (h + share * (n - h),), (a_f, a_i, n)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        (dh,), (h,) = grads, before
        a_f, a_i, n = kept
        share = sigmoid(log_sigmoid(a_i) - log_sigmoid(a_f))
        d = dh * (n - h) * sigmoid_slope(share)
        return (-(d * sigmoid(-a_f)), d * sigmoid(-a_i), dh * share), (), (dh - dh * share,), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; the cell's options change only its initial weights."""
    return Minlstm()

"""The linear recurrent unit's time step and its derivative; its matrices read the states after the scan.

    r' = a r - b i + s x_r        i' = a i + b r + s x_i

a + b i is a unit's complex factor, s its scale. With dr', di' the loss's derivatives by the new states:

    dx_r = dr' s              dx_i = di' s              ds = dr' x_r + di' x_i
    dr   = dr' a + di' b      di   = di' a - dr' b
    da   = dr' r + di' i      db   = di' r - dr' i
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from longlag.cells.base import Cell, Weights
from longlag.scans.engine.base import Kernel


class Lru(Kernel):
    """Gates and states in the order real, imaginary; there are no recurrent products."""

    gates = 2
    products = 0
    vectors = 3
    vector_names = ("real", "imaginary", "scale")
    kept = 2
    states = 2
    outputs = 2
    direct = False

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the inputs are kept."""
        x_r, x_i = pre
        r, i = before
        a, b, s = vectors
        return (a * r - b * i + s * x_r, a * i + b * r + s * x_i), (x_r, x_i)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dr, di = grads
        x_r, x_i = kept
        r, i = before
        a, b, s = vectors
        by_factor = (dr * r + di * i, di * r - dr * i, dr * x_r + di * x_i)
        return (dr * s, di * s), (), (dr * a + di * b, di * a - dr * b), by_factor

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Compute the factors; the direct path from inputs to outputs stays outside the scan, and there is no bias."""
        made = cell.prepare(weights)
        columns = self.gates * weights["nu"].shape[-1]
        projection = weights["input_weight"][:, :columns]
        factors = {name: made[name] for name in self.vector_names}
        return {"input_weight": projection, "bias": projection.new_zeros(columns), **factors}

    def read(self, cell: Cell, projected: Callable[[], Tensor], states: Tensor, weights: Weights) -> Tensor:
        """Compute the outputs from the states of all time steps together."""
        return cell.output(projected(), states.unbind(), cell.prepare(weights))


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; the cell's options change only its initial weights."""
    return Lru()

"""The coupled oscillatory network's time step and its derivative; the velocity's product q = z V stands apart.

    n = tanh(a + q)        z' = z + dt (n - gamma y - epsilon z)        y' = y + dt z'

With dy', dz' the loss's derivatives by the new states, where dz' leaves out the path through y':

    d = (dz' + dy' dt) dt                       the whole derivative by the bracket
    da = dq = d (1 - n²)
    dy = dy' - d gamma        dz = d / dt - d epsilon        (plus the recurrent products)
"""

from typing import Any

import torch

from longlag.cells.base import Cell, Weights
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.functions import tanh, tanh_slope


class Cornn(Kernel):
    """One gate; states y, z, each with its own recurrent product; the constants of the equations are vectors."""

    gates = 1
    products = 2
    apart = 1
    apart_state = 1
    vectors = 3
    vector_names = ("dt", "gamma", "epsilon")
    kept = 1
    states = 2
    direct = False

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the force is kept."""
        (a,), (q,), (y, z) = pre, apart, before
        dt, gamma, epsilon = vectors
        n = tanh(a + q)
        z = z + dt * (n - gamma * y - epsilon * z)
        return (y + dt * z, z), (n,)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dy, dz = grads
        (n,) = kept
        dt, gamma, epsilon = vectors
        zero = type(dy)(0)
        dz = dz + dy * dt
        d = dz * dt
        da = d * tanh_slope(n)
        return (da,), (da,), (dy - d * gamma, dz - d * epsilon), (zero, zero, zero)

    def weights(self, cell: Cell, weights: Weights) -> Weights:
        """Put both recurrent matrices side by side, and add the constants, which are options of the cell."""
        bias = weights["bias"]
        return {
            "input_weight": weights["input_weight"],
            "bias": bias,
            "recurrent_weight": torch.cat([weights["recurrent_weight"], weights["velocity_weight"]], -1),
            **{name: torch.full_like(bias, getattr(cell, name)) for name in self.vector_names},
        }


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell."""
    return Cornn()

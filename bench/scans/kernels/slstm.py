"""The sLSTM's time step and its derivative.

    f = log sigmoid(a_f) + m, -inf where n = 0        m' = max(f, a_i)        log forget gate, stabiliser
    p = exp(f - m')    q = exp(a_i - m')    g = tanh(a_g)    o = sigmoid(a_o)
    c' = p c + q g     n' = p n + q         h' = o c' / n'

With dh', dc', dn', dm' the loss's derivatives by the new states, where dc' and dn' leave out the path through h', and
dm' the paths through p and q:

    da_o = dh' (c' / n') o(1 - o)
    dC = dc' + dh' o / n'      dN = dn' - dh' h' / n'              the whole derivatives by c' and n'
    da_g = dC q (1 - g²)       dc = dC p         dn = dN p
    dp p = (dC c + dN n) p     dq q = (dC g + dN) q                derivatives by the exponents of p and q
    dM = dm' - dp p - dq q                                         the whole derivative by m'
    df = dp p + w dM           da_i = dq q + (1 - w) dM            w = 1 where f > a_i, 0 where f < a_i, else a half
    da_f = df sigmoid(-a_f)    dm = df
"""

from math import inf
from typing import Any

from longlag.cells.base import Cell
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.compiler import rounded
from longlag.scans.engine.functions import exp, log_sigmoid, sigmoid, sigmoid_slope, tanh, tanh_slope


@rounded
def _kept(a_f: Any, n: Any, m: Any) -> Any:
    return log_sigmoid(a_f) + m if n != type(n)(0) else type(n)(-inf)


class Slstm(Kernel):
    """Gates in the order input, forget, candidate, output; states h, c, n, m."""

    gates = 4
    kept = 4
    states = 4

    @staticmethod
    def forward(pre: Any, apart: Any, before: Any, vectors: Any) -> Any:
        """Advance one time step; the pre-activations of the exponential gates are kept."""
        a_i, a_f, a_g, a_o = pre
        _, c, n, m = before
        f = _kept(a_f, n, m)
        m = f if f > a_i else a_i
        p, q, g, o = exp(f - m), exp(a_i - m), tanh(a_g), sigmoid(a_o)
        c, n = p * c + q * g, p * n + q
        return (o * c / n, c, n, m), (a_i, a_f, g, o)

    @staticmethod
    def backward(grads: Any, kept: Any, apart: Any, before: Any, after: Any, vectors: Any) -> Any:
        """Go back one time step."""
        dh, dc, dn, dm = grads
        a_i, a_f, g, o = kept
        _, c, n, m = before
        h_after, c_after, n_after, m_after = after
        zero, half, one = type(dh)(0), type(dh)(0.5), type(dh)(1)
        f = _kept(a_f, n, m)
        p, q = exp(f - m_after), exp(a_i - m_after)
        w = one if f > a_i else (zero if f < a_i else half)
        da_o = dh * (c_after / n_after) * sigmoid_slope(o)
        dc, dn = dc + dh * o / n_after, dn - dh * h_after / n_after
        by_p, by_q = (dc * c + dn * n) * p, (dc * g + dn) * q
        rest = dm - by_p - by_q
        df, di = by_p + w * rest, by_q + (one - w) * rest
        return (di, df * sigmoid(-a_f), dc * q * tanh_slope(g), da_o), (), (zero, dc * p, dn * p, df), ()


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; the cell's options change only its initial weights."""
    return Slstm()

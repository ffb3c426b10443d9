"""A diagonal linear recurrence steered by its inputs, with its readout.

    a = exp(d c)        s' = a s + x w        y = sum over n of r s'

for N numbers s of each of H units. d and x belong to a unit, w and r to a number, at every step and sequence; c is
negative and stays. With dy the loss's derivative by y, and ds' all that reaches s', r dy and what comes from later:

    dr = sum_h dy s'    dw = sum_h ds' x    dx = sum_n ds' w    ds = ds' a
    q  = ds' s a        dd = sum_n q c      dc = sum over steps and sequences of q d

Since units share w and r, and numbers share d and x, no pass over single units (`longlag.scans.engine.scan`) can do it.
Sequences stand last in every array: a sum over units or numbers adds row to row, in the order of the loops.
"""

from typing import Any

import numpy as np

from longlag.scans.engine.compiler import compiled, rounded, separate
from longlag.scans.engine.functions import vanishing_exp
from longlag.scans.engine.loops import Loops
from longlag.scans.engine.rows import copy_row, fill_row
from longlag.scans.engine.scan import bound


@rounded
def _forward(d: Any, x: Any, w: Any, c: Any, s: Any) -> Any:
    return vanishing_exp(d * c) * s + x * w


@separate
def _advance(d: Any, x: Any, w: Any, r: Any, c: Any, before: Any, after: Any, outputs: Any) -> None:
    """Apply one time step; arrays as of `scan_forward`, without the time."""
    numbers, units, batch = before.shape
    fill_row(0, outputs.reshape(-1))
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                s = _forward(d[h, b], x[h, b], w[n, b], c[n, h], before[n, h, b])
                after[n, h, b] = s
                outputs[h, b] += r[n, b] * s


@compiled
def scan_forward(given: Any, states: Any, outputs: Any) -> None:
    """Run forward in time.

    Args:
        given: d, x (T, H, B); w, r (T, N, B); c (N, H).
        states: (T + 1, N, H, B), or fewer rows, as of `Loops`.
        outputs: (T, H, B), written.
    """
    d, x, w, r, c = given
    rows = len(states)
    for t in range(len(d)):
        _advance(d[t], x[t], w[t], r[t], c, states[t % rows], states[(t + 1) % rows], outputs[t])


@separate
def _arrive(carry: Any, r: Any, by_output: Any) -> None:
    """Add what reaches the states through the output of a time step."""
    numbers, units, batch = carry.shape
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                carry[n, h, b] += r[n, b] * by_output[h, b]


@separate
def _retreat(d: Any, x: Any, w: Any, c: Any, before: Any, after: Any, by_output: Any, carry: Any,
             by_d: Any, by_x: Any, by_w: Any, by_r: Any, by_c: Any) -> None:  # fmt: skip
    """Go back one time step; in several loops, which are vectorised only with few arrays each."""
    numbers, units, batch = before.shape
    for found in (by_d, by_x, by_w, by_r):
        fill_row(0, found.reshape(-1))
    q = np.empty_like(by_d[0])
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                by_w[n, b] += carry[n, h, b] * x[h, b]
                by_x[h, b] += carry[n, h, b] * w[n, b]
            for b in range(batch):
                by_r[n, b] += by_output[h, b] * after[n, h, b]
            for b in range(batch):
                a = vanishing_exp(d[h, b] * c[n, h])
                q[b] = carry[n, h, b] * before[n, h, b] * a
                carry[n, h, b] *= a
            for b in range(batch):
                by_d[h, b] += q[b] * c[n, h]
                by_c[n, h, b] += q[b] * d[h, b]


@compiled
def scan_backward(given: Any, states: Any, by_output: Any, carry: Any, found: Any, signals: Any, limit: Any,
                  truncate: int, start: int) -> None:  # fmt: skip
    """Run backward in time; arguments as of `Loops`, `longlag.values.backward` has the rules of the signal."""
    d, x, w, r, c = given
    by_d, by_x, by_w, by_r, by_c = found
    for t in range(len(d) - 1, -1, -1):
        _arrive(carry, r[t], by_output[t])
        if limit < np.inf:
            bound(carry.reshape(-1), limit)
        if len(signals) > 0:
            copy_row(carry.reshape(-1), signals[t].reshape(-1))
        _retreat(d[t], x[t], w[t], c, states[t], states[t + 1], by_output[t], carry,
                 by_d[t], by_x[t], by_w[t], by_r[t], by_c)  # fmt: skip
        if truncate > 0 and start + t > 0 and (start + t) % truncate == 0:
            fill_row(0, carry.reshape(-1))


DIAGONAL = Loops(scan_forward, scan_backward, batch_axis=-1, steady=1)
"""Is given d, x, w, r and c, as `scan_forward`; its states are (N, H, B)."""

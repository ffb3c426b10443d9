"""The gated delta rule, with its readout.

    u  = S^T k                              (H)      what is held under the key
    S' = a (S - w u^T) + w v^T              (K, H)   forget, erase what is held, write v
    y  = S'^T q                             (H)      what is held under the query

for keys k, writing w = beta k and queries q of K numbers each, values v of H, and the memory S that a sequence has.
With dy the loss's derivative by y, and dS' all that reaches S', q dy^T and what comes from later:

    dq = S' dy        dv = dS'^T w
    da = sum of dS' (S - w u^T)      dw = dS' (v - a u)       dk = S du     where du = -a dv
    dS = a dS' + k du^T = a (dS' - k dv^T)

Units stand last in every array, and one sequence is run after the other, so that its memory stays in the cache.
"""

from typing import Any

import numpy as np

from longlag.scans.engine.compiler import compiled, rounded, separate
from longlag.scans.engine.dots import dot
from longlag.scans.engine.loops import Loops
from longlag.scans.engine.rows import copy_row, fill_row
from longlag.scans.engine.scan import bound


@rounded
def _written(a: Any, w: Any, v: Any, u: Any, s: Any) -> Any:
    return a * (s - w * u) + w * v


@separate
def _recall(key: Any, memory: Any, held: Any) -> None:
    """Write what is held under a key."""
    fill_row(0, held)
    for k in range(key.size):
        for h in range(held.size):
            held[h] += key[k] * memory[k, h]


@separate
def _advance(v: Any, a: Any, w: Any, q: Any, u: Any, before: Any, after: Any, output: Any) -> None:
    """Apply one time step to one sequence."""
    fill_row(0, output)
    for k in range(w.size):
        for h in range(v.size):
            s = _written(a, w[k], v[h], u[h], before[k, h])
            after[k, h] = s
            output[h] += q[k] * s


@compiled
def scan_forward(given: Any, states: Any, outputs: Any) -> None:
    """Run forward in time.

    Args:
        given: v (T, B, H); a (T, B); k, w, q (T, B, K).
        states: (T + 1, B, K, H), or fewer rows, as of `Loops`.
        outputs: (T, B, H), written.
    """
    v, a, k, w, q = given
    rows, u = len(states), np.empty_like(v[0, 0])
    for b in range(v.shape[1]):
        for t in range(len(v)):
            before, after = states[t % rows, b], states[(t + 1) % rows, b]
            _recall(k[t, b], before, u)
            _advance(v[t, b], a[t, b], w[t, b], q[t, b], u, before, after, outputs[t, b])


@separate
def _arrive(q: Any, after: Any, by_output: Any, carry: Any, by_q: Any) -> None:
    """Go back from the output of one time step to the query and the memory."""
    for k in range(q.size):
        by_q[k] = dot(after[k], by_output)
        for h in range(by_output.size):
            carry[k, h] += q[k] * by_output[h]


@separate
def _retreat(v: Any, a: Any, k: Any, w: Any, u: Any, before: Any, carry: Any, by_v: Any, by_k: Any, by_w: Any,
             scratch: Any) -> Any:  # fmt: skip
    """Go back one time step from the memory after it; return the gradient of a. ``scratch`` is (2, H)."""
    erased, wanted = scratch
    for h in range(v.size):
        wanted[h] = v[h] - a * u[h]
    by_a = a * 0
    for n in range(k.size):
        for h in range(v.size):
            erased[h] = before[n, h] - w[n] * u[h]
        by_a += dot(carry[n], erased)
        by_w[n] = dot(carry[n], wanted)
        by_k[n] = -a * dot(before[n], by_v)
        for h in range(v.size):
            carry[n, h] = a * (carry[n, h] - k[n] * by_v[h])
    return by_a


@compiled
def scan_backward(given: Any, states: Any, by_output: Any, carry: Any, found: Any, signals: Any, limit: Any,
                  truncate: int, start: int) -> None:  # fmt: skip
    """Run backward in time; arguments as of `Loops`, `longlag.values.backward` has the rules of the signal."""
    v, a, k, w, q = given
    by_v, by_a, by_k, by_w, by_q = found
    u, scratch = np.empty_like(v[0, 0]), np.empty((2, v.shape[2]), v.dtype)
    for b in range(v.shape[1]):
        for t in range(len(v) - 1, -1, -1):
            before = states[t, b]
            _arrive(q[t, b], states[t + 1, b], by_output[t, b], carry[b], by_q[t, b])
            if limit < np.inf:
                bound(carry[b].reshape(-1), limit)
            if len(signals) > 0:
                copy_row(carry[b].reshape(-1), signals[t, b].reshape(-1))
            _recall(k[t, b], before, u)
            _recall(w[t, b], carry[b], by_v[t, b])
            by_a[t, b] = _retreat(v[t, b], a[t, b], k[t, b], w[t, b], u, before, carry[b],
                                  by_v[t, b], by_k[t, b], by_w[t, b], scratch)  # fmt: skip
            if truncate > 0 and start + t > 0 and (start + t) % truncate == 0:
                fill_row(0, carry[b].reshape(-1))


DELTA = Loops(scan_forward, scan_backward, batch_axis=0)
"""Is given v, a, k, w and q, as `scan_forward`; its states are (B, K, H)."""

"""The gated delta rule, with its readout.

    u  = S^T k                              (H)      what is held under the key
    S' = a (S - w u^T) + w v^T              (K, H)   forget, erase what is held, write v
    y  = S'^T q                             (H)      what is held under the query

for keys k, weights of writing w = beta k and queries q of K numbers each, values v of H numbers, and each sequence's
memory S. With dy the loss's derivative by y, and dS' the derivative by S' (q dy^T plus what later steps add):

    dq = S' dy        dv = dS'^T w
    da = sum of dS' (S - w u^T)      dw = dS' (v - a u)       dk = S du     where du = -a dv
    dS = a dS' + k du^T = a (dS' - k dv^T)

Units are the last axis of every array. Sequences are run one after the other, so that a memory stays in the cache.
"""

from typing import Any, NamedTuple

import numpy as np

from longlag.scans.engine.compiler import compiled, inlined, rounded, separate
from longlag.scans.engine.dots import dot
from longlag.scans.engine.loops import Loops
from longlag.scans.engine.rows import copy_row, fill_row
from longlag.scans.engine.scan import SignalRules, bound, ends

Array = np.ndarray[Any, Any]


class Given(NamedTuple):
    """The inputs of the rule, or the gradients by them; for one time step of one sequence, without the axes T and B.

    Attributes:
        v: (T, B, H), the values.
        a: (T, B), the forget gates.
        k: (T, B, K), the keys.
        w: (T, B, K), the keys times the writing strength beta.
        q: (T, B, K), the queries.
    """

    v: Array
    a: Array
    k: Array
    w: Array
    q: Array


@inlined
def _at(given: Given, t: int, b: int) -> Given:
    """Return the inputs of one time step of one sequence."""
    return Given(given.v[t, b], given.a[t, b], given.k[t, b], given.w[t, b], given.q[t, b])


@rounded
def _written(a: Any, w: Any, v: Any, u: Any, s: Any) -> Any:
    return a * (s - w * u) + w * v


@separate
def _recall(key: Array, memory: Array, held: Array) -> None:
    """Write what a memory (K, H) holds under a key (K,) into ``held``, (H,)."""
    fill_row(0, held)
    for k in range(key.size):
        for h in range(held.size):
            held[h] += key[k] * memory[k, h]


@separate
def _advance(step: Given, u: Array, before: Array, after: Array, output: Array) -> None:
    """Apply one time step to one sequence.

    Args:
        step: The inputs of the time step.
        u: (H,), written with what the memory holds under the key.
        before: (K, H), the memory before the step.
        after: (K, H), the memory after it, written.
        output: (H,), written.
    """
    v, a, _, w, q = step
    fill_row(0, output)
    for k in range(w.size):
        for h in range(v.size):
            s = _written(a, w[k], v[h], u[h], before[k, h])
            after[k, h] = s
            output[h] += q[k] * s


@compiled
def scan_forward(given: Given, states: Array, outputs: Array) -> None:
    """Run forward in time.

    Args:
        given: The inputs of the rule.
        states: (T + 1, B, K, H), the memories, written but for the first; or fewer rows, as in `Loops`.
        outputs: (T, B, H), written.
    """
    rows, u = len(states), np.empty_like(given.v[0, 0])
    for b in range(given.v.shape[1]):
        for t in range(len(given.v)):
            step, before, after = _at(given, t, b), states[t % rows, b], states[(t + 1) % rows, b]
            _recall(step.k, before, u)
            _advance(step, u, before, after, outputs[t, b])


@separate
def _arrive(q: Array, after: Array, by_output: Array, carry: Array, by_q: Array) -> None:
    """Add the gradient by one time step's output to those by its query and its memory.

    Args:
        q: (K,), the query.
        after: (K, H), the memory after the step.
        by_output: (H,), the gradient by the output.
        carry: (K, H), the gradients by the memory, added to.
        by_q: (K,), the gradient by the query, written.
    """
    for k in range(q.size):
        by_q[k] = dot(after[k], by_output)
        for h in range(by_output.size):
            carry[k, h] += q[k] * by_output[h]


@separate
def _retreat(step: Given, rows: Array, before: Array, carry: Array, by_v: Array, by_k: Array, by_w: Array) -> Any:
    """Go back one time step of one sequence.

    Args:
        step: The inputs of the time step.
        rows: (3, H), of which the first is u; the others are overwritten.
        before: (K, H), the memory before the step.
        carry: (K, H), the gradients by the memory after the step; replaced by those by the memory before it.
        by_v: (H,), the gradient by v, written.
        by_k: (K,), the gradient by k, written.
        by_w: (K,), the gradient by w, written.

    Returns:
        The gradient by a.
    """
    v, a, k, w, _ = step
    u, erased, wanted = rows
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
def scan_backward(
    given: Given, states: Array, by_output: Array, carry: Array, by_given: Given, rules: SignalRules
) -> None:
    """Run backward in time.

    Args:
        given: The inputs of the rule.
        states: (T + 1, B, K, H), the memories that `scan_forward` has written.
        by_output: (T, B, H), the gradients by the outputs.
        carry: (B, K, H), the gradients by the last memories; replaced by those by the initial ones.
        by_given: The gradients by the inputs, written.
        rules: What happens to the backward signal; its ``passed`` is (T, B, K, H).
    """
    by_v, by_a, by_k, by_w, by_q = by_given
    rows = np.empty((3, given.v.shape[2]), given.v.dtype)
    for b in range(given.v.shape[1]):
        for t in range(len(given.v) - 1, -1, -1):
            step, before = _at(given, t, b), states[t, b]
            _arrive(step.q, states[t + 1, b], by_output[t, b], carry[b], by_q[t, b])
            if rules.limit < np.inf:
                bound(carry[b].reshape(-1), rules.limit)
            if len(rules.passed) > 0:
                copy_row(carry[b].reshape(-1), rules.passed[t, b].reshape(-1))
            _recall(step.k, before, rows[0])
            _recall(step.w, carry[b], by_v[t, b])
            by_a[t, b] = _retreat(step, rows, before, carry[b], by_v[t, b], by_k[t, b], by_w[t, b])
            if ends(rules.truncate, rules.start + t):
                fill_row(0, carry[b].reshape(-1))


DELTA = Loops(Given, scan_forward, scan_backward, batch_axis=0)
"""Its states are (B, K, H)."""

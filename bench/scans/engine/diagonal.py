"""A diagonal linear recurrence whose coefficients depend on the inputs, with its readout.

    a = exp(d c)        s' = a s + x w        y = sum over n of r s'

for each of H units with N states s. At every step of every sequence there are d and x for each unit, and w and r for
each n; c is negative and constant. With dy the loss's derivative by y, and ds' the derivative by s' (r dy plus what
later steps add):

    dr = sum_h dy s'    dw = sum_h ds' x    dx = sum_n ds' w    ds = ds' a
    q  = ds' s a        dd = sum_n q c      dc = sum over steps and sequences of q d

As all units share w and r, and all n share d and x, this is no pass over single units (`longlag.scans.engine.scan`).
Sequences are the last axis of every array: a sum over units or over n adds row to row, in the order of the loops.
"""

from typing import Any, NamedTuple

import numpy as np

from longlag.scans.engine.compiler import compiled, inlined, rounded, separate
from longlag.scans.engine.functions import vanishing_exp
from longlag.scans.engine.loops import Loops
from longlag.scans.engine.rows import copy_row, fill_row
from longlag.scans.engine.scan import SignalRules, bound, ends

Array = np.ndarray[Any, Any]


class Given(NamedTuple):
    """The inputs of the recurrence, or the gradients by them; for one time step, without the axis T.

    Attributes:
        d: (T, H, B), the step sizes.
        x: (T, H, B), what the units write.
        w: (T, N, B), the weights of writing.
        r: (T, N, B), the weights of reading.
        c: (N, H), the constant decay rates; the gradients by them are (N, H, B), for each sequence.
    """

    d: Array
    x: Array
    w: Array
    r: Array
    c: Array


@inlined
def _at(given: Given, t: int) -> Given:
    """Return the inputs of one time step."""
    return Given(given.d[t], given.x[t], given.w[t], given.r[t], given.c)


@rounded
def _forward(d: Any, x: Any, w: Any, c: Any, s: Any) -> Any:
    return vanishing_exp(d * c) * s + x * w


@separate
def _advance(step: Given, before: Array, after: Array, outputs: Array) -> None:
    """Apply one time step.

    Args:
        step: The inputs of the time step.
        before: (N, H, B), the states before the step.
        after: (N, H, B), the states after it, written.
        outputs: (H, B), written.
    """
    d, x, w, r, c = step
    numbers, units, batch = before.shape
    fill_row(0, outputs.reshape(-1))
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                s = _forward(d[h, b], x[h, b], w[n, b], c[n, h], before[n, h, b])
                after[n, h, b] = s
                outputs[h, b] += r[n, b] * s


@compiled
def scan_forward(given: Given, states: Array, outputs: Array) -> None:
    """Run forward in time.

    Args:
        given: The inputs of the recurrence.
        states: (T + 1, N, H, B), written but for the first; or fewer rows, as in `Loops`.
        outputs: (T, H, B), written.
    """
    rows = len(states)
    for t in range(len(given.d)):
        _advance(_at(given, t), states[t % rows], states[(t + 1) % rows], outputs[t])


@separate
def _arrive(carry: Array, r: Array, by_output: Array) -> None:
    """Add the gradients that reach the states through the output of a time step.

    Args:
        carry: (N, H, B), the gradients by the states, added to.
        r: (N, B), the weights of reading.
        by_output: (H, B), the gradients by the output.
    """
    numbers, units, batch = carry.shape
    for n in range(numbers):
        for h in range(units):
            for b in range(batch):
                carry[n, h, b] += r[n, b] * by_output[h, b]


@separate
def _retreat(step: Given, before: Array, after: Array, by_output: Array, carry: Array, by_step: Given) -> None:
    """Go back one time step, in several loops: a loop over many arrays would not be vectorised.

    Args:
        step: The inputs of the time step.
        before: (N, H, B), the states before the step.
        after: (N, H, B), the states after it.
        by_output: (H, B), the gradients by its output.
        carry: (N, H, B), the gradients by the states after the step; replaced by those by the states before it.
        by_step: The gradients by the inputs, written; those by c are added to.
    """
    d, x, w, _, c = step
    by_d, by_x, by_w, by_r, by_c = by_step
    numbers, units, batch = before.shape
    for grads in (by_d, by_x, by_w, by_r):
        fill_row(0, grads.reshape(-1))
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
def scan_backward(
    given: Given, states: Array, by_output: Array, carry: Array, by_given: Given, rules: SignalRules
) -> None:
    """Run backward in time.

    Args:
        given: The inputs of the recurrence.
        states: (T + 1, N, H, B), the states that `scan_forward` has written.
        by_output: (T, H, B), the gradients by the outputs.
        carry: (N, H, B), the gradients by the last states; replaced by those by the initial states.
        by_given: The gradients by the inputs, written; those by c are added to.
        rules: What happens to the backward signal; its ``passed`` is (T, N, H, B).
    """
    for t in range(len(given.d) - 1, -1, -1):
        _arrive(carry, given.r[t], by_output[t])
        if rules.limit < np.inf:
            bound(carry.reshape(-1), rules.limit)
        if len(rules.passed) > 0:
            copy_row(carry.reshape(-1), rules.passed[t].reshape(-1))
        _retreat(_at(given, t), states[t], states[t + 1], by_output[t], carry, _at(by_given, t))
        if ends(rules.truncate, rules.start + t):
            fill_row(0, carry.reshape(-1))


DIAGONAL = Loops(Given, scan_forward, scan_backward, batch_axis=-1, steady=1)
"""Its states are (N, H, B)."""

"""The losses that a task can name (`longlag.tasks.support.losses`), with their gradients by the outputs in closed form.

With outputs z (O rows, one for each output unit; N columns, one for each answer) and targets t:

    cross_entropy           L = mean_n(log(sum_o exp z_on) - z_tn)         dL/dz_on = (softmax_on - [o = t_n]) / N
    squared_error           L = mean_on((z_on - t_no)²)                    dL/dz_on = 2 (z_on - t_no) / (O N)
    binary_cross_entropy    L = mean_on(log(1 + exp z_on) - t_no z_on)     dL/dz_on = (sigmoid z_on - t_no) / (O N)

Every inner loop runs over the answers, which are contiguous, so that no sum is split over the lanes of a vector. Sums
over outputs go from the first to the last; the loss is summed in float64 from the first answer to the last. A number
that is not finite makes the loss non-finite.
"""

from collections.abc import Callable, Mapping
from math import log
from typing import Any

import numpy as np

from longlag.passes.compiler import compiled, separate
from longlag.scans.engine.functions import exp, log_sigmoid, sigmoid
from longlag.scans.engine.laid_out import leaves

Array = np.ndarray[Any, Any]


def loss_and_gradient(name: str, outputs: Array, targets: Array, grads: Array) -> float:
    """Return a loss and write its gradient.

    Args:
        name: One of `longlag.tasks.support.losses.LOSSES`.
        outputs: (O, N), the network's outputs.
        targets: (N,) classes, or (N, O) values.
        grads: (O, N), written with the gradients by the outputs.

    Raises:
        IndexError: A class is not between 0 and O - 1; compiled code does not check that.
        ValueError: The targets do not have one of these shapes.
    """
    size, answers = outputs.shape
    if name == "cross_entropy":
        if targets.shape != (answers,):
            raise ValueError(f"targets are {targets.shape}, not ({answers},)")
        if leaves(targets, size):
            raise IndexError(f"classes run from {targets.min()} to {targets.max()}, not from 0 to {size - 1}")
    elif targets.shape != (answers, size):
        raise ValueError(f"targets are {targets.shape}, not {(answers, size)}")
    return float(_COMPILED[name](outputs, targets, grads))


@compiled
def _cross_entropy(outputs: Any, targets: Any, grads: Any) -> Any:
    size, answers = outputs.shape
    highest, total = outputs[0].copy(), np.zeros_like(outputs[0])
    for o in range(1, size):
        _rise(outputs[o], highest)
    for o in range(size):
        _exponentiate(outputs[o], highest, grads[o], total)
    loss = 0.0
    for n in range(answers):
        loss += log(float(total[n])) + float(highest[n] - outputs[targets[n], n])
        total[n] = total.dtype.type(1) / (total[n] * answers)
    for o in range(size):
        _scale(grads[o], total)
    for n in range(answers):
        grads[targets[n], n] -= grads.dtype.type(1 / answers)
    return loss / answers


@separate
def _rise(row: Any, highest: Any) -> None:
    for n in range(row.size):
        highest[n] = row[n] if row[n] > highest[n] else highest[n]


@separate
def _exponentiate(row: Any, highest: Any, into: Any, total: Any) -> None:
    for n in range(row.size):
        raised = exp(row[n] - highest[n])
        into[n] = raised
        total[n] += raised


@separate
def _scale(row: Any, factors: Any) -> None:
    for n in range(row.size):
        row[n] *= factors[n]


@compiled
def _squared_error(outputs: Any, targets: Any, grads: Any) -> Any:
    size, answers = outputs.shape
    loss, factor = 0.0, grads.dtype.type(2 / outputs.size)
    for o in range(size):
        for n in range(answers):
            away = outputs[o, n] - targets[n, o]
            grads[o, n] = away * factor
            loss += float(away * away)
    return loss / outputs.size


@compiled
def _binary_cross_entropy(outputs: Any, targets: Any, grads: Any) -> Any:
    size, answers = outputs.shape
    loss, factor = 0.0, grads.dtype.type(1 / outputs.size)
    for o in range(size):
        for n in range(answers):
            z, t = outputs[o, n], targets[n, o]
            grads[o, n] = (sigmoid(z) - t) * factor
            loss += float(-log_sigmoid(-z) - t * z)
    return loss / outputs.size


_COMPILED: Mapping[str, Callable[[Array, Array, Array], Any]] = {
    "cross_entropy": _cross_entropy,
    "squared_error": _squared_error,
    "binary_cross_entropy": _binary_cross_entropy,
}

"""An optimiser's step in one pass over a trial's row of parameters θ and clipped gradients g.

    g <- g + λ θ                 where weight decay is coupled
    d <- direction(g)            by the optimiser's own equations
    θ <- θ - η (d + λ θ)         where weight decay is decoupled; else θ - η d

Each loop below follows an optimiser's equations as written in its file in `longlag.optimisers`, by the same operations,
each of which rounds once. The norm |θ| is computed after the step; a trial has diverged if it is not finite.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from longlag.optimisers.adam import Adam
from longlag.optimisers.adamw import AdamW
from longlag.optimisers.base import Optimiser
from longlag.optimisers.lion import Lion
from longlag.optimisers.rmsprop import Rmsprop
from longlag.optimisers.sgd import Sgd
from longlag.passes.compiler import compiled, separate
from longlag.passes.sums import norm

Row = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Step:
    """An optimiser's pass.

    Attributes:
        move: The compiled loop. Its arguments are θ, g, the running quantities in the order of `Optimiser.memory`, and
            a float64 array of η, the coupled λ, the decoupled λ and the optimiser's constants.
        constants: Computes the optimiser's constants from the number of updates taken, this one included.
        decay: The coupled λ and the decoupled λ; one of them is 0.
    """

    move: Callable[..., Any]
    constants: Callable[[int], tuple[float, ...]]
    decay: tuple[float, float]

    def take(self, theta: Row, g: Row, memory: Sequence[Row], rate: float, count: int) -> float:
        """Update the parameters of a trial.

        Args:
            theta: (P,), the parameters, changed in place.
            g: (P,), the clipped gradients, only read.
            memory: The running quantities, (P,) each, changed in place.
            rate: η, this update's learning rate.
            count: The number of updates that the optimiser has taken, this one included.

        Returns:
            The norm of the parameters after the step.
        """
        constants = np.array([rate, *self.decay, *self.constants(count)])
        return float(self.move(theta, g, *memory, constants))


def step_of(optimiser: Optimiser, weight_decay: float) -> Step | None:
    """Return an optimiser's pass; None for plugins, and for optimisers that do not work number by number."""
    if type(optimiser) not in _STEPS:
        return None
    move, constants = _STEPS[type(optimiser)]
    decay = (0.0, weight_decay) if optimiser.decoupled_decay else (weight_decay, 0.0)
    return Step(move, lambda count: constants(optimiser, count), decay)


@compiled
def adam(theta: Any, g: Any, m: Any, v: Any, constants: Any) -> Any:
    """Adam, AdamW: m <- β1 m + (1 - β1) g,  v <- β2 v + (1 - β2) g²,  d = m̂ / (sqrt(v̂) + eps)."""
    _adam_loop(theta, g, m, v, constants)
    return norm(theta)


def _adam_constants(of: Any, count: int) -> tuple[float, ...]:
    unbias1, unbias2 = 1 / (1 - of.beta1**count), 1 / (1 - of.beta2**count) ** 0.5
    return of.beta1, 1 - of.beta1, of.beta2, 1 - of.beta2, of.eps, unbias1, unbias2


@separate
def _adam_loop(theta: Any, g: Any, m: Any, v: Any, constants: Any) -> None:
    real = theta.dtype.type
    rate, coupled, decoupled = real(constants[0]), real(constants[1]), real(constants[2])
    beta1, rest1, beta2, rest2 = real(constants[3]), real(constants[4]), real(constants[5]), real(constants[6])
    eps, unbias1, unbias2 = real(constants[7]), real(constants[8]), real(constants[9])
    for i in range(theta.size):
        taken = g[i] + theta[i] * coupled
        mean = m[i] * beta1 + taken * rest1
        square = v[i] * beta2 + taken * taken * rest2
        direction = mean * unbias1 / (sqrt(square) * unbias2 + eps)
        m[i], v[i], theta[i] = mean, square, theta[i] - (direction + theta[i] * decoupled) * rate


@compiled
def sgd(theta: Any, g: Any, u: Any, constants: Any) -> Any:
    """Gradient descent: u <- μ u + g,  d = u, or with Nesterov's momentum g + μ u."""
    _sgd_loop(theta, g, u, constants)
    return norm(theta)


def _sgd_constants(of: Any, count: int) -> tuple[float, ...]:
    return of.momentum, float(of.nesterov)


@separate
def _sgd_loop(theta: Any, g: Any, u: Any, constants: Any) -> None:
    real = theta.dtype.type
    rate, coupled, decoupled, momentum = real(constants[0]), real(constants[1]), real(constants[2]), real(constants[3])
    nesterov = constants[4] > 0
    for i in range(theta.size):
        taken = g[i] + theta[i] * coupled
        velocity = u[i] * momentum + taken
        direction = taken + velocity * momentum if nesterov else velocity
        u[i], theta[i] = velocity, theta[i] - (direction + theta[i] * decoupled) * rate


@compiled
def rmsprop(theta: Any, g: Any, v: Any, constants: Any) -> Any:
    """RMSprop: v <- α v + (1 - α) g²,  d = g / (sqrt(v) + eps)."""
    _rmsprop_loop(theta, g, v, constants)
    return norm(theta)


def _rmsprop_constants(of: Any, count: int) -> tuple[float, ...]:
    return of.alpha, 1 - of.alpha, of.eps


@separate
def _rmsprop_loop(theta: Any, g: Any, v: Any, constants: Any) -> None:
    real = theta.dtype.type
    rate, coupled, decoupled = real(constants[0]), real(constants[1]), real(constants[2])
    alpha, rest, eps = real(constants[3]), real(constants[4]), real(constants[5])
    for i in range(theta.size):
        taken = g[i] + theta[i] * coupled
        square = v[i] * alpha + taken * taken * rest
        direction = taken / (sqrt(square) + eps)
        v[i], theta[i] = square, theta[i] - (direction + theta[i] * decoupled) * rate


@compiled
def lion(theta: Any, g: Any, m: Any, constants: Any) -> Any:
    """Lion: d = sign(β1 m + (1 - β1) g),  m <- β2 m + (1 - β2) g."""
    _lion_loop(theta, g, m, constants)
    return norm(theta)


def _lion_constants(of: Any, count: int) -> tuple[float, ...]:
    return of.beta1, 1 - of.beta1, of.beta2, 1 - of.beta2


@separate
def _lion_loop(theta: Any, g: Any, m: Any, constants: Any) -> None:
    real = theta.dtype.type
    rate, coupled, decoupled = real(constants[0]), real(constants[1]), real(constants[2])
    beta1, rest1, beta2, rest2 = real(constants[3]), real(constants[4]), real(constants[5]), real(constants[6])
    one, zero = real(1), real(0)
    for i in range(theta.size):
        taken = g[i] + theta[i] * coupled
        towards = m[i] * beta1 + taken * rest1
        direction = (one if towards > zero else zero) - (one if towards < zero else zero)
        m[i], theta[i] = m[i] * beta2 + taken * rest2, theta[i] - (direction + theta[i] * decoupled) * rate


_STEPS: Mapping[type[Optimiser], tuple[Callable[..., Any], Callable[[Any, int], tuple[float, ...]]]] = {
    Adam: (adam, _adam_constants),
    AdamW: (adam, _adam_constants),
    Sgd: (sgd, _sgd_constants),
    Rmsprop: (rmsprop, _rmsprop_constants),
    Lion: (lion, _lion_constants),
}

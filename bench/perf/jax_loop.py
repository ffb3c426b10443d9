"""The ordinary loop in JAX: an update of one trial is one compiled function, its time steps `jax.lax.scan`.

It begins with the weights of `longlag.perf.ordinary`, reads the same batches and does the same updates (Adam, gradients
clipped to a norm of 1), one trial after the other. JAX is optional: `pip install 'longlag[jax]'`.
"""

import os
from functools import partial
from typing import Any, NamedTuple

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")  # read when JAX is loaded: one thread,
os.environ.setdefault("NPROC", "1")  # as everything that is timed beside it

import jax
import jax.numpy as jnp

from longlag import registry
from longlag.perf.ordinary import OrdinaryTrial
from longlag.values.seeding import stream
from longlag.values.trial import Trial

Values = dict[str, Any]
RATES = 0.9, 0.999
"""By which Adam's running means forget."""
EPSILON = 1e-8


class State(NamedTuple):
    """The quantities that training changes, each by the names of `longlag.perf.ordinary.OrdinaryNetwork`.

    Attributes:
        weights: The parameters.
        means: Running means of the gradients.
        squares: Running means of their squares.
    """

    weights: Values
    means: Values
    squares: Values


def step_of(cell: str, weights: Values, state: Any, gates: Any) -> Any:
    """Return the state after a time step, with the equations of `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`.

    Args:
        cell: The cell's spec.
        weights: ``weight_hh_l0`` (G H, H) and ``bias_hh_l0`` (G H,).
        state: h (B, H); of an LSTM (h, c).
        gates: (B, G H), what the input adds to the gates.
    """
    by_state = (state[0] if cell == "lstm" else state) @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
    if cell == "gru":
        (r, z, n), (hr, hz, hn) = (jnp.split(part, 3, -1) for part in (gates, by_state))
        reset, keep = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
        return (1 - keep) * jnp.tanh(n + reset * hn) + keep * state
    if cell == "lstm":
        i, f, g, o = jnp.split(gates + by_state, 4, -1)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
    return jnp.tanh(gates + by_state)


def loss_of(cell: str, loss: str, weights: Values, inputs: Any, scored: Any, targets: Any) -> Any:
    """Return the loss of a batch.

    Args:
        cell: The cell's spec.
        loss: ``cross_entropy`` or ``squared_error``.
        weights: The parameters, by the names of `longlag.perf.ordinary.OrdinaryNetwork`.
        inputs: (T, B) tokens or (T, B, I) vectors.
        scored: (N,), places in the flattened (T B).
        targets: (N,) classes or (N, O) values.
    """
    seen = weights["embedding.weight"][inputs] if inputs.ndim == 2 else inputs
    layer = {name.removeprefix("recurrent."): value for name, value in weights.items()}
    gates = seen @ layer["weight_ih_l0"].T + layer["bias_ih_l0"]
    start = jnp.zeros((inputs.shape[1], layer["weight_hh_l0"].shape[1]), gates.dtype)

    def step(state: Any, given: Any) -> tuple[Any, Any]:
        after = step_of(cell, layer, state, given)
        return after, after[0] if cell == "lstm" else after

    _, states = jax.lax.scan(step, (start, start) if cell == "lstm" else start, gates)
    read = states.reshape(-1, start.shape[1])[scored]
    outputs = read @ weights["readout.weight"].T + weights["readout.bias"]
    if loss == "squared_error":
        return jnp.mean((outputs - targets) ** 2)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[:, None], 1))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2,))
def updated(cell: str, loss: str, state: State, count: Any, rate: Any, batch: Any) -> tuple[State, Any]:
    """Return the state after an update, and the loss before it.

    Args:
        cell: The cell's spec.
        loss: The loss's name.
        state: The state before.
        count: The update, from 1.
        rate: The learning rate.
        batch: Inputs, scored places and targets.
    """
    weights, means, squares = (dict(part) for part in state)
    value, gradients = jax.value_and_grad(loss_of, argnums=2)(cell, loss, weights, *batch)
    norm = jnp.sqrt(sum(jnp.sum(gradient**2) for gradient in gradients.values()))
    factor = jnp.minimum(1.0, 1.0 / (norm + 1e-6))  # as torch.nn.utils.clip_grad_norm_ does
    forget, forget_squares = RATES
    for name in weights:
        gradient = gradients[name] * factor
        means[name] = forget * means[name] + (1 - forget) * gradient
        squares[name] = forget_squares * squares[name] + (1 - forget_squares) * gradient**2
        mean, square = means[name] / (1 - forget**count), squares[name] / (1 - forget_squares**count)
        weights[name] = weights[name] - rate * mean / (jnp.sqrt(square) + EPSILON)
    return State(weights, means, squares), value


class JaxTrial:
    """A trial, trained by the loop in JAX.

    Args:
        trial: The trial; its cell is ``rnn``, ``gru`` or ``lstm``, and all batches of its task have one shape, since
            another one would be compiled anew.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial, self.task = trial, registry.task(trial.task)
        started = OrdinaryTrial(trial).network.state_dict()
        weights = {name: jnp.array(value.numpy()) for name, value in started.items()}
        self.state = State(weights, *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)))
        self.update = 0

    def step(self) -> float:
        """Do one update, and return the loss before it."""
        self.update += 1
        generator = stream("batches", self.trial.task, self.trial.seed).generator(self.update)
        batch = self.task.draw(generator, self.trial.batch_size)
        given = tuple(part.numpy() for part in (batch.inputs, batch.scored, batch.targets))
        count, rate = jnp.float32(self.update), jnp.float32(self.trial.lr)
        self.state, loss = updated(self.trial.cell, self.task.closed_loss, self.state, count, rate, given)
        return float(loss)  # waits until the update is done

"""Part `kernels`: times one layer forward and backward against torch.nn, its products alone, and the core's peak."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.cells.gru import Gru
from longlag.cells.lstm import Lstm
from longlag.cells.rnn import Rnn
from longlag.perf.measure import Timing, compare
from longlag.perf.ordinary import recurrent
from longlag.perf.peak import arithmetic
from longlag.scans.run import run_layer

SHAPES = ((20, 64), (32, 64), (32, 128), (128, 128), (64, 256))
"""Batch size and hidden size."""
CELLS: dict[str, Cell] = {"rnn": Rnn(), "gru": Gru(), "lstm": Lstm()}
_INPUTS = 2


def measure(lengths: tuple[int, ...], shapes: tuple[tuple[int, int], ...], repeats: int) -> Iterator[Timing]:
    """Yield for each cell, length and shape our layer against torch's module, the products alone, and the core's peak.

    The last ratio is the share of the peak arithmetic that a layer reaches, counting its recurrent products only.

    Args:
        lengths: Time steps.
        shapes: Pairs of batch size and hidden size.
        repeats: The number of rounds.
    """
    for cell in CELLS:
        for length in lengths:
            for batch_size, hidden_size in shapes:
                setting = f"T={length}, batch {batch_size}, hidden {hidden_size}"
                ours = our_layer(cell, length, batch_size, hidden_size)
                module = torch_layer(cell, length, batch_size, hidden_size)
                products = products_alone(len(CELLS[cell].gates), length, batch_size, hidden_size)
                name = {"rnn": "nn.RNN", "gru": "nn.GRU", "lstm": "nn.LSTM"}[cell]
                yield compare("kernels", cell, setting, ours, (name, module), repeats)
                yield compare("kernels", cell, setting, ours, ("its products alone", products), repeats)
                peak = arithmetic(_operations(len(CELLS[cell].gates), length, batch_size, hidden_size))
                yield compare("kernels", cell, setting, ours, ("its products at the peak", peak), repeats)


def our_layer(cell: str, length: int, batch_size: int, hidden_size: int) -> Callable[[], object]:
    """Return a call that runs our layer forward and backward, on inputs and weights like those of a trial.

    Args:
        cell: The cell's name.
        length: Time steps.
        batch_size: Sequences.
        hidden_size: Units.
    """
    made = CELLS[cell]
    weights = {
        name: torch.from_numpy(value).float().requires_grad_()
        for name, value in made.initial_weights(_INPUTS, hidden_size, "perf").items()
    }
    inputs = _numbers(length, batch_size, _INPUTS)
    upstream = _numbers(length, batch_size, hidden_size)

    def call() -> object:
        return torch.autograd.grad(run_layer(made, inputs, weights), list(weights.values()), upstream)

    return call


def torch_layer(cell: str, length: int, batch_size: int, hidden_size: int) -> Callable[[], object]:
    """Return a call that runs torch's module forward and backward.

    Args:
        cell: The cell's name.
        length: Time steps.
        batch_size: Sequences.
        hidden_size: Units.
    """
    module = recurrent(cell, _INPUTS, hidden_size)
    inputs = _numbers(length, batch_size, _INPUTS)
    upstream = _numbers(length, batch_size, hidden_size)
    parameters = list(module.parameters())

    def call() -> object:
        return torch.autograd.grad(module(inputs)[0], parameters, upstream)

    return call


def products_alone(gates: int, length: int, batch_size: int, hidden_size: int) -> Callable[[], object]:
    """Return a call that does a layer's recurrent products only, the arithmetic that every scan needs.

    Args:
        gates: Products in a time step.
        length: Time steps.
        batch_size: Sequences.
        hidden_size: Units.
    """
    width = gates * hidden_size
    state, weight = _numbers(batch_size, hidden_size), _numbers(hidden_size, width)
    delta, back = _numbers(batch_size, width), _numbers(width, hidden_size)
    states, deltas = _numbers(length * batch_size, hidden_size), _numbers(length * batch_size, width)
    forward, backward = torch.empty(batch_size, width), torch.empty(batch_size, hidden_size)
    gradient = torch.empty(hidden_size, width)

    def call() -> None:
        for _ in range(length):
            torch.mm(state, weight, out=forward)
        for _ in range(length):
            torch.mm(delta, back, out=backward)
        torch.mm(states.T, deltas, out=gradient)

    return call


def _operations(gates: int, length: int, batch_size: int, hidden_size: int) -> int:
    """Return the number of additions and multiplications of `products_alone`: three products for each gate and step."""
    return 3 * 2 * gates * length * batch_size * hidden_size**2


def _numbers(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) - 0.5

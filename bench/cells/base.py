"""The contract of every cell.

A cell is the equations of one time step. Its input projection is computed outside, as one product over all time
steps: ``projected = inputs @ input_weight + bias``, a block of ``hidden_size`` columns for each gate. The cell gets
one time step of it. Every tensor may have a leading trial axis S; weights then have it too, and biases a second axis
of size one, so that the equations stay the same.

Most cells define nothing else. A cell whose blocks or states have other sizes defines `gate_widths` and
`state_shapes`; one whose weights follow from others (an orthogonal matrix) makes them in `prepare`, once per
sequence; one whose output is computed from its state defines `output`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from longlag.cells.support.backbone import Stackable
from longlag.cells.support.equations import modrelu, skew
from longlag.cells.support.initialisers import chrono, orthogonal, rotations, softplus_inverse
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option
from longlag.values.seeding import stream

__all__ = [
    "Cell",
    "State",
    "UsageError",
    "Weights",
    "chrono",
    "modrelu",
    "option",
    "orthogonal",
    "rotations",
    "skew",
    "softplus_inverse",
]

Weights = Mapping[str, Tensor]
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Cell(Stackable):
    """The equations of one time step, with initial weights."""

    gates: ClassVar[tuple[str, ...]]
    """The blocks of the input projection, in order."""
    states: ClassVar[tuple[str, ...]]
    """The names of the states carried from step to step; the first is the output unless `output` is overridden."""
    keeping_gate: ClassVar[str] = ""
    """The gate, by its name in `gate_values`, that multiplies the state from step to step; empty without one."""
    biased: ClassVar[bool] = True
    """Whether the input projection has a bias."""
    unit_axis: ClassVar[int] = -1

    @property
    def standard(self) -> bool:
        """Whether these options give the equations that the cell's kernel, if it has one, computes."""
        return True

    @property
    def steepest(self) -> float | None:
        """The largest slope of f if the cell is h_t = f(x_t W + b + h_{t-1} U); None for other cells."""
        return None

    def gate_widths(self, hidden_size: int) -> dict[str, int]:
        """Return the number of columns of each block of the input projection; by default ``hidden_size`` each."""
        return dict.fromkeys(self.gates, hidden_size)

    def state_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each state of one sequence: by default a vector of ``hidden_size``."""
        return dict.fromkeys(self.states, (hidden_size,))

    @abstractmethod
    def recurrent_shapes(self, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the weights that `step` uses; products are ``state @ weight``, with units last."""

    def parts(self, name: str, hidden_size: int) -> tuple[int, ...]:
        """Return the numbers of columns of the logical tensors, one per gate, that are stored in one of `shapes`.

        By default a tensor called ``...weight`` or ``...bias`` holds blocks of ``hidden_size``, any other is one.
        """
        if name in ("input_weight", "bias"):
            return tuple(self.gate_widths(hidden_size).values())
        columns = self.recurrent_shapes(hidden_size)[name][-1]
        return (hidden_size,) * (columns // hidden_size) if name.endswith(("weight", "bias")) else (columns,)

    def prepare(self, weights: Weights) -> Weights:
        """Return the weights that `step` and `output` use, made once per sequence; by default the weights unchanged."""
        return weights

    @abstractmethod
    def step(self, projected: Tensor, state: State, weights: Weights) -> State:
        """Advance the state by one time step.

        Args:
            projected: The input projection of this step, (B, G·H) for G gates.
            state: One (B, H) tensor for each of `states`, or (B, ...) as `state_shapes` says.
            weights: The tensors of `recurrent_shapes`, as `prepare` returns them.
        """

    def output(self, projected: Tensor, state: State, weights: Weights) -> Tensor:
        """Return the output (B, H) of a step from its state after it; by default the first state."""
        return state[0]

    @property
    @final
    def reads_state(self) -> bool:
        """Whether the output is the first state itself."""
        return type(self).output is Cell.output

    def gate_values(self, projected: Tensor, state: State, weights: Weights) -> dict[str, Tensor]:
        """Return the gates of a step, (B, H) each and between 0 and 1, by name; empty if the cell reports none.

        Args:
            projected: As for `step`.
            state: As for `step`, before it.
            weights: As for `step`.
        """
        return {}

    def carry_back(self, signal: State, projected: Tensor, before: State, weights: Weights) -> State:
        """Return J^T d for a backward signal d after a step, with J the step's Jacobian by the states before it.

        The result is differentiable by the weights; the signal and the states before are constants
        (`longlag.networks.omega`). By default autograd computes it through `step`, gates and slopes included.

        Args:
            signal: (B, ...) for each state.
            projected: As for `step`; requires gradients.
            before: The state before the step, as for `step`; requires gradients.
            weights: As for `step`.
        """
        after = self.step(projected, before, weights)
        return torch.autograd.grad(after, before, signal, create_graph=True, materialize_grads=True)

    def rate_factors(self) -> Mapping[str, float]:
        """Return factors on the learning rate, by tensor; empty by default."""
        return {}

    def initialise(self, values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
        """Change the default initial values (uniform on ±1/√H, as in torch.nn) in place; does nothing by default."""

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all of the cell's tensors, input projection first."""
        width = sum(self.gate_widths(hidden_size).values())
        bias: dict[str, tuple[int, ...]] = {"bias": (width,)} if self.biased else {}
        return {"input_weight": (input_size, width)} | bias | self.recurrent_shapes(hidden_size)

    @final
    def project(self, inputs: Tensor, weights: Weights) -> Tensor:
        """Return the input projection (T, B, G·H) of tokens (T, B) or vectors (T, B, I)."""
        if inputs.is_floating_point():
            projected = inputs @ weights["input_weight"]
        else:
            projected = embedding(inputs, weights["input_weight"])  # the product with one-hot vectors, as a look-up
        return projected + weights["bias"] if self.biased else projected

    @final
    def state_count(self, hidden_size: int) -> int:
        """Return the size of a layer's state for one sequence: all numbers carried from step to step."""
        return sum(prod(shape) for shape in self.state_shapes(hidden_size).values())

    @final
    def orthogonality_error(self, weights: Weights) -> Tensor | None:
        """Return max |B^T B - 1| for the matrix B that `prepare` calls ``orthogonal``; None if there is none."""
        matrix = self.prepare(weights).get("orthogonal")
        if matrix is None:
            return None
        one = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        return (matrix.mT @ matrix - one).abs().max()

    @final
    def hidden_size(self, weights: Weights) -> int:
        """Return the hidden size that fits the weights' input projection."""
        fixed, one = (sum(self.gate_widths(size).values()) for size in (0, 1))
        return (weights["input_weight"].shape[-1] - fixed) // (one - fixed)

    @final
    def start(self, batch_size: int, hidden_size: int, like: Tensor) -> State:
        """Return the state before the first step: zeros, (B, ...) each, with dtype and device of ``like``."""
        return tuple(like.new_zeros(batch_size, *shape) for shape in self.state_shapes(hidden_size).values())

    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Draw initial weights (float64), each tensor from its own stream, whose name begins with ``names``."""
        bound = hidden_size**-0.5
        values = {
            name: stream(*names, name).generator().uniform(-bound, bound, shape)
            for name, shape in self.shapes(input_size, hidden_size).items()
        }
        self.initialise(values, stream(*names, "cell").generator())
        return values

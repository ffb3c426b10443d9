"""Single steps of a scan: the gradient that follows from the signal at one step, by the cell's own equations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.lens.base import Subject
from longlag.networks.recurrent import Network
from longlag.tasks.base import Batch
from longlag.values.backward import Signal


def no_steps(subject: Subject) -> str:
    """Return why a network's steps cannot be examined one by one; empty where they can."""
    network = subject.network
    if isinstance(network, Network):
        return ""
    cell = getattr(network, "cell", None)
    named = f"cell {cell.name()}" if cell is not None else "this network"
    return f"it needs the steps of a cell; {named} runs whole sequences, or has a decoder"


def no_weights(subject: Subject) -> str:
    """Return a message if a network of cells, which `no_steps` accepts, has no recurrent weights; else empty."""
    network = subject.network
    assert isinstance(network, Network), "no_steps refuses others"
    if not network.cell.recurrent_shapes(network.hidden_size):
        return f"cell {network.cell.name()} has no recurrent weights"
    return ""


@dataclass(frozen=True, eq=False)
class Steps:
    """A scan's steps.

    Attributes:
        cell: The cell.
        weights: Its tensors, by its own names.
        signal: The states and signals of a forward and backward pass.
        ends: (B,), the length of each sequence if the scan reads it backwards; None if it reads it forwards.
    """

    cell: Cell
    weights: Mapping[str, Tensor]
    signal: Signal
    ends: Tensor | None = None

    @cached_property
    def recurrent(self) -> dict[str, Tensor]:
        """The tensors that a step uses except the input projection, as leaves."""
        names = self.cell.recurrent_shapes(self.cell.hidden_size(self.weights))
        return {name: self.weights[name].detach().requires_grad_() for name in names}

    @cached_property
    def prepared(self) -> Mapping[str, Tensor]:
        """The weights that steps use, from `Cell.prepare`, differentiable by `recurrent`."""
        with torch.enable_grad():
            return self.cell.prepare({**self.weights, **self.recurrent})

    @cached_property
    def projected(self) -> Tensor:
        """The projected inputs, (T, B, ...)."""
        return self.cell.project(self.signal.inputs, self.weights).detach()

    def weight_gradient(self, steps: Tensor) -> dict[str, Tensor]:
        """Return the part of the recurrent weights' gradient from the signal at one step of each sequence.

        Args:
            steps: (B,), counted from the sequence's first; sequences whose step lies outside add nothing.
        """
        columns = torch.arange(len(steps), device=steps.device)
        length = len(self.signal.arriving)
        limit = torch.full_like(steps, length) if self.ends is None else self.ends
        inside = (steps >= 0) & (steps < limit)
        steps, columns = steps[inside], columns[inside]
        if self.ends is not None:
            steps = self.ends[columns] - 1 - steps
        with torch.enable_grad():
            projected, before = (
                self.projected[steps, columns],
                tuple(part[steps, columns] for part in self.signal.before),
            )
            after = self.cell.step(projected, before, self.prepared)
            reached, arriving = list(after), [part[steps, columns] for part in self.signal.passed]
            if not self.cell.reads_state:
                held = tuple(part.detach() for part in after)
                reached.append(self.cell.output(projected, held, self.prepared))
                arriving.append(self.signal.arriving[steps, columns])
            pairs = [pair for pair in zip(reached, arriving, strict=True) if pair[0].requires_grad]
            if not pairs:
                return {name: torch.zeros_like(leaf) for name, leaf in self.recurrent.items()}
            gradients = torch.autograd.grad(
                [one for one, _ in pairs], list(self.recurrent.values()), [signal for _, signal in pairs],
                retain_graph=True, materialize_grads=True,
            )  # fmt: skip
        return dict(zip(self.recurrent, gradients, strict=True))


def scans_of(subject: Subject, signals: list[Signal], batch: Batch) -> list[Steps]:
    """Return the steps of each scan of a network of cells, from the bottom."""
    network = subject.network
    assert isinstance(network, Network), "no_steps refuses others"
    ends = batch.lengths
    if ends is None:
        ends = torch.full((batch.mask.shape[1],), len(batch.mask), device=batch.mask.device)
    views = network.by_scan(network.layout.views(subject.row))
    return [
        Steps(network.cell, weights, signal, ends if name.endswith("backward") else None)
        for (name, _), weights, signal in zip(network.layers.scans, views, signals, strict=True)
    ]

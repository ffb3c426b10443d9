"""A network: layers of cells and a linear readout, computed from views of one row of parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.networks import work
from longlag.networks.layered import Layered
from longlag.networks.layers import Scan
from longlag.networks.omega import add_omega
from longlag.networks.readout import go_back, read_states, scored_states
from longlag.networks.work import Sequences, Work
from longlag.scans.find import kernel_for, serves
from longlag.scans.run import run_layer, standard_kernel, warm
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward
from longlag.values.wiring import ONE_LAYER, Wiring

if TYPE_CHECKING:
    from longlag.scans.engine.base import Kernel


@dataclass(frozen=True)
class Network(Layered):
    """Layers of a cell over a task's inputs, and a linear readout at the scored steps."""

    cell: Cell

    @classmethod
    def for_task(cls, cell: Cell, task: Task, hidden_size: int, wiring: Wiring = ONE_LAYER) -> "Network":
        """Return the network that fits a task's inputs and outputs."""
        return cls(cell, task.input_size, task.output_size, hidden_size, wiring)

    def scan(self, backward: Backward, noise: np.random.Generator | None = None) -> Scan:
        """Return the function that runs a layer in one direction: step by step, or by the cell's kernel."""
        return lambda _, seen, weights, start: run_layer(self.cell, seen, weights, backward, start)

    def path(self, device: str, dtype: str) -> str:
        """Return which code runs the scans: ``fused`` or ``readable``."""
        return "fused" if serves(device, dtype) and standard_kernel(self.cell) is not None else "readable"

    def by_scan(self, views: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tensors of each scan's cell, layer by layer, both directions in turn, by the cell's names."""
        return self.layers.by_scan(views)

    def scans(self, views: Mapping[str, Any]) -> list[tuple[Cell, dict[str, Any]]]:
        """Return the tensors of each scan's cell, each with the cell."""
        return [(self.cell, tensors) for tensors in self.by_scan(views)]

    def warm(self, tokens: bool, device: str, dtype: str) -> None:
        """Compile the cell's kernel."""
        warm(self.cell, tokens, device, dtype)

    def work(self, sequences: Sequences) -> list[Work]:
        """Return the work of its layers and its readout."""
        each, outputs = work.of_cell(self.cell, self.hidden_size), self.output_size * sequences.scored
        return [work.of_layers(self.layers, each, sequences.length, outputs, plain=self.wiring.plain)]

    def gradient(
        self,
        task: Task,
        row: Tensor,
        gradient: Tensor,
        batch: Batch,
        noise: np.random.Generator | None = None,
        backward: Backward = PLAIN,
    ) -> Tensor:
        """Write one trial's gradient and return its loss: plain layers by their kernel, others by autograd."""
        if backward.omega and backward.seen is None:
            backward = replace(backward, seen=[])
        if (kernel := self._plain_kernel(row)) is not None:
            loss = self._by_kernel(kernel, task, row, gradient, batch, backward)
        else:
            loss = self.by_autograd(task, row, gradient, batch, noise, backward)
        if backward.omega:
            add_omega(self, row, gradient, backward)
        return loss

    def _plain_kernel(self, row: Tensor) -> "Kernel | None":
        """Return the kernel if the network consists of plain layers and the kernel reads the cell's own weights."""
        if not self.wiring.plain or self.path(row.device.type, str(row.dtype)) != "fused":
            return None
        kernel = kernel_for(self.cell)
        return cast("Kernel", kernel) if kernel is not None and kernel.direct else None

    def _by_kernel(
        self, kernel: "Kernel", task: Task, row: Tensor, gradient: Tensor, batch: Batch, backward: Backward
    ) -> Tensor:
        """Run forward and backward pass through plain layers by a kernel, and through the readout.

        The loss's gradient by the outputs is known where the task names its loss; else autograd computes it.
        """
        from longlag.scans.engine.stack import Stack

        views, target = self.layout.arrays(row.numpy()), self.layout.arrays(gradient.numpy())
        stack = Stack(kernel, self.by_scan(views), batch.inputs.numpy(), backward)
        states = scored_states(torch.from_numpy(stack.outputs), batch.scored)
        readout, by_readout = _readout_of(views), _readout_of(target)
        if task.closed_loss:
            loss, by_outputs = _closed_loss(task.closed_loss, read_states(readout, states, across=True), batch.targets)
        else:
            outputs = read_states(readout, states).requires_grad_()
            loss = task.loss(outputs, batch)
            (by_outputs,) = torch.autograd.grad(loss, outputs)
        by_states = go_back(readout, by_readout, states, by_outputs)
        by_layer = stack.backward(batch.scored.numpy(), by_states.numpy())
        for to, by_name in zip(self.by_scan(target), by_layer, strict=True):
            for name, array in to.items():
                array[...] = by_name[name]
        return loss.detach()


def _closed_loss(name: str, across: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient (N, O), from outputs across (O, N)."""
    from longlag.passes.losses import loss_and_gradient

    grads = torch.empty_like(across)
    loss = loss_and_gradient(name, across.numpy(), targets.numpy(), grads.numpy())
    return across.new_tensor(loss), grads.T


def _readout_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return the readout's tensors, in the same memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("readout.")}

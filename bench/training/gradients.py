"""The gradients of a cohort: how they are computed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from longlag.cells.base import Cell
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.networks.protocol import AnyNetwork
from longlag.networks.recurrent import Network
from longlag.scans.find import kernel_for, serves
from longlag.scans.run import standard_kernel
from longlag.tasks.base import Batch, Task
from longlag.training.omega import add_omega
from longlag.values.backward import PLAIN, Backward

if TYPE_CHECKING:
    from longlag.scans.engine.base import Kernel


def write_gradients(
    network: AnyNetwork,
    task: Task,
    parameters: Tensor,
    gradients: Tensor,
    batches: Sequence[Batch],
    noises: Sequence[np.random.Generator] | None = None,
    hows: Sequence[Backward] | None = None,
) -> Tensor:
    """Write each trial's gradient into its row and return the losses, (S,).

    A trial at a time: products and vectorised functions choose their order of summation and their rounding by
    shape and place, and a trial's numbers must not depend on its company.

    Args:
        network: The network of every trial.
        task: Its task.
        parameters: (S, P).
        gradients: (S, P), overwritten; padding stays zero.
        batches: One for each trial; trials may share them.
        noises: One for each trial, from which dropout draws; nothing is dropped without.
        hows: How each trial's backward pass goes; by the chain rule alone if not given.
    """
    drawing: Sequence[np.random.Generator | None] = noises or [None] * len(batches)
    rows = zip(parameters, gradients, batches, drawing, hows or [PLAIN] * len(batches), strict=True)
    return torch.stack([write_gradient(network, task, *of_trial) for of_trial in rows])


def write_gradient(
    network: AnyNetwork,
    task: Task,
    row: Tensor,
    gradient: Tensor,
    batch: Batch,
    noise: np.random.Generator | None = None,
    how: Backward = PLAIN,
) -> Tensor:
    """Write one trial's gradient and return its loss.

    Args:
        network: The network.
        task: Its task.
        row: (P,), the parameters.
        gradient: (P,), overwritten; padding stays zero.
        batch: The batch.
        noise: Dropout draws from it; nothing is dropped without.
        how: How the backward pass goes.
    """
    if how.omega and how.seen is None:
        how = replace(how, seen=[])
    if isinstance(network, Network) and (kernel := _plain_kernel(network, row)) is not None:
        loss = _write_by_stack(network, kernel, task, row, gradient, batch, how)
    else:
        loss = _write_by_autograd(network, task, row, gradient, batch, noise, how)
    if how.omega and isinstance(network, Network):
        add_omega(network, row, gradient, how)
    return loss


def prepare(network: AnyNetwork, task: Task, device: str, dtype: str) -> None:
    """Compile what `write_gradients` will need, so that no update is timed with it."""
    scanned: list[tuple[Cell, bool]] = []
    if isinstance(network, Network | EncoderDecoder):
        scanned.append((network.cell, task.tokens))
    if isinstance(network, EncoderDecoder):
        scanned.append((network.decoder_cell, True))
    for cell, tokens in scanned:
        if serves(device, dtype) and (kernel := standard_kernel(cell)) is not None:
            kernel.warm(tokens, dtype)


def _plain_kernel(network: Network, row: Tensor) -> "Kernel | None":
    """Return the kernel of a network that is nothing but layers of one that reads the cell's own weights."""
    if not network.wiring.plain or network.path(row.device.type, str(row.dtype)) != "fused":
        return None
    kernel = kernel_for(network.cell)
    return cast("Kernel", kernel) if kernel is not None and kernel.direct else None


def _write_by_autograd(
    network: AnyNetwork,
    task: Task,
    row: Tensor,
    gradient: Tensor,
    batch: Batch,
    noise: np.random.Generator | None,
    how: Backward,
) -> Tensor:
    """Write one trial's gradient and return its loss; autograd goes all the way, over a fused scan in one step."""
    leaves = {name: view.detach().requires_grad_() for name, view in network.layout.views(row).items()}
    loss = task.loss(network.outputs(leaves, batch, noise, how), batch)
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    for slot, value in zip(network.layout.slots, found, strict=True):
        slot.view(gradient).copy_(value)
    return loss.detach()


def _write_by_stack(
    network: Network, kernel: "Kernel", task: Task, row: Tensor, gradient: Tensor, batch: Batch, how: Backward
) -> Tensor:
    """Do the same for plain layers by kernels; autograd differentiates the loss by the outputs only."""
    from longlag.scans.engine.stack import Stack

    views, target = network.layout.arrays(row.numpy()), network.layout.arrays(gradient.numpy())
    stack = Stack(kernel, network.by_scan(views), batch.inputs.numpy(), how)
    states = torch.from_numpy(stack.outputs).flatten(0, 1).index_select(0, batch.scored)
    weight = torch.from_numpy(views["readout.weight"])
    outputs = torch.addmm(torch.from_numpy(views["readout.bias"]), states, weight).requires_grad_()
    loss = task.loss(outputs, batch)
    (by_outputs,) = torch.autograd.grad(loss, outputs)
    torch.mm(states.T, by_outputs, out=torch.from_numpy(target["readout.weight"]))
    torch.sum(by_outputs, 0, out=torch.from_numpy(target["readout.bias"]))
    found = stack.backward(batch.scored.numpy(), torch.mm(by_outputs, weight.T).numpy())
    for to, by_name in zip(network.by_scan(target), found, strict=True):
        for name, array in to.items():
            array[...] = by_name[name]
    return loss.detach()

"""Small networks and their gradients, that the tests of the backward pass and of its regulariser have in common."""

from dataclasses import replace

import torch

from longlag import registry
from longlag.cells.base import Cell
from longlag.networks.recurrent import Network
from longlag.tasks.adding import Adding
from longlag.tasks.copy import Copy
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring

TASKS = {"copy": Copy(items=2, symbols=3, blanks=6), "adding": Adding(length=11)}
STEPWISE = [name for name in registry.names("cell") if isinstance(registry.cell(name), Cell)]
HIDDEN = 7


def network_of(spec, task="copy", depth=1):
    return Network.for_task(registry.cell(spec), TASKS[task], HIDDEN, Wiring(depth))


def row_of(network, dtype=torch.float64):
    return torch.from_numpy(network.initial_row(3)).to(dtype)


def batch_of(task="copy", dtype=torch.float64):
    batch = TASKS[task].draw(stream("test").generator(), 5)
    return replace(batch, inputs=batch.inputs.to(dtype)) if batch.inputs.is_floating_point() else batch


def gradient_of(spec, backward, task="copy", depth=1, dtype=torch.float64, seen=None):
    network = network_of(spec, task, depth)
    row = row_of(network, dtype)
    found = torch.zeros_like(row)
    network.gradient(TASKS[task], row, found, batch_of(task, dtype), backward=replace(backward, seen=seen))
    return found


def run_readable(monkeypatch):
    """Let every network run on the readable path."""
    monkeypatch.setattr("longlag.scans.run.standard_kernel", lambda cell: None)
    monkeypatch.setattr("longlag.networks.recurrent.standard_kernel", lambda cell: None)

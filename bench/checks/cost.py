"""Costs as ratios to an update of an lstm on the same machine; for information only."""

import time
from collections.abc import Callable

import torch

from longlag import registry
from longlag.cells.support.backbone import Backbone
from longlag.networks.build import network_for
from longlag.networks.protocol import AnyNetwork
from longlag.process.state import arithmetic
from longlag.tasks.base import Task
from longlag.training.gradients import write_gradients
from longlag.values.seeding import stream

LENGTH, BATCH, HIDDEN = 50, 16, 64
_ROUNDS = 5
_LEAST_SECONDS = 0.005


def update_ratio(cell: Backbone) -> str:
    """Time a forward and backward pass of a cell against an lstm's, each on its usual path."""
    task = registry.task(f"copy:items=1,blanks={LENGTH - 2}" if cell.tokens else f"adding:length={LENGTH}")
    networks = [network_for(one, task, HIDDEN) for one in (cell, registry.cell("lstm"))]
    ours, theirs = timed([passes(network, task, BATCH) for network in networks])
    paths = " against ".join(network.path("cpu", "float32") for network in networks)
    return f"forward and backward pass take {ours / theirs:.2g} times an lstm's ({paths}; {1e3 * ours:.2g} ms)"


def draw_ratio(task: Task) -> str:
    """Time the drawing of a task's batch relative to an lstm's forward and backward pass on a batch of that size."""
    network = network_for(registry.cell("lstm"), task, HIDDEN)
    source = stream("cost")
    draw, update = timed([lambda: task.draw(source.generator(), 32), passes(network, task, 32)])
    passed = f"{draw / update:.1%} of the forward and backward pass of an lstm with {HIDDEN} units"
    return f"a batch of 32 takes {1e3 * draw:.2g} ms, {passed}"


def passes(network: AnyNetwork, task: Task, batch_size: int) -> Callable[[], object]:
    """Return a function that computes one trial's gradient."""
    row = torch.from_numpy(network.initial_row(0)).float().unsqueeze(0)
    batch = task.draw(stream("cost").generator(), batch_size)
    return lambda: write_gradients(network, task, row, torch.zeros_like(row), [batch])


def timed(works: list[Callable[[], object]]) -> list[float]:
    """Return the shortest of a few timings of each function, taken in turns on one thread."""
    with arithmetic():
        for work in works:
            work()
        rounds = [[_seconds(work) for work in works] for _ in range(_ROUNDS)]
    return [min(column) for column in zip(*rounds, strict=True)]


def _seconds(work: Callable[[], object]) -> float:
    """Return the seconds of one call, from as many calls as the clock's resolution needs."""
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < _LEAST_SECONDS:
        work()
        count += 1
    return taken / count

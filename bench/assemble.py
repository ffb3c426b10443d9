"""Assembles the network of a trial, and what its backward pass does."""

from math import inf

from bench import registry
from bench.backward import Backward
from bench.network import Network
from bench.trial import Trial
from tasks.options import UsageError


def network_of(trial: Trial) -> Network:
    """Return the network that a trial trains."""
    cell, task = registry.cell(trial.cell), registry.task(trial.task)
    return Network.for_task(cell, task, trial.hidden_size, trial.wiring)


def backward_of(trial: Trial) -> Backward:
    """Return how a trial's backward pass goes: what its clip says, and its truncation."""
    clip = registry.clip(trial.clip)
    return Backward(clip.signal_limit, trial.truncate, clip.omega)


def check_backward(cell: str, clip: str, truncate: int) -> None:
    """Refuse what a cell cannot do in its backward pass.

    Raises:
        UsageError: The clip or the truncation asks for it.
    """
    made, equations = registry.clip(clip), registry.cell(cell)
    if (made.signal_limit < inf or made.omega or truncate) and not equations.steps:
        what = f"truncate {truncate}" if truncate else f"clip {clip}"
        raise UsageError(f"{what} works between a cell's steps; cell {cell} is a module, whose steps are its own")
    if made.omega and not equations.recurrent_shapes(1):
        raise UsageError(f"clip {clip}: omega is about recurrent weights; cell {cell} has none")

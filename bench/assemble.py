"""Assembles the network of a trial."""

from bench import registry
from bench.network import Network
from bench.trial import Trial


def network_of(trial: Trial) -> Network:
    """Return the network that a trial trains."""
    cell, task = registry.cell(trial.cell), registry.task(trial.task)
    return Network.for_task(cell, task, trial.hidden_size, trial.wiring)

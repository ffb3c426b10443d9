"""Frames of networks outside training: of initial networks and of kept ones."""

from collections.abc import Sequence
from pathlib import Path

import torch

from longlag.lens.support.watching import frames_of
from longlag.networks.build import network_of
from longlag.process.state import arithmetic
from longlag.training import checkpoints
from longlag.values.frames import END, START, Frame
from longlag.values.trial import Trial


def frames_at_start(lenses: Sequence[str], trial: Trial) -> list[Frame]:
    """Return the frames of a trial's network before its first update; nothing is trained."""
    network = network_of(trial)
    row = torch.from_numpy(network.initial_row(trial.seed)).to(trial.device, getattr(torch, trial.dtype))
    with arithmetic():
        return frames_of(lenses, trial, network, row, START, 0)


def frames_of_kept(lenses: Sequence[str], trial: Trial, folder: Path, updates: int) -> list[Frame]:
    """Return the frames of a trial's initial network and of the kept one.

    Args:
        lenses: The names of lenses.
        trial: The trial.
        folder: The folder of kept networks.
        updates: The updates that its training took.

    Raises:
        UsageError: The network cannot be loaded.
    """
    kept = checkpoints.load_network(checkpoints.path_of(folder, trial.key))
    row = kept.row.to(trial.device)
    with arithmetic():
        return frames_at_start(lenses, trial) + frames_of(lenses, trial, kept.network, row, END, updates)

"""Randomness of an update: batches, noise on weights and dropout, each from a named stream."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Batch, Task
from longlag.training.evaluation import to_device
from longlag.values.seeding import stream
from longlag.values.trial import Trial


class Draws:
    """The random streams of a cohort's trials; trials of the same seed share their draws.

    Args:
        trials: Trials that differ in seed, learning rate and clip only.
        task: Their task.
        network: Their network.
    """

    def __init__(self, trials: Sequence[Trial], task: Task, network: AnyNetwork) -> None:
        self.common, self.task, self.network = trials[0], task, network
        names, cell = (task.spec, task.version), self.common.cell
        self.streams = {trial.seed: stream("batches", *names, trial.seed) for trial in trials}
        self.noises = {seed: stream("dropout", *names, cell, seed) for seed in self.streams}
        self.weight_noises = {seed: stream("weight noise", cell, seed) for seed in self.streams}

    def batches(self, update: int, seeds: Sequence[int]) -> list[Batch]:
        """Draw the batches of an update, one for each trial.

        Args:
            update: The number of the update, from 1.
            seeds: The seed of each trial.
        """
        drawn = {}
        for seed in set(seeds):
            batch = self.task.draw(self.streams[seed].generator(update), self.common.batch_size)
            drawn[seed] = to_device(batch, self.common.device, getattr(torch, self.common.dtype))
        return [drawn[seed] for seed in seeds]

    def with_noise(self, update: int, seeds: Sequence[int], parameters: Tensor) -> Tensor:
        """Return the weights that an update reads: the parameters, plus Gaussian noise if the trials have any.

        Args:
            update: The number of the update, from 1.
            seeds: The seed of each of S trials.
            parameters: (S, P), which are left as they are.

        Returns:
            The weights, (S, P).
        """
        if not self.common.weight_noise:
            return parameters
        layout, drawn = self.network.layout, {}
        for seed in set(seeds):
            generator = self.weight_noises[seed].generator(update)
            noise = {slot.name: generator.standard_normal(slot.shape) for slot in layout.slots}
            row = layout.row({name: value * (name not in self.network.frozen) for name, value in noise.items()})
            drawn[seed] = torch.from_numpy(row * self.common.weight_noise).to(parameters)
        return parameters + torch.stack([drawn[seed] for seed in seeds])

    def dropout(self, update: int, seed: int) -> np.random.Generator | None:
        """Return a new generator for the dropout of an update; None without dropout."""
        if not (self.common.dropout or self.network.makes_noise):
            return None
        return self.noises[seed].generator(update)

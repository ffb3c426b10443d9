"""The gradients of a cohort, a trial at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward


def write_gradients(
    network: AnyNetwork,
    task: Task,
    parameters: Tensor,
    gradients: Tensor,
    batches: Sequence[Batch],
    noises: Sequence[np.random.Generator | None] | None = None,
    backwards: Sequence[Backward] | None = None,
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
        noises: One for each trial, from which dropout draws; nothing is dropped where there is none.
        backwards: How each trial's backward pass goes; by the chain rule alone if not given.
    """
    rows = zip(
        parameters,
        gradients,
        batches,
        noises or [None] * len(batches),
        backwards or [PLAIN] * len(batches),
        strict=True,
    )
    return torch.stack([network.gradient(task, *of_trial) for of_trial in rows])

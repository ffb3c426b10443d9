"""Computes the gradients of a cohort, one trial at a time."""

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

    Trials are computed one at a time, because matrix products and vectorised functions choose their order of summation
    and their rounding by shape and place, and a trial's numbers must not depend on the trials beside it.

    Args:
        network: The network of every trial.
        task: Its task.
        parameters: (S, P), a row for each trial.
        gradients: (S, P), overwritten; padding stays zero.
        batches: A batch for each trial; trials may share one.
        noises: For each trial the generator of its dropout, or None; by default nothing is dropped.
        backwards: The rules of each trial's backward pass; by default the chain rule alone.
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

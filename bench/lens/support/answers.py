"""The number per sequence that lenses differentiate: the answer's margin at its last scored step.

For classes it is the target's logit minus the log-sum-exp of the others, which is the log odds of the right answer;
unlike the loss's gradient, that of the margin does not vanish once the answer is right. In regression it is the sum of
the outputs.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from longlag.tasks.base import Batch


def margins(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the margin of each answer, (N,), from outputs (N, O) and classes (N,) or values (N, O).

    >>> margins(torch.tensor([[2.0, 0.5]]), torch.tensor([0]))
    tensor([1.5000])
    """
    if targets.is_floating_point():
        return outputs.sum(-1)
    right = one_hot(targets, outputs.shape[-1]).bool()
    others = outputs.masked_fill(right, -torch.inf).logsumexp(-1)
    return outputs.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - others


def last_scored(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the last scored step of each sequence, (B,), -1 if there is none, and its index among the N scored steps.

    >>> mask = torch.tensor([[True, False], [True, True], [False, False]])
    >>> [part.tolist() for part in last_scored(Batch(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), mask))]
    [[1, 1], [1, 2]]
    """
    width = batch.mask.shape[1]
    columns, steps = batch.scored % width, batch.scored // width
    places = torch.arange(len(batch.scored), device=columns.device)
    none = columns.new_full((width,), -1)
    return none.scatter_reduce(0, columns, steps, "amax"), none.scatter_reduce(0, columns, places, "amax")


def last_margins(outputs: Tensor, batch: Batch) -> Tensor:
    """Return the margin at each sequence's last scored step, (B',): sequences without one are left out.

    Args:
        outputs: (N, O), at the scored steps.
        batch: The batch of the outputs.
    """
    places = last_scored(batch)[1]
    places = places[places >= 0]
    return margins(outputs.index_select(0, places), batch.targets.index_select(0, places))

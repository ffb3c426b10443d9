"""Functions that the equations of several cells share."""

import torch
from torch import Tensor


def skew(values: Tensor, size: int) -> Tensor:
    """Make a skew-symmetric matrix from its strict upper triangle, row by row.

    >>> skew(torch.tensor([1, 2, 3]), 3)
    tensor([[ 0,  1,  2],
            [-1,  0,  3],
            [-2, -3,  0]])

    Args:
        values: (N,), N = size (size - 1) / 2; or (S, 1, N) with a trial axis.
        size: Of the matrix (size, size); or (S, size, size).
    """
    upper = values.new_zeros(*values.shape[:-2], size, size)
    rows, columns = torch.triu_indices(size, size, 1, device=values.device)
    upper[..., rows, columns] = values.squeeze(-2) if values.ndim > 1 else values
    return upper - upper.mT


def modrelu(signal: Tensor, bias: Tensor) -> Tensor:
    """Return ``signal`` with its magnitude changed by the bias, or 0 where none is left (Arjovsky et al. 2016).

    >>> modrelu(torch.tensor([-3.0, 0.5, 2.0]), torch.tensor(-1.0))
    tensor([-2.,  0.,  1.])
    """
    return signal.sign() * torch.relu(signal.abs() + bias)

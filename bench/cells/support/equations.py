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
        size: The size of the matrix, (size, size); or (S, size, size) with a trial axis.
    """
    upper = values.new_zeros(*values.shape[:-2], size, size)
    rows, columns = torch.triu_indices(size, size, 1, device=values.device)
    upper[..., rows, columns] = values.squeeze(-2) if values.ndim > 1 else values
    return upper - upper.mT


def by_unit(state: Tensor, weight: Tensor) -> Tensor:
    """Return the products of a state with diagonal matrices, side by side; a matrix is given by its diagonal.

    >>> by_unit(torch.tensor([[1, 2]]), torch.tensor([3, 4, 5, 6]))
    tensor([[ 3,  8,  5, 12]])

    Args:
        state: (B, H); or (S, B, H) with a trial axis.
        weight: (G·H,) for G matrices; or (S, 1, G·H).
    """
    diagonals = weight.reshape(*weight.shape[:-1], -1, state.shape[-1])
    return (state.unsqueeze(-2) * diagonals).flatten(-2)


def modrelu(signal: Tensor, bias: Tensor) -> Tensor:
    """Return sign(signal) max(|signal| + bias, 0), the modReLU of Arjovsky et al. (2016).

    >>> modrelu(torch.tensor([-3.0, 0.5, 2.0]), torch.tensor(-1.0))
    tensor([-2.,  0.,  1.])
    """
    return signal.sign() * torch.relu(signal.abs() + bias)

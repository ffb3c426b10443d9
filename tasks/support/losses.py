"""The losses that a task can name: means whose gradient by the outputs is known in closed form."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "squared_error": mse_loss,
    "binary_cross_entropy": binary_cross_entropy_with_logits,
}
"""By name: outputs (N, O) and targets, (N,) classes or (N, O) values, to a scalar.

``cross_entropy`` is the mean over the N answers of log(sum_o exp(z_o)) - z_t, ``squared_error`` the mean over all
numbers of (z - t)², ``binary_cross_entropy`` the mean over all numbers of log(1 + exp(z)) - t z.
"""

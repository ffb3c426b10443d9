"""Adam's running moments, which several optimisers step by."""

from torch import Tensor

from longlag.optimisers.base import OptimiserState, Update


def adam_direction(update: Update, state: OptimiserState, beta1: float, beta2: float, eps: float) -> Tensor:
    """Return Adam's step at learning rate 1, (S, P): Kingma & Ba 2015, algorithm 1.

    Args:
        update: The update.
        state: The running quantities; ``mean`` and ``square`` are changed in place.
        beta1: Decay of the mean.
        beta2: Decay of the mean square.
        eps: Added to the root.
    """
    gradients, mean, square = update.gradients, state["mean"], state["square"]
    mean.mul_(beta1).add_(gradients * (1 - beta1))
    square.mul_(beta2).add_(gradients.square().mul_(1 - beta2))
    root = square.sqrt().mul_(update.each(lambda n: 1 / (1 - beta2**n) ** 0.5)).add_(eps)
    return (mean * update.each(lambda n: 1 / (1 - beta1**n))).div_(root)

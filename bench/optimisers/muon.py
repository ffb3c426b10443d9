"""Muon: the momentum of a matrix, with singular values brought near 1; AdamW for all tensors that are not matrices.

B <- μ B + (1 - μ) g      θ <- θ - η (λ θ + f orthogonal((1 - μ) g + μ B))

`orthogonal` is a few steps of Newton and Schulz's iteration with a quintic polynomial. A matrix is a logical one: of a
weight that holds several gates side by side, each gate's. f makes one rate fit all shapes: sqrt(max(1, out / in))
(Jordan et al. 2024), or .2 sqrt(max(out, in)), with which steps are as long as AdamW's (Liu et al. 2025, equation 4).
It is computed in the trial's own precision, where the authors use bfloat16.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor

from longlag.optimisers.base import Optimiser, OptimiserState, Update, option
from longlag.optimisers.support.moments import adam_direction

POLYNOMIAL = (3.4445, -4.7750, 2.0315)
"""a, b, c of a X + b X X^T X + c (X X^T)² X: steepest at zero; iterated, it brings singular values near 1."""
SMALLEST_NORM = 1e-7
"""The smallest norm by which a matrix is divided, as in the authors' program."""


@dataclass(frozen=True)
class Muon(Optimiser):
    """Orthogonalised momentum for the matrices of scan and readout, AdamW for biases and other vectors."""

    reference: ClassVar[str] = "Jordan et al. 2024; Liu et al. 2025, section 2.2"
    memory: ClassVar[tuple[str, ...]] = ("momentum", "mean", "square")
    decoupled_decay: ClassVar[bool] = True

    momentum: float = option(0.95, "decay of a matrix's momentum", low=0, high=0.999999)
    nesterov: bool = option(True, "step along an average of gradient and momentum")
    steps: int = option(5, "steps of the iteration", low=1, high=99)
    scale: str = option(
        "match_rms_adamw", "factor on a matrix's step, named as in torch.optim.Muon",
        choices=("match_rms_adamw", "original"),
    )  # fmt: skip
    beta1: float = option(0.9, "decay of a vector's mean", low=0, high=0.999999)
    beta2: float = option(0.999, "decay of a vector's mean square", low=0, high=0.999999)
    eps: float = option(1e-8, "added to a vector's root", low=1e-30, high=1)  # above 0: padding divides by it

    def direction(self, update: Update, state: OptimiserState) -> Tensor:
        gradients, momentum = update.gradients, state["momentum"]
        momentum.mul_(self.momentum).add_(gradients * (1 - self.momentum))
        towards = (gradients * (1 - self.momentum)).add_(momentum * self.momentum) if self.nesterov else momentum
        step = adam_direction(update, state, self.beta1, self.beta2, self.eps)
        for slot in update.layout.slots:
            if len(slot.shape) > 1:
                for given, target in zip(slot.part_views(towards), slot.part_views(step), strict=True):
                    for matrix, of in zip(
                        given, target, strict=True
                    ):  # a trial at a time, since the rounding of products depends on shapes
                        self._step(matrix.movedim(slot.unit_axis, 0), of.movedim(slot.unit_axis, 0))
        return step

    def _step(self, matrix: Tensor, target: Tensor) -> None:
        """Write the step of a matrix into ``target``; both have their units along the first axis."""
        rows = matrix.flatten(1)
        target.copy_((orthogonal(rows, self.steps) * self._factor(*rows.shape)).reshape(target.shape))

    def _factor(self, outputs: int, inputs: int) -> float:
        if self.scale == "original":
            return sqrt(max(1.0, outputs / inputs))
        return 0.2 * sqrt(max(outputs, inputs))


def orthogonal(matrix: Tensor, steps: int) -> Tensor:
    """Return U S' V^T for a matrix (M, N) that is U S V^T, with the entries of S' near 1.

    Args:
        matrix: The matrix.
        steps: Steps of the iteration.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    product = (matrix.T if tall else matrix).clone(memory_format=torch.contiguous_format)
    product.div_(torch.linalg.vector_norm(product).clamp(min=SMALLEST_NORM))
    a, b, c = POLYNOMIAL
    for _ in range(steps):
        gram = product @ product.T
        product = product * a + (gram * b + gram @ gram * c) @ product
    return product.T if tall else product

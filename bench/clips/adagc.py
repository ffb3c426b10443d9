"""Adaptive clipping by tensor, against an average of the tensor's own clipped norms.

first warmup updates:  g <- g * min(1, l / |g|) over all parameters     y_k <- min(y_k, |g_k|)
then, each tensor k:   g_k <- g_k * min(1, r y_k / |g_k|)               y_k <- b y_k + (1 - b) |g_k|

|g_k| in the averages is the norm after clipping. A tensor is a logical one: one for each gate, as in the equations. A
tensor whose gradient was zero so far has no y_k and no limit: a running minimum of 0 would silence it for good.
"""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE, Clip, Context, option, row_norms, threshold
from longlag.values.layout import Layout


@dataclass(frozen=True)
class AdaGC(Clip):
    """Clipping of each tensor at ``lambda_rel`` times its average norm."""

    summary: ClassVar[str] = "gradient of each tensor kept below r times the average of its clipped norms so far"
    reference: ClassVar[str] = "Wang et al. 2025 (arXiv 2502.11034), algorithm 1; r = 1.05 there"

    lambda_rel: float = threshold("r, the largest ratio of a tensor's gradient norm to its average")
    lambda_abs: float = option(1.0, "l, the largest norm of the gradient in the warm-up", low=1e-30, high=1e30)
    beta: float = option(0.98, "b, the decay of the averages", low=0, high=0.999999)
    warmup: int = option(100, "updates of the warm-up", low=1, high=10_000_000)

    def memory_size(self, layout: Layout) -> int:
        return 1 + 2 * layout.num_tensors

    def observe(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        count, average, before = _remembered(context)
        before.copy_(average)
        warming = (count < self.warmup).unsqueeze(1)
        taken = _lengths(gradients, context.layout) * self._factors(gradients, norms, context, warming)
        least = torch.where(average > 0, torch.minimum(average, taken), taken)
        decayed = torch.where(average > 0, self.beta * average + (1 - self.beta) * taken, taken)
        known = norms.isfinite().unsqueeze(1)
        average.copy_(torch.where(known & (~warming | (taken > 0)), torch.where(warming, least, decayed), average))
        count.add_(known.squeeze(1))

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        warming = self._in_warmup(context)
        factors = self._factors(gradients, norms, context, warming)
        parts = (part for slot in context.layout.slots for part in slot.part_views(gradients))
        for part, factor in zip(parts, factors.unbind(1), strict=True):
            part.mul_(factor.view(-1, *[1] * (part.ndim - 1)))

    def _in_warmup(self, context: Context) -> Tensor:
        """Return whether each trial's last observed update belongs to the warm-up, (R, 1) bool."""
        return (_remembered(context)[0] <= self.warmup).unsqueeze(1)

    def _factors(self, gradients: Tensor, norms: Tensor, context: Context, warming: Tensor) -> Tensor:
        """Return the factor on each tensor's gradient, (R, T)."""
        before, lengths = _remembered(context)[2], _lengths(gradients, context.layout)
        limits = torch.where(before > 0, self.lambda_rel * before, inf)
        own = torch.where(lengths > limits, limits / lengths, 1.0)
        joint = torch.where(norms > self.lambda_abs, self.lambda_abs / norms, 1.0).unsqueeze(1)
        return torch.where(warming, joint, own)

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        """Return whether norms keep the limits, and whether the averages were updated with the gradients taken."""
        _, average, before = _remembered(context)
        warming = self._in_warmup(context).squeeze(1)
        old, new = _lengths(raw, context.layout), _lengths(taken, context.layout)
        limited = torch.minimum(old, torch.where(before > 0, self.lambda_rel * before, inf))
        joint = raw_norms.clamp(max=self.lambda_abs)
        shares = old * (joint / raw_norms.clamp(min=1e-300)).unsqueeze(1)
        promised = torch.where(warming.unsqueeze(1), shares, limited)
        fed = torch.where(before > 0, self.beta * before + (1 - self.beta) * new, new)
        least = torch.where(before > 0, torch.where(new > 0, torch.minimum(before, new), before), new)
        expected = torch.where(warming.unsqueeze(1), least, fed)
        pairs = ((new, promised), (average, expected))
        return torch.stack([((one - other).abs() <= TOLERANCE * other).all(1) for one, other in pairs]).all(0)


def _lengths(gradients: Tensor, layout: Layout) -> Tensor:
    """Return the norm of each tensor, (R, T) float64."""
    parts = [part for slot in layout.slots for part in slot.part_views(gradients)]
    return torch.stack([row_norms(part.flatten(1)) for part in parts], 1)


def _remembered(context: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Return the updates so far (R,), each tensor's average (R, T), and its average before this update, as views."""
    tensors, memory = context.layout.num_tensors, context.memory
    return memory[:, 0], memory[:, 1 : 1 + tensors], memory[:, 1 + tensors : 1 + 2 * tensors]

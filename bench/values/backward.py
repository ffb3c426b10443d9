"""Rules of a backward pass through time in addition to the chain rule, and a record of its signal.

A layer's backward signal d_t is the gradient of the loss by the states after step t, one for each state: for an LSTM by
h_t and by c_t, the latter without its path through h_t, which belongs to the step. With e_t the part that the loss and
the layer above send to step t itself,

    d_t = clip(e_t + J_{t+1}^T d_{t+1}, -c, c)      J_{t+1} = ds_{t+1} / ds_t

entry by entry (``state:c``), and without J_{t+1}^T d_{t+1} where step t + 1 begins a chunk of k steps, counted from the
first step of the sequence (``--truncate k``). The gradients of weights follow from d_t at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor


@dataclass(frozen=True)
class Signal:
    """The signal of a backward pass through one scan: arrays of zeros that the pass fills.

    Attributes:
        inputs: The scan's inputs, tokens (T, B) or vectors (T, B, I), in the scan's order.
        before: The states before each step, (T, B, ...) each.
        arriving: (T, B, H), the gradient of the loss by the outputs.
        passed: The backward signal d_t after clipping, (T, B, ...) for each state.
    """

    inputs: Tensor
    before: tuple[Tensor, ...]
    arriving: Tensor
    passed: tuple[Tensor, ...]

    @classmethod
    def blank(cls, inputs: Tensor, start: Sequence[Tensor], hidden_size: int) -> "Signal":
        """Make a signal of zeros for a scan over inputs from start states (B, ...)."""
        steps, batch = inputs.shape[:2]
        along = [part.new_zeros(steps, *part.shape) for part in start]
        arriving = start[0].new_zeros(steps, batch, hidden_size)
        return cls(inputs.detach().clone(), tuple(along), arriving, tuple(map(torch.zeros_like, along)))

    def over(self, steps: slice) -> "Signal":
        """Return the signal at some time steps, in the same memory."""
        before, passed = (tuple(part[steps] for part in parts) for parts in (self.before, self.passed))
        return Signal(self.inputs[steps], before, self.arriving[steps], passed)

    def listen(self, outputs: Tensor) -> None:
        """Record the gradient at the outputs when the backward pass reaches them."""
        if outputs.requires_grad:
            outputs.register_hook(self._arrive)  # type: ignore[no-untyped-call]

    def _arrive(self, arriving: Tensor) -> None:
        self.arriving.copy_(arriving)

    def fill(self, before: Sequence[Tensor], arriving: Tensor, passed: Sequence[Tensor]) -> None:
        """Copy the signal of a pass into this one."""
        self.arriving.copy_(arriving)
        for own, given in zip((*self.before, *self.passed), (*before, *passed), strict=True):
            own.copy_(given)


@dataclass(frozen=True)
class Backward:
    """The rules of a backward pass through time; the default is the chain rule alone.

    Attributes:
        signal_limit: c, the largest entry of the backward signal in absolute value.
        truncate: k, the steps of a chunk; 0 leaves the sequence whole.
        omega: The factor of Pascanu's regulariser (`longlag.networks.omega`).
        seen: Receives the signal of each scan, from the bottom layer up, in the forward pass; the backward pass fills
            it. None: no signal is kept.
    """

    signal_limit: float = inf
    truncate: int = 0
    omega: float = 0.0
    seen: list[Signal] | None = field(default=None, compare=False, repr=False)

    def watch(self, inputs: Tensor, start: Sequence[Tensor], hidden_size: int) -> Signal | None:
        """Return a blank signal for a scan to fill (`Signal.blank`); None where no signal is kept."""
        if self.seen is None:
            return None
        self.seen.append(Signal.blank(inputs, start, hidden_size))
        return self.seen[-1]

    def cuts(self, t: int) -> bool:
        """Return whether the backward signal is cut between step ``t``, counted from 0, and the step before.

        >>> [t for t in range(8) if Backward(truncate=3).cuts(t)]
        [3, 6]
        """
        return self.truncate > 0 and t > 0 and t % self.truncate == 0


PLAIN = Backward()

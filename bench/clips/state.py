"""Clipping inside the backward pass: of the signal that goes from step to step, not of the resulting gradient.

d_t <- clip(d_t, -c, c), entry by entry, at every step of the backward pass, before d_t is used

d_t is the gradient of the loss by the states after step t, h_t and, in an LSTM, c_t, later steps' parts included
(`longlag.values.backward`). Early LSTM trainers clipped derivatives within the network in a similar way (Graves 2013,
section 2.1: those by the gates' inputs, which lie between d_t and d_{t-1}). The effect of c depends on the batch size,
since the loss is a mean.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from longlag.clips.base import Clip, Context, threshold


@dataclass(frozen=True)
class ClipState(Clip):
    """Every entry of the backward signal is clipped to ``[-max_signal, max_signal]`` at every step."""

    summary: ClassVar[str] = "backward signal by the states clipped to [-c, c] at every step, inside the backward pass"
    reference: ClassVar[str] = "Graves 2013, section 2.1"
    in_backward: ClassVar[bool] = True

    max_signal: float = threshold("c, the largest entry of the backward signal")

    @property
    def signal_limit(self) -> float:
        return self.max_signal

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        pass

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        return (raw == taken).all(1)

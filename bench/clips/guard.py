"""The guard of Pascanu's program: a gradient that cannot be trusted shrinks the recurrent weights instead.

g_U <- .02 U, and 0 for every other tensor,   if |g| is not finite or above 1e10

U are the recurrent weights: shrinking them ends the explosion of the signal. In the authors' program only the runs with
clipping have the guard (``norm:1+guard``). A trial whose loss is not finite goes on.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from longlag.clips.base import Clip, Context

LARGEST = 1e10
"""The norm above which the authors do not trust a float32 gradient."""
SHARE = 0.02
RECURRENT = "recurrent_weight"
"""The names of the tensors that it shrinks."""


@dataclass(frozen=True)
class Guard(Clip):
    """Replaces gradients that are not finite or too large."""

    summary: ClassVar[str] = "a gradient not finite or above 1e10 becomes .02 of the recurrent weights, 0 elsewhere"
    reference: ClassVar[str] = "the program of Pascanu, Mikolov & Bengio 2013"
    guards: ClassVar[bool] = True

    def replaced(self, norms: Tensor) -> Tensor:
        return ~(norms <= LARGEST)  # also true of NaN

    def apply(self, gradients: Tensor, norms: Tensor, context: Context) -> None:
        replaced = self.replaced(norms).unsqueeze(1)
        gradients.copy_(torch.where(replaced, _instead(context), gradients))

    def holds(self, raw: Tensor, taken: Tensor, raw_norms: Tensor, taken_norms: Tensor, context: Context) -> Tensor:
        return torch.where(self.replaced(raw_norms), (taken == _instead(context)).all(1), (raw == taken).all(1))


def _instead(context: Context) -> Tensor:
    """Return the gradients that replace others, (R, P)."""
    replacement = torch.zeros_like(context.parameters)
    for slot in context.layout.slots:
        if slot.name.rpartition(".")[2] == RECURRENT:
            place = slice(slot.offset, slot.offset + slot.size)
            replacement[:, place] = context.parameters[:, place] * SHARE
    return replacement

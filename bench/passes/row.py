"""A trial's row with the passes that clip its gradient and move its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longlag.clips.base import Clip
from longlag.optimisers.base import Optimiser
from longlag.passes.clips import ClipPass, clip_row, pass_of
from longlag.passes.optimisers import Step, step_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Passes:
    """What is done to a row after its backward pass, whichever row it is."""

    setting: ClipPass
    step: Step


@dataclass(frozen=True)
class Row:
    """One trial's row, in the memory of its cohort's matrices.

    Attributes:
        passes: What is done to it.
        parameters: (P,).
        gradients: (P,).
        memory: (P,) each, the optimiser's running quantities in their order.
    """

    passes: Passes
    parameters: Array
    gradients: Array
    memory: Sequence[Array]

    def clip(self, noted: Array) -> None:
        """Clip the gradient in place; write what the ledger notes of it, (4,) float64 (`longlag.passes.noted`)."""
        clip_row(*self.passes.setting, self.gradients, noted)

    def move(self, rate: float, count: int) -> float:
        """Move the parameters, at a learning rate, in the count-th update; return their norm."""
        return self.passes.step.take(self.parameters, self.gradients, self.memory, rate, count)


def passes_of(clip: Clip, optimiser: Optimiser, weight_decay: float) -> Passes | None:
    """Return the passes of a clip and an optimiser; None where either has none."""
    setting, step = pass_of(clip), step_of(optimiser, weight_decay)
    return None if setting is None or step is None else Passes(setting, step)

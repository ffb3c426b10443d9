"""A trial's row with the passes that clip its gradient and update its parameters."""

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
    """The clip's pass and the optimiser's pass, which every row of a block shares."""

    setting: ClipPass
    step: Step


@dataclass(frozen=True)
class Row:
    """One trial's row, as views of its cohort's matrices.

    Attributes:
        passes: The passes over it.
        parameters: (P,), the trial's parameters.
        gradients: (P,), the trial's gradients.
        memory: The optimiser's running quantities, (P,) each, in the order of `Optimiser.memory`.
    """

    passes: Passes
    parameters: Array
    gradients: Array
    memory: Sequence[Array]

    def clip(self, noted: Array) -> None:
        """Clip the gradient in place, and write the ledger's notes into ``noted``, (4,) (`longlag.passes.noted`)."""
        clip_row(*self.passes.setting, self.gradients, noted)

    def move(self, rate: float, count: int) -> float:
        """Update the parameters at a learning rate, in the optimiser's ``count``-th update; return their norm."""
        return self.passes.step.take(self.parameters, self.gradients, self.memory, rate, count)


def passes_of(clip: Clip, optimiser: Optimiser, weight_decay: float) -> Passes | None:
    """Return the passes of a clip and an optimiser; None if either has none."""
    setting, step = pass_of(clip), step_of(optimiser, weight_decay)
    return None if setting is None or step is None else Passes(setting, step)

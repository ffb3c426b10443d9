"""Memorisation: a short pattern is held while one distractor repeats, and written down at a cue.

With a pattern of 3 bits and 4 distractors, a sequence reads (``.`` distractor, ``>`` cue)::

    inputs    a b a . . . . > . .
    targets   . . . . . . . a b a     (all steps are trained on; the error is that of the last 3)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import letters
from longlag.tasks.support.options import option

PATTERNS = {"bits": (5, 2), "symbols": (10, 5)}  # how many, out of how many


@dataclass(frozen=True)
class Memorisation(ClassTask):
    """K items, T distractors, and K steps of recall, the first with the cue: T + 2K time steps.

    The pattern is 5 bits or 10 symbols out of 5. An item lies ``lag`` = T + K steps before its answer, and without it
    nothing beats guessing. As in the papers every step has a target, a blank until the cue, and the loss is the mean
    over all of them, so that it says little about the memory: the error is taken over the recall steps only. With
    ``wrong=sequences`` it is Pascanu et al.'s, the share of sequences with any wrong step, recall or not; without
    memory that is 1 - 1/patterns.

    There are only 32 patterns of 5 bits, and all of them occur in training.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Martens & Sutskever 2011, noiseless memorization; Pascanu, Mikolov & Bengio 2013"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "distractors"
    reduction: ClassVar[str] = "cross-entropy, mean over all steps"
    solved_below: ClassVar[float] = 0.01

    pattern: str = option("bits", "5 bits, or 10 symbols out of 5", choices=tuple(PATTERNS))
    distractors: int = option(100, "steps from the last item to the cue (T)", low=1, high=100_000)

    wrong: str = option("symbols", "recalled symbols, or sequences for any step", choices=("symbols", "sequences"))

    @property
    def error_name(self) -> str:
        return "wrong recalled symbols (share)" if self.wrong == "symbols" else "sequences with a wrong step (share)"

    @property
    def input_size(self) -> int:
        return PATTERNS[self.pattern][1] + 2  # the symbols, the distractor, the cue

    @property
    def output_size(self) -> int:
        return PATTERNS[self.pattern][1] + 1  # the symbols, the blank

    @property
    def length(self) -> int:
        return self.distractors + 2 * PATTERNS[self.pattern][0]

    @property
    def lag(self) -> int:
        return self.distractors + PATTERNS[self.pattern][0]

    def floor(self, window: int) -> float:
        items, values = PATTERNS[self.pattern]
        guessed = 1 if self.wrong == "symbols" else items
        return 0.0 if window > self.lag else 1 - float(values) ** -guessed

    @property
    def partial_floors(self) -> Mapping[str, float]:
        items, values = PATTERNS[self.pattern]
        return {"all items but one": (1 - 1 / values) / (items if self.wrong == "symbols" else 1)}

    @property
    def token_names(self) -> Sequence[str]:
        return [*letters(PATTERNS[self.pattern][1]), ".", ">"]

    @property
    def class_names(self) -> Sequence[str]:
        return [*letters(PATTERNS[self.pattern][1]), "."]

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        items, values = PATTERNS[self.pattern]
        pattern = as_tokens(generator.integers(values, size=(items, batch_size)))
        inputs, targets = memorised(pattern, self.distractors, values)
        position = torch.arange(items).repeat_interleave(batch_size)
        mask = torch.ones(inputs.shape, dtype=torch.bool)
        return Batch(inputs, targets.flatten(), mask, slices={"position": position} if self.wrong == "symbols" else {})

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        wrong = super().errors(outputs, batch).view(batch.mask.shape)
        return wrong.amax(0) if self.wrong == "sequences" else wrong[-PATTERNS[self.pattern][0] :].flatten()

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs < PATTERNS[self.pattern][1]

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return inputs[PATTERNS[self.pattern][0] - 1]


def memorised(pattern: Tensor, distractors: int, values: int) -> tuple[Tensor, Tensor]:
    """Lay out inputs and targets, (T + 2K, B) each, around patterns, (K, B), of symbols below ``values``.

    >>> inputs, targets = memorised(torch.tensor([[0], [1]]), distractors=3, values=2)
    >>> inputs.flatten().tolist(), targets.flatten().tolist()
    ([0, 1, 2, 2, 2, 3, 2], [2, 2, 2, 2, 2, 0, 1])
    """
    rest = pattern.new_full((distractors + len(pattern), pattern.shape[1]), values)
    inputs, targets = torch.cat([pattern, rest]), torch.cat([rest, pattern])
    inputs[len(rest)] = values + 1
    return inputs, targets

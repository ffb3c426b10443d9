"""The adding problem: two numbers are marked somewhere in a long list; their sum is asked for at the end.

A sequence of 6 steps (the first marker lies in the first half, the second in the second half)::

    values    .3  .9  .1  .4  .7  .2
    markers    0   1   0   0   1   0
    target                        1.6     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, Task
from longlag.tasks.support.drawing import TwoMarkers, ask_once
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option

RULES = {"arjovsky2016": "halves", "pascanu2013": "tenths", "hochreiter1997": "first_ten", "tcn2018": "anywhere"}
SHORTEST = {"halves": 2, "tenths": 11, "first_ten": 26, "anywhere": 2}


@dataclass(frozen=True)
class Adding(Task):
    """Pairs (value, marker); the target, asked for at the end, is the sum of the two marked values.

    Values are uniform on [0, 1]. Each has variance 1/12: the error of the constant answer 1 is 1/6, that of a network
    which knows one of the two values 1/12. A window of k of T steps misses both markers with some probability; for even
    T its floor is (1 - k/T) / 6. `solved_below` can therefore be reached with less than the whole sequence: `min_lag`.

    `arjovsky2016` marks a step in each half, `tcn2018` any two steps. The other variants draw a length L for every
    sequence, from S up to 1.1 S, of which `length` is the longest (S = 100 is ``length=110``), and count wrong answers:

    - `pascanu2013` marks a step in the first tenth of L and one in the next four tenths. The target is half the sum. An
      answer is wrong if its squared error is .04 or more: .36 of them are without either value, .2 with one.
    - `hochreiter1997` has values on [-1, 1] and marks one of the first ten steps and another one of the first
      S/2 - 1. The first and the last step have the marker -1; if the first step is a marked one, its value becomes 0.
      The target is .5 + sum/4. An answer is wrong if its error is .04 or more: about .846 of them are without either
      value, .84 with one. The paper requires 2,000 right answers in a row, `solved_below` a share below .001 of wrong
      ones.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Le, Jaitly & Hinton 2015, section 4.1; Arjovsky, Shah & Bengio 2016, section 4.2"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    dial: ClassVar[str] = "length"
    loss_name: ClassVar[str] = "squared_error"
    reduction: ClassVar[str] = "squared error, mean over sequences"

    length: int = option(100, "time steps of the longest sequence (T)", low=2, high=100_000)
    variant: str = option("arjovsky2016", "the paper whose rules hold", choices=tuple(RULES))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < (least := SHORTEST[RULES[self.variant]]):
            raise UsageError(f"task adding: {self.variant} needs a length of at least {least}, not {self.length}")

    @property
    def markers(self) -> TwoMarkers:
        """Where the two markers lie."""
        return TwoMarkers(RULES[self.variant], self.length)

    @property
    def _tolerance(self) -> float | None:
        """The smallest absolute error of a wrong answer; None where the error is the squared error."""
        return {"pascanu2013": 0.2, "hochreiter1997": 0.04}.get(self.variant)

    @property
    def error_name(self) -> str:
        return "squared error of the sum" if self._tolerance is None else "wrong sums (share)"

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 1

    @property
    def lag(self) -> int:
        return self.length

    @property
    def solved_below(self) -> float:
        return 0.001 if self.variant == "hochreiter1997" else 0.01

    def floor(self, window: int) -> float:
        one, both = self.markers.unseen(window)
        if self.variant == "pascanu2013":
            return 0.2 * one + 0.36 * both
        if self.variant == "hochreiter1997":  # a value of 0 on the first step is as good as known
            other_one, other_both = self.markers.unseen(window, above=1)
            return 0.84 * (other_one + both - other_both) + 0.8464 * other_both
        return (one + 2 * both) / 12

    @property
    def partial_floors(self) -> Mapping[str, float]:
        known = {"pascanu2013": 0.2, "hochreiter1997": 0.84 * self.markers.unseen(0, above=1)[1]}
        return {"one of the two values": known.get(self.variant, 1 / 12)}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        values = generator.random((self.length, batch_size), dtype=np.float32)
        one, other, lengths = self.markers.draw(generator, batch_size)
        column = np.arange(batch_size)
        markers = np.zeros_like(values)
        markers[one, column] = 1
        markers[other, column] = 1
        if self.variant == "hochreiter1997":
            values = 2 * values - 1
            values[0, markers[0] == 1] = 0
            markers[0] = markers[lengths - 1, column] = -1
        varied = {"length": lengths} if len(self.markers.lengths) > 1 else {}
        inputs = np.stack([values, markers], axis=2)
        if varied:
            inputs[np.arange(self.length)[:, None] >= lengths] = 0
        return ask_once(torch.from_numpy(inputs), self._sums(inputs), lengths - 1, varied, lengths=bool(varied))

    def _sums(self, inputs: np.ndarray) -> np.ndarray:
        """Return the targets of (T, B, 2) inputs, (B, 1)."""
        sums = marked_sum(inputs)[:, None]
        targets: np.ndarray = {"pascanu2013": sums / 2, "hochreiter1997": 0.5 + sums / 4}.get(self.variant, sums)
        return targets

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        away = (outputs - batch.targets).squeeze(1)
        return away.square() if self._tolerance is None else (~(away.abs() < self._tolerance)).to(outputs.dtype)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs[..., 1] > 0

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return torch.from_numpy(self._sums(inputs.numpy()))


def marked_sum(inputs: np.ndarray) -> np.ndarray:
    """Sum the marked values of (T, B, 2) inputs over time, (B,).

    >>> marked_sum(np.array([[[0.5, 1.0]], [[0.9, 0.0]], [[0.25, 1.0]]]))
    array([0.75])
    """
    sums: np.ndarray = (inputs[..., 0] * (inputs[..., 1] > 0)).sum(0)
    return sums

"""The multiplication problem: two numbers are marked in a long list; their product is asked for at the end.

A sequence of 6 steps (the first marker lies in the first half, the second in the second half)::

    values    .3  .9  .1  .4  .7  .2
    markers    0   1   0   0   1   0
    target                        .63     (scored: the last step)
"""

import math
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

RULES = {"halves": "halves", "pascanu2013": "tenths", "hochreiter1997": "first_ten"}
SHORTEST = {"halves": 2, "tenths": 11, "first_ten": 26}
TOLERANCES = {"pascanu2013": 0.2, "hochreiter1997": 0.04}


@dataclass(frozen=True)
class Multiplication(Task):
    """Pairs (value, marker), values uniform on [0, 1]; the target is the product of the two marked values.

    The product's variance is 7/144: that is the error of the constant answer 1/4. With one value known, half of it is
    the best answer, with an error of 1/36.

    `halves` marks a step in each half. The other variants draw a length L for every sequence, from S up to 1.1 S, of
    which `length` is the longest (S = 100 is ``length=110``), and count answers whose error is a tolerance or more:

    - `pascanu2013`, .2 (a squared error of .04): a marker in the first tenth of L, one in the next four tenths.
    - `hochreiter1997`, .04: one of the first ten steps and another one of the first S/2 - 1. The first and the last
      step have the marker -1; if the first step is a marked one, its value becomes 1. The paper allows 140 or 13 wrong
      answers in 2,000 sequences; `solved_below` is the stricter share, 13 in 2,000.

    Under a tolerance t the best constant is t, right for products below 2t: it is wrong with probability
    1 - 2t + 2t ln 2t, and so is the best answer that knows one value only, since products stay below it.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 5; Martens & Sutskever 2011"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    dial: ClassVar[str] = "length"
    loss_name: ClassVar[str] = "squared_error"
    reduction: ClassVar[str] = "squared error, mean over sequences"

    length: int = option(100, "time steps of the longest sequence (T)", low=2, high=100_000)
    variant: str = option("halves", "where the markers lie and what counts as right", choices=tuple(RULES))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < (least := SHORTEST[RULES[self.variant]]):
            raise UsageError(
                f"task multiplication: {self.variant} needs a length of at least {least}, not {self.length}"
            )

    @property
    def markers(self) -> TwoMarkers:
        """Where the two markers lie."""
        return TwoMarkers(RULES[self.variant], self.length)

    @property
    def error_name(self) -> str:
        return "wrong products (share)" if self.variant in TOLERANCES else "squared error of the product"

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
        return {"halves": 0.005, "hochreiter1997": 13 / 2000}.get(self.variant, 0.01)

    def floor(self, window: int) -> float:
        one, both = self.markers.unseen(window)
        if self.variant == "halves":
            return one / 36 + both * 7 / 144
        narrow = 2 * TOLERANCES[self.variant]
        wrong = 1 - narrow + narrow * math.log(narrow)
        if self.variant == "hochreiter1997":  # of a 1 on the first step and an unseen value, a uniform product is left
            other_one, other_both = self.markers.unseen(window, above=1)
            return wrong * (other_one + other_both) + (1 - narrow) * (both - other_both)
        return wrong * (one + both)

    @property
    def partial_floors(self) -> Mapping[str, float]:
        if self.variant == "halves":
            return {"one of the two values": 1 / 36}
        narrow = 2 * TOLERANCES[self.variant]
        return {"one of the two values": (1 - narrow + narrow * math.log(narrow)) * self.markers.unseen(0, above=1)[1]}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        values = generator.random((self.length, batch_size), dtype=np.float32)
        one, other, lengths = self.markers.draw(generator, batch_size)
        column = np.arange(batch_size)
        markers = np.zeros_like(values)
        markers[one, column] = 1
        markers[other, column] = 1
        if self.variant == "hochreiter1997":
            values[0, markers[0] == 1] = 1
            markers[0] = markers[lengths - 1, column] = -1
        varied = {"length": lengths} if len(self.markers.lengths) > 1 else {}
        inputs = np.stack([values, markers], axis=2)
        if varied:
            inputs[np.arange(self.length)[:, None] >= lengths] = 0
        targets = marked_product(inputs)[:, None]
        return ask_once(torch.from_numpy(inputs), targets, lengths - 1, varied, lengths=bool(varied))

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        away = (outputs - batch.targets).squeeze(1)
        tolerance = TOLERANCES.get(self.variant)
        return away.square() if tolerance is None else (~(away.abs() < tolerance)).to(outputs.dtype)

    def carried(self, batch: Batch) -> Tensor:
        return batch.inputs[..., 1] > 0

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return torch.from_numpy(marked_product(inputs.numpy())[:, None])


def marked_product(inputs: np.ndarray) -> np.ndarray:
    """Multiply the marked values of (T, B, 2) inputs over time, (B,).

    >>> marked_product(np.array([[[0.5, 1.0]], [[0.9, 0.0]], [[0.25, 1.0]]]))
    array([0.125])
    """
    product: np.ndarray = np.prod(inputs[..., 0], axis=0, where=inputs[..., 1] > 0)
    return product

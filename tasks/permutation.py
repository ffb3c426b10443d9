"""Permutation: the first of a hundred symbols has to be repeated at the end, after all the others.

A sequence of 6 steps (the first symbol is 0 or 1, the others never are)::

    inputs    1 17 84 17 2 56
    target                  1     (scored: the last step)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import ask_once
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Permutation(ClassTask):
    """T symbols; the first is one of two and has to be repeated at the last step.

    Despite the name the symbols in between are drawn independently from all others, as in the code of Pascanu et al.
    The classes are all symbols. The first one stands ``lag`` = T - 1 steps before the answer; without it nothing beats
    guessing one of two: the floor is .5 for every shorter window.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "Hochreiter & Schmidhuber 1997; Martens & Sutskever 2011; Pascanu et al. 2013, their code"
    )
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "length"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong last symbols (share)"
    solved_below: ClassVar[float] = 0.01
    partial_floors: ClassVar[Mapping[str, float]] = {}

    length: int = option(100, "time steps (T)", low=2, high=100_000)
    symbols: int = option(100, "size of the set of symbols", low=3, high=10_000)

    @property
    def input_size(self) -> int:
        return self.symbols

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def lag(self) -> int:
        return self.length - 1

    def floor(self, window: int) -> float:
        return 0.0 if window >= self.length else 0.5

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        inputs = generator.integers(2, self.symbols, size=(self.length, batch_size))
        inputs[0] = generator.integers(2, size=batch_size)
        last = np.full(batch_size, self.length - 1)
        targets = repeated(as_tokens(inputs)).numpy()
        return ask_once(as_tokens(inputs), targets, last, {}, lengths=False)

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1).expand(batch.inputs.shape) == 0

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return repeated(inputs)


def repeated(inputs: Tensor) -> Tensor:
    """Return the targets of (T, B) inputs, (B,): their first symbols.

    >>> repeated(torch.tensor([[1, 0], [17, 84], [2, 56]]))
    tensor([1, 0])
    """
    return inputs[0]

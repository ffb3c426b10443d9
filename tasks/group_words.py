"""Word problem of a group: a word of permutations; what is their product?

A word over S3, with the permutations of three things numbered 0 to 5 (the targets are the running products)::

    inputs    1 2 4 1
    targets   1 3 0 1     (all steps are trained on; the error is that of the last)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import at_least, draw_lengths, share_longer
from longlag.tasks.support.options import Range, option

DEGREES = {"S3": 3, "A5": 5, "S5": 5}


@dataclass(frozen=True)
class GroupWords(ClassTask):
    """Independent elements of a group, uniform; the target of every step is the product up to it.

    A single unseen factor leaves the product uniform, and the floor of a window is 1 - 1/order for every longer word.
    A5 and S5 are not solvable groups: their word problem is complete for NC1, out of reach of diagonal linear
    recurrences.

    The loss is the mean over all steps. The early ones are easy, so that the error is that of the last step only;
    `step_at_least` groups the errors of all steps.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Merrill, Petty & Sabharwal 2024, The illusion of state in state-space models"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "steps"
    reduction: ClassVar[str] = "cross-entropy, mean over all steps"
    error_name: ClassVar[str] = "wrong products (share)"
    solved_below: ClassVar[float] = 0.01

    group: str = option("S3", "all permutations of 3 or 5 things, or the even ones of 5", choices=tuple(DEGREES))
    steps: Range = option(Range(20, 20), "factors, uniform over a range", low=2, high=10_000)

    @property
    def input_size(self) -> int:
        return len(product_table(self.group))

    @property
    def output_size(self) -> int:
        return len(product_table(self.group))

    @property
    def length(self) -> int:
        return self.steps.high

    @property
    def lag(self) -> int:
        return self.steps.high - 1

    def floor(self, window: int) -> float:
        return (1 - 1 / self.output_size) * share_longer(self.steps, window)

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"all factors but one": 1 - 1 / self.output_size}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        factors = generator.integers(self.input_size, size=(self.length, batch_size))
        lengths = draw_lengths(generator, self.steps, batch_size)
        step = np.arange(self.length)[:, None]
        step_at_least = np.broadcast_to(at_least(step + 1), factors.shape)
        mask = step < lengths
        products = running_products(factors, product_table(self.group))
        return Batch(
            as_tokens(np.where(mask, factors, 0)),
            as_tokens(products[mask]),
            torch.from_numpy(mask),
            as_tokens(lengths) if self.steps.low < self.steps.high else None,
            slices={"step_at_least": as_tokens(step_at_least[mask])},
            headline=torch.from_numpy((step == lengths - 1)[mask]),
        )

    def carried(self, batch: Batch) -> Tensor:
        return batch.mask

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        products = running_products(inputs.numpy(), product_table(self.group))
        return as_tokens(products)[last, torch.arange(len(last))]


@cache
def product_table(group: str) -> np.ndarray:
    """Return the number of "a, then b" for every two elements, (order, order); number 0 changes nothing.

    >>> product_table("S3")[1].tolist()  # (0 2 1) and then each of the six
    [1, 0, 3, 2, 5, 4]
    """
    elements = np.array(list(permutations(range(DEGREES[group]))))
    if group.startswith("A"):
        inversions = sum((elements[:, [i]] > elements[:, i:]).sum(1) for i in range(elements.shape[1]))
        elements = elements[inversions % 2 == 0]
    codes = elements @ DEGREES[group] ** np.arange(elements.shape[1])[::-1]  # ordered as the elements are
    composed = elements[:, elements].transpose(1, 0, 2)  # [a, b, x] is where b sends what a sends x to
    table: np.ndarray = np.searchsorted(codes, composed @ DEGREES[group] ** np.arange(elements.shape[1])[::-1])
    return table


def running_products(factors: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Multiply (T, B) factors along time, in spans that double, so that T steps take log T look-ups.

    >>> running_products(np.array([[1], [2], [4], [1]]), product_table("S3")).ravel().tolist()
    [1, 3, 0, 1]
    """
    products, span = factors.copy(), 1
    flat = table.ravel()
    while span < len(factors):
        products[span:] = flat.take(products[:-span] * len(table) + products[span:])
        span *= 2
    return products

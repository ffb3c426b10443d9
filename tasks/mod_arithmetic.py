"""Modular arithmetic: digits joined by plus, minus and times; what is the expression's value modulo 5?

An expression of 4 digits (times comes before plus and minus)::

    inputs    1 + 2 * 3 - 4
    target                3     (scored: the last step)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.drawing import ask_at_end, draw_lengths
from longlag.tasks.support.options import Range, option

OPERATORS = ("+", "-", "*")


@dataclass(frozen=True)
class ModArithmetic(ClassTask):
    """Independent digits and operators, both uniform: n digits make 2n - 1 time steps. There are no brackets.

    Products with 0 make the value 0 likelier than the others. The floor is the error of the best guess at a value whose
    first digits are unseen, computed exactly: the tail maps the head's state to "sum + m × last product + c", so that
    the probabilities of each (sum, product) of the head and of each m of the tail are enough.

    The authors' code asks on an extra step after the last digit, a lag of one more, and has one length per batch.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Deletang et al. 2023, modular arithmetic (simple)"
    causal: ClassVar[bool] = False
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "digits"
    reduction: ClassVar[str] = "cross-entropy, mean over sequences"
    error_name: ClassVar[str] = "wrong values (share)"
    solved_below: ClassVar[float] = 0.01

    digits: Range = option(Range(20, 20), "digits, uniform over a range", low=1, high=500)
    modulus: int = option(5, "the number that values are taken modulo", low=2, high=10)

    @property
    def input_size(self) -> int:
        return self.modulus + len(OPERATORS)

    @property
    def output_size(self) -> int:
        return self.modulus

    @property
    def length(self) -> int:
        return 2 * self.digits.high - 1

    @property
    def lag(self) -> int:
        return max(self.length - 1, 1)

    @property
    def token_names(self) -> Sequence[str]:
        return [*map(str, range(self.modulus)), *OPERATORS]

    def floor(self, window: int) -> float:
        errors = guessing_errors(self.modulus, self.digits.high)
        counts = range(self.digits.low, self.digits.high + 1)
        return float(np.mean([errors[count, min(window, 2 * count - 1)] for count in counts]))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        counts = range(self.digits.low, self.digits.high + 1)
        errors = guessing_errors(self.modulus, self.digits.high)
        return {"all but the first digit": float(np.mean([errors[count, 2 * count - 2] for count in counts]))}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        tokens = np.empty((self.length, batch_size), dtype=np.int64)
        tokens[::2] = generator.integers(self.modulus, size=tokens[::2].shape)
        tokens[1::2] = self.modulus + generator.integers(len(OPERATORS), size=tokens[1::2].shape)
        counts = draw_lengths(generator, self.digits, batch_size)
        values = running_values(tokens, self.modulus)[counts - 1, np.arange(batch_size)]
        return ask_at_end(tokens, values, 2 * counts - 1)

    def carried(self, batch: Batch) -> Tensor:
        return batch.mask.flip(0).cumsum(0).flip(0) > 0  # up to the question

    def last_target(self, inputs: Tensor, last: Tensor) -> Tensor:
        return as_tokens(running_values(inputs.numpy(), self.modulus))[last // 2, torch.arange(len(last))]


@cache
def _transitions(modulus: int) -> np.ndarray:
    """Return the next state, sum * modulus + product, for each state and each operator and digit, (m², 3m)."""
    total, term, operator, digit = np.ogrid[:modulus, :modulus, : len(OPERATORS), :modulus]
    times = operator == 2
    sums = np.where(times, total, total + term) % modulus
    terms = np.where(times, term * digit, np.where(operator == 0, digit, -digit)) % modulus
    table: np.ndarray = (sums * modulus + terms).reshape(modulus**2, -1)
    return table


def running_values(tokens: np.ndarray, modulus: int) -> np.ndarray:
    """Return the value up to each digit, (n, B), of (2n - 1, B) digits and operators (modulus + 0, 1, 2 for + - *).

    >>> running_values(np.array([[1], [5], [2], [7], [3], [6], [4]]), modulus=5).ravel()  # 1 + 2 * 3 - 4
    array([1, 3, 2, 3])
    """
    letters = (tokens[1::2] - modulus) * modulus + tokens[2::2]
    states = np.empty((len(letters) + 1, tokens.shape[1]), dtype=np.int64)
    states[0] = tokens[0]
    table = _transitions(modulus)
    for step, letter in enumerate(letters):
        states[step + 1] = table[states[step], letter]
    return (states // modulus + states % modulus) % modulus


@cache
def guessing_errors(modulus: int, most: int) -> np.ndarray:
    """Return the error of the best guess by number of digits and steps seen, (most + 1, 2 · most).

    >>> guessing_errors(2, 2)[2, :4]  # 0 or 1, joined to 0 or 1: 1 in 5 of 12 cases
    array([0.41666667, 0.41666667, 0.41666667, 0.        ])
    """
    table = _transitions(modulus)
    heads: list[np.ndarray] = [np.zeros(modulus**2)]
    heads[0][:modulus] = 1 / modulus  # the chance of each (sum, product) after one digit
    for _ in range(most - 1):
        spread = np.repeat(heads[-1][:, None] / table.shape[1], table.shape[1], axis=1)
        heads.append(np.bincount(table.ravel(), spread.ravel(), minlength=modulus**2))
    total, term, m = np.ogrid[:modulus, :modulus, :modulus]
    after_product = (total + term * m) % modulus  # (sum, product, m): the value, up to what is known
    before = np.stack([(total + term + m) % modulus, (total + term - m) % modulus, after_product])

    def best(values: np.ndarray, head: np.ndarray) -> np.ndarray:
        """Return the probability of the likeliest value for each m, with operators equally likely (the first axis)."""
        weights = head.reshape(modulus, modulus) / len(values)
        by_value = [(weights[..., None] * (values == value)).sum((0, 1, 2)) for value in range(modulus)]
        likeliest: np.ndarray = np.max(by_value, axis=0)
        return likeliest

    known_operator = np.stack([best(after_product[None], head) for head in heads])  # (digits unseen - 1, m)
    unknown_operator = np.stack([best(before, head) for head in heads])
    chances = np.zeros(modulus)
    chances[1 % modulus] = 1  # of each m, for a tail of no digits
    products = np.outer(np.arange(modulus), np.arange(modulus)) % modulus
    errors = np.zeros((most + 1, 2 * most))
    for seen in range(most):
        begun = np.bincount(products.ravel(), np.tile(chances / modulus, modulus), minlength=modulus)
        errors[seen + 1 :, 2 * seen] = 1 - known_operator[: most - seen] @ chances
        errors[seen + 2 :, 2 * seen + 1] = 1 - unknown_operator[: most - seen - 1] @ begun
        chances = begun / 3
        chances[1 % modulus] += 2 / 3
    return np.minimum.accumulate(np.maximum(errors, 0), axis=1)

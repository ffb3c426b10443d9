"""Brackets: which kind of bracket closes next? The last ones were opened at the very beginning.

With 2 outer pairs around a filler of 3, a sequence reads (the last bracket is cut off)::

    inputs    ( [ { } ( { } ) ]
    targets       }     } ) ] )     (scored: every step before a closing bracket; the error: the last 2)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, Later, as_tokens
from longlag.tasks.support.drawing import at_least
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Brackets(ClassTask):
    """D brackets open, F pairs follow, balanced and uniform over all shapes, and the D brackets close again.

    The kinds of pairs are independent and uniform. Each step before a closing bracket is trained on, but most of these
    brackets were opened a step or two before, so that the error is over the D outer brackets only: `depth` levels,
    `filler` pairs in between. The kind of an opening outside the window can only be guessed: counted from outside,
    outer bracket j needs a window of 2F + 2D - 1 - 2j steps.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Suzgun et al. 2019; Hewitt et al. 2020, Dyck languages, closing brackets"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "filler"
    reduction: ClassVar[str] = "cross-entropy, mean over the steps before a closing bracket"
    error_name: ClassVar[str] = "wrong outer brackets (share)"

    depth: int = option(2, "outer brackets (D)", low=1, high=1000)
    filler: int = option(20, "pairs between them (F)", low=0, high=16_000)
    kinds: int = option(3, "kinds of brackets", low=2, high=1000)

    @property
    def input_size(self) -> int:
        return 2 * self.kinds

    @property
    def output_size(self) -> int:
        return self.kinds

    @property
    def length(self) -> int:
        return 2 * self.filler + 2 * self.depth - 1

    @property
    def lag(self) -> int:
        return max(self.length - 1, 1)

    @property
    def solved_below(self) -> float:
        return min([0.01, *(0.5 * floor for floor in self.partial_floors.values())])

    def floor(self, window: int) -> float:
        needed = self.length - 2 * np.arange(self.depth)
        return (1 - 1 / self.kinds) * float(np.mean(needed > window))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        return {"all outer brackets but one": (1 - 1 / self.kinds) / self.depth} if self.depth > 1 else {}

    @property
    def token_names(self) -> Sequence[str]:
        pairs = ["()", "[]", "{}", "<>"] if self.kinds <= 4 else [f"({kind} {kind})" for kind in range(self.kinds)]
        shown = [list(pair) if len(pair) == 2 else pair.split() for pair in pairs[: self.kinds]]
        return [*(opening for opening, _ in shown), *(closing for _, closing in shown)]

    @property
    def class_names(self) -> Sequence[str]:
        return self.token_names[self.kinds :]

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        outer = np.ones((self.depth, batch_size), dtype=np.int16)
        moves = np.concatenate([outer, balanced(generator, self.filler, batch_size), -outer])
        levels, opened, closed = matching(moves)
        kinds = generator.integers(self.kinds, size=opened.shape)
        sequence, column = np.empty(moves.shape, dtype=np.int64), np.arange(batch_size)
        sequence[opened, column] = sequence[closed, column] = kinds
        closes = moves[1:] < 0
        asked = closes.ravel().nonzero()[0]

        def slices() -> dict[str, np.ndarray]:
            distances = np.empty_like(sequence)
            distances[closed, column] = closed - opened
            of_asked = at_least(distances[1:].ravel()[asked])
            return {"depth": levels[1:].ravel()[asked], "lag_at_least": of_asked}

        return Batch(
            as_tokens((sequence + self.kinds * (moves < 0))[:-1]),
            torch.from_numpy(sequence[1:].ravel()[asked]),
            torch.from_numpy(closes),
            slices=Later(slices),
            headline=torch.from_numpy(asked >= (len(closes) - self.depth) * batch_size),
        )

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1).expand(batch.inputs.shape) < self.depth


def balanced(generator: np.random.Generator, pairs: int, batch_size: int) -> np.ndarray:
    """Draw balanced sequences of openings, 1, and closings, -1, all equally likely, (2 · pairs, B).

    By the cycle lemma exactly one rotation of ``pairs`` openings and one closing more stays balanced up to its end.
    """
    length = 2 * pairs + 1
    ranks = np.argsort(generator.random((length, batch_size), dtype=np.float32), axis=0)
    moves = np.where(ranks < pairs, np.int16(1), np.int16(-1))
    start = moves.cumsum(0, dtype=np.int16).argmin(0) + 1
    rotated: np.ndarray = np.concatenate([moves, moves])[start + np.arange(length - 1)[:, None], np.arange(batch_size)]
    return rotated


def matching(moves: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the depth of every bracket of balanced (T, B) moves, and where each pair opens and closes, (T / 2, B).

    >>> depths, opened, closed = matching(np.array([[1], [1], [-1], [1], [-1], [-1]]))
    >>> depths.ravel(), opened.ravel(), closed.ravel()
    (array([1, 2, 2, 2, 2, 1], dtype=int16), array([0, 1, 3]), array([5, 2, 4]))
    """
    depths = moves.cumsum(0, dtype=np.int16) + (moves < 0)
    order = np.argsort(depths, axis=0, kind="stable")  # at one depth a pair closes before the next one opens
    return depths, order[::2], order[1::2]

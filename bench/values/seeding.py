"""Named randomness: every random number comes from a generator whose key is made of names of its purpose.

A stream is random-access: draw number n of a stream does not depend on the draws before it, so that a resumed
trial, a prefetched batch and another device see the same integers. The generator is counter-based: Philox
(Salmon, Moraes, Dror & Shaw 2011).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np


class _Key(np.random.SeedSequence):
    """A key of 128 bits, given to numpy in place of a seed.

    If it were passed as ``key``, numpy would also ask the operating system for a seed that it then discards, which
    takes four times as long as the rest of making a generator.
    """

    def __init__(self, names: str) -> None:
        super().__init__(0)  # not used
        self._words = np.frombuffer(hashlib.sha256(names.encode()).digest()[:16], dtype="<u8")

    def generate_state(self, n_words: int, dtype: object = np.uint64) -> np.ndarray:
        """Return the key's two words, which are all that Philox reads."""
        return self._words


@dataclass(frozen=True)
class Stream:
    """An endless, random-access supply of generators that share a name."""

    names: tuple[str | int, ...]

    def generator(self, index: int = 0) -> np.random.Generator:
        """Return a fresh generator for draw number ``index``; equal names and index give equal draws."""
        return np.random.Generator(np.random.Philox(self._key, counter=[0, 0, 0, index]))

    @cached_property
    def _key(self) -> _Key:
        return _Key(json.dumps(self.names))


def stream(*names: str | int) -> Stream:
    """Name a stream: ``stream("batches", "copy:items=3", 0)``.

    >>> a, b = (stream("batches", "copy", 0).generator(7).integers(1000) for _ in range(2))
    >>> bool(a == b)
    True
    """
    return Stream(names)

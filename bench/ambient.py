"""The random state that a process has lying about: watched, since nothing here may read or move it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def random_state() -> State:
    """Return the state of every global generator, by the name of its library."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def moved(before: State) -> list[str]:
    """Name the libraries whose global generator is no longer as it was.

    >>> before = random_state()
    >>> moved(before)
    []
    """
    now = random_state()
    found = [] if now["python"] == before["python"] else ["python"]
    same = all(np.array_equal(one, other) for one, other in zip(now["numpy"], before["numpy"], strict=True))
    found += [] if same else ["numpy"]
    return found + ([] if torch.equal(now["torch"], before["torch"]) else ["torch"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every global generator for a while, then put them back; for code that can draw from nothing else."""
    before = random_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before["python"])
        np.random.set_state(before["numpy"])
        torch.set_rng_state(before["torch"])

"""Process-global state that trials must not share: random state, which nothing may read or move, and settings."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_PUT_BACK: dict[str, Callable[[Any], object]] = {
    "torch's default dtype": torch.set_default_dtype,
    "torch's number of threads": torch.set_num_threads,
    "torch's gradient mode": torch.set_grad_enabled,
    "torch's choice of algorithms": torch.use_deterministic_algorithms,
}


def random_state() -> dict[str, Any]:
    """Return the state of every global generator, by the name of its library."""
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def moved(before: dict[str, Any]) -> list[str]:
    """Return the names of the libraries whose global generator has changed.

    >>> before = random_state()
    >>> moved(before)
    []
    """
    now = random_state()
    libraries = [] if now["python"] == before["python"] else ["python"]
    same = all(np.array_equal(one, other) for one, other in zip(now["numpy"], before["numpy"], strict=True))
    libraries += [] if same else ["numpy"]
    return libraries + ([] if torch.equal(now["torch"], before["torch"]) else ["torch"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every global generator within the body, then restore them; for code that can draw from nothing else."""
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


def settings() -> dict[str, Any]:
    """Return the process-wide settings of torch that plugins must leave unchanged, by name."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's choice of algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def changed(before: dict[str, Any]) -> list[str]:
    """Return the names of the settings that have changed.

    >>> changed(settings())
    []
    """
    now = settings()
    return [name for name, value in before.items() if now[name] != value]


@contextmanager
def settled() -> Iterator[dict[str, Any]]:
    """Yield the present settings, and restore them at the end."""
    before = settings()
    try:
        yield before
    finally:
        for name in changed(before):  # only changed ones: setting the choice of algorithms loads a compiler
            _PUT_BACK[name](before[name])


@contextmanager
def arithmetic() -> Iterator[None]:
    """Compute as training does within the body: on one thread, with subnormal numbers taken as zero.

    How a product is cut between threads decides its rounding. A gradient that fades over many steps ends among the
    subnormal numbers (below 1.2e-38 in float32), on which processors take a hundred times as long: a GRU's update over
    256 steps took three times what it takes here.
    """
    threads, flushed = torch.get_num_threads(), _flushes()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)


def _flushes() -> bool:
    smallest, half = sys.float_info.min, 0.5
    return smallest * half == 0.0


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[Any]:
    """Replace an attribute within the body, and yield its former value."""
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield before
    finally:
        setattr(owner, name, before)

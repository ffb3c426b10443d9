"""Buffers that are used again, since fresh memory costs more than the arithmetic done in it at these sizes."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

_LINE = 64
_MOST_BYTES = 2**29
_free: dict[tuple[int, np.dtype[Any]], list[np.ndarray[Any, Any]]] = {}


def take(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array whose contents are arbitrary, from what was given back where there is one of its size."""
    try:
        return _free[prod(shape), dtype].pop().reshape(shape)
    except (KeyError, IndexError):  # asked only now: two threads may want the last one
        return fresh(shape, dtype)


def fresh(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a new array that starts a cache line."""
    memory = np.empty(prod(shape) * dtype.itemsize + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def give_back(arrays: Iterable[np.ndarray[Any, Any]]) -> None:
    """Offer arrays, which nobody reads any more, to the next that take some of their size."""
    for array in arrays:
        _free.setdefault((array.size, array.dtype), []).append(array)
    if sum(size * dtype.itemsize * len(found) for (size, dtype), found in list(_free.items())) > _MOST_BYTES:
        _free.clear()

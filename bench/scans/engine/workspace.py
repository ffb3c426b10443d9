"""Lends buffers again: at these sizes, fresh memory from the system costs more time than the arithmetic in it."""

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

_LINE = 64
_MOST_BYTES = 2**29
_free: dict[tuple[int, np.dtype[Any]], list[np.ndarray[Any, Any]]] = {}


def take(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array with arbitrary contents: one that was given back, if there is one of this shape and type."""
    try:
        return _free[prod(shape), dtype].pop().reshape(shape)
    except (KeyError, IndexError):  # no check before: two threads may want the last one
        return fresh(shape, dtype)


def fresh(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return a new array that starts at the beginning of a cache line."""
    memory = np.empty(prod(shape) * dtype.itemsize + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


def give_back(arrays: Iterable[np.ndarray[Any, Any]]) -> None:
    """Give arrays back that nobody reads any more, so that `take` can lend them again."""
    for array in arrays:
        _free.setdefault((array.size, array.dtype), []).append(array)
    if sum(size * dtype.itemsize * len(free) for (size, dtype), free in list(_free.items())) > _MOST_BYTES:
        _free.clear()

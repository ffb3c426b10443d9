"""Compiles kernels, and declares which roundings the compiler may change and which code is inlined."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from longlag.tasks.support.compiler import kept_code

_SCANS = Path(__file__).resolve().parent.parent
"""The sources whose hash names the folder of compiled code: the engine and the kernels, which inline each other."""
FLAGS: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},  # a·b + c may round once, -0 may be 0; NaN and Inf keep their meaning
    "error_model": "numpy",  # x / 0 is Inf or NaN, without a branch that would keep loops from being vectorised
    "no_cfunc_wrapper": True,  # no caller is written in C
}
INLINE = {"forceinline": True, "no_cpython_wrapper": True, **FLAGS}
ROUNDED: dict[str, Any] = INLINE | {"fastmath": {"nsz"}}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called with given types, and cache the code on disk."""
    return kept_code(function, _SCANS, **FLAGS)


def inlined(function: Callable[..., Any]) -> Any:
    """Inline a function into the loops that call it: loops with calls are not vectorised."""
    return numba.njit(**INLINE)(function)


def rounded(function: Callable[..., Any]) -> Any:
    """Inline a function whose every operation rounds, for equations such as ``f * c + i * g``.

    The compiler could fuse either product with the sum, and would choose differently in code that it has just compiled
    and in code that it loads from disk.
    """
    return numba.njit(**ROUNDED)(function)


def separate(function: Callable[..., Any]) -> Any:
    """Compile a function without inlining it, for loops that the compiler vectorises only if they stand alone."""
    return numba.njit(**FLAGS)(function)

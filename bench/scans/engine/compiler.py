"""How kernels are compiled: which liberties the compiler has, and what is compiled into what."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from longlag.tasks.support.compiler import kept_code

_SCANS = Path(__file__).resolve().parent.parent
"""Everything that is compiled into one another: the engine and the kernels."""
FLAGS: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},  # a·b + c may round once, -0 may be 0; NaN and Inf keep their meaning
    "error_model": "numpy",  # x / 0 is Inf or NaN, without a branch that would keep loops from being vectorised
    "no_cfunc_wrapper": True,  # for callers in C, of which there are none
}
INLINE = {"forceinline": True, "no_cpython_wrapper": True, **FLAGS}
ROUNDED: dict[str, Any] = INLINE | {"fastmath": {"nsz"}}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call with given types, and keep the code on disk."""
    return kept_code(function, _SCANS, **FLAGS)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into the loops that call it, which are vectorised only without calls."""
    return numba.njit(**INLINE)(function)


def rounded(function: Callable[..., Any]) -> Any:
    """Do the same for equations such as ``f * c + i * g``, where either product could be fused with the sum.

    Which one it is would be the compiler's choice, and it chooses differently for code that it has just compiled
    and for code that it loads from disk: here every operation rounds.
    """
    return numba.njit(**ROUNDED)(function)


def separate(function: Callable[..., Any]) -> Any:
    """Compile a function by itself: a loop that is vectorised only when the compiler sees it alone."""
    return numba.njit(**FLAGS)(function)

"""Compiles passes so that every operation rounds: they agree with torch, freshly compiled or loaded from disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from longlag.scans.engine import compiler as kernels
from longlag.tasks.support.compiler import kept_code

_SOURCES = Path(__file__).resolve().parent, Path(kernels.__file__).resolve().parent.parent
"""All code that is compiled into passes: this package, and what it uses from the scans."""
_FLAGS: dict[str, Any] = kernels.FLAGS | {"fastmath": {"nsz"}}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called with given types, and cache the code on disk."""
    return kept_code(function, *_SOURCES, **_FLAGS)


def separate(function: Callable[..., Any]) -> Any:
    """Compile a function without inlining it, for loops that the compiler vectorises only if they stand alone."""
    return numba.njit(**_FLAGS)(function)

"""How passes are compiled: every operation rounds, so that they agree with torch's, fresh or loaded from disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from longlag.scans.engine import compiler as kernels
from longlag.tasks.support.compiler import kept_code

_SOURCES = Path(__file__).resolve().parent, Path(kernels.__file__).resolve().parent.parent
"""Everything that is compiled into a pass: those here, and what they take from the scans."""
_FLAGS: dict[str, Any] = kernels.FLAGS | {"fastmath": {"nsz"}}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call with given types, and keep the code on disk."""
    return kept_code(function, *_SOURCES, **_FLAGS)


def separate(function: Callable[..., Any]) -> Any:
    """Compile a function by itself: a loop that is vectorised only when the compiler sees it alone."""
    return numba.njit(**_FLAGS)(function)

"""How kernels are compiled, and where the compiled code is kept.

Numba keeps compiled code on disk, but notices only changes in the file of the function itself. Here the folder
is named by the contents of all kernel files, the versions and the processor, so that any change takes effect.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba

FLAGS: dict[str, Any] = {
    "fastmath": {"contract", "nsz"},  # a·b + c may round once, -0 may be 0; NaN and Inf keep their meaning
    "error_model": "numpy",  # x / 0 is Inf or NaN, without a branch that would keep loops from being vectorised
}
INLINE = {"forceinline": True, **FLAGS}
ROUNDED: dict[str, Any] = {"forceinline": True, "fastmath": {"nsz"}, "error_model": "numpy"}

_HERE = Path(__file__).resolve().parent


@cache
def cache_folder() -> Path:
    """Return the folder of the code compiled from these sources for this processor.

    It lies in ``$XDG_CACHE_HOME`` or ``~/.cache``, or among the temporary files where that cannot be written.
    """
    digest = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    digest.update(repr((numba.__version__, llvmlite.__version__, *processor)).encode())
    name = f"kernels-{digest.hexdigest()[:16]}"
    elsewhere = Path(tempfile.gettempdir()) / f"longlag-{os.getuid()}" / name
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longlag" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # cannot be written, or there is no home
        return elsewhere
    return folder if os.access(folder, os.W_OK) else elsewhere


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call with given types, and keep the code on disk."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, **FLAGS)(function)
    finally:
        numba.config.CACHE_DIR = before


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

"""Compiles functions, and keeps the compiled code on disk.

Numba's own cache notices only changes in the file of the function itself. Here the folder's name is a hash of a whole
package, the versions and the processor, so that any change takes effect.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@cache
def cache_folder(*sources: Path) -> Path:
    """Return the folder of the code compiled for this processor from the sources in folders and their subfolders.

    It lies in ``$XDG_CACHE_HOME`` or ``~/.cache``, or among the temporary files if these are not writable.
    """
    import llvmlite
    import llvmlite.binding as llvm
    import numba

    digest = hashlib.sha256()
    for folder in sources:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".toml")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    digest.update(repr((numba.__version__, llvmlite.__version__, *processor)).encode())
    name = f"{sources[0].name}-{digest.hexdigest()[:16]}"
    elsewhere = Path(tempfile.gettempdir()) / f"longlag-{os.getuid()}" / name
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longlag" / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # cannot be written, or there is no home
        return elsewhere
    return folder if os.access(folder, os.W_OK) else elsewhere


def kept_code(function: Callable[..., Any], *sources: Path, **flags: Any) -> Any:
    """Compile a function at its first call with given types, and keep the code on disk."""
    import numba

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder(*sources))
    try:
        return numba.njit(cache=True, **flags)(function)
    finally:
        numba.config.CACHE_DIR = before


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function of a task at its first call; importing the task loads no compiler.

    It may read arrays of its module, as constants, and must call no other function of ours.
    """

    @cache
    def code() -> Any:
        return kept_code(function, Path(__file__).resolve().parent.parent)

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        result: Result = code()(*args, **kwargs)
        return result

    return call

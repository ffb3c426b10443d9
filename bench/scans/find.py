"""Which cells have a kernel: those whose file has a namesake in `longlag.scans.kernels`, where Numba is installed."""

import importlib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from longlag.cells.base import Cell

if TYPE_CHECKING:
    from longlag.scans.engine.base import Fused


def kernel_module(cell: Cell) -> str | None:
    """Return the name of the module that holds a cell's kernel; None where there is none.

    Only cells that are shipped have kernels: a plugin may be called as it likes.
    """
    package, _, name = type(cell).__module__.rpartition(".")
    module = f"longlag.scans.kernels.{name}"
    if package != "longlag.cells" or find_spec("numba") is None or find_spec(module) is None:
        return None
    return module


@cache
def kernel_for(cell: Cell) -> "Fused | None":
    """Return the kernel of a cell; None where there is none."""
    module = kernel_module(cell)
    return None if module is None else cast("Fused", importlib.import_module(module).kernel(cell))


def serves(device: str, dtype: str) -> bool:
    """Say whether kernels run on a kind of device, in a precision.

    >>> serves("cpu", "float32"), serves("cuda", "torch.float64")
    (True, False)
    """
    return device == "cpu" and dtype.removeprefix("torch.") in ("float32", "float64")

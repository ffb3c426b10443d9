"""Finds the kernel of a cell: the file of the same name in `longlag.scans.kernels`, if Numba is installed."""

import importlib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from longlag.cells.base import Cell

if TYPE_CHECKING:
    from longlag.scans.engine.base import Fused


def kernel_module(cell: Cell) -> str | None:
    """Return the name of the module that holds a cell's kernel; None if the cell has none.

    Only shipped cells have kernels: a plugin's cell may have the name of a kernel without being that cell.
    """
    package, _, name = type(cell).__module__.rpartition(".")
    module = f"longlag.scans.kernels.{name}"
    if package != "longlag.cells" or find_spec("numba") is None or find_spec(module) is None:
        return None
    return module


@cache
def kernel_for(cell: Cell) -> "Fused | None":
    """Return the kernel of a cell; None if it has none."""
    module = kernel_module(cell)
    return None if module is None else cast("Fused", importlib.import_module(module).kernel(cell))


def serves(device: str, dtype: str) -> bool:
    """Return whether kernels run on a device in a precision.

    >>> serves("cpu", "float32"), serves("cuda", "torch.float64")
    (True, False)
    """
    return device == "cpu" and dtype.removeprefix("torch.") in ("float32", "float64")

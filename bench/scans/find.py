"""Which cells have a kernel: those with a file of their name here, where Numba is installed."""

import importlib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from longlag.cells.base import Cell

if TYPE_CHECKING:
    from longlag.scans.engine.base import Fused


@cache
def kernel_for(cell: Cell) -> "Fused | None":
    """Return the kernel of a cell; None where there is none."""
    if find_spec("numba") is None or find_spec(f"longlag.scans.kernels.{cell.name()}") is None:
        return None
    module = importlib.import_module(f"longlag.scans.kernels.{cell.name()}")
    return cast("Fused", module.kernel(cell)) if hasattr(module, "kernel") else None


def serves(device: str, dtype: str) -> bool:
    """Say whether kernels run on a kind of device, in a precision.

    >>> serves("cpu", "float32"), serves("cuda", "torch.float64")
    (True, False)
    """
    return device == "cpu" and dtype.removeprefix("torch.") in ("float32", "float64")

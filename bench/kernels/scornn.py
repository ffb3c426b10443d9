"""The orthogonal network through the Cayley transform: its time step is `modrelu`'s."""

from longlag.cells.base import Cell
from longlag.kernels.base import Kernel
from longlag.kernels.modrelu import Modrelu


def kernel(cell: Cell) -> Kernel:
    """Return the kernel of a cell; its options only concern how the matrix is made and learns."""
    return Modrelu()

"""Where each parameter of a network lies in a row of the cohort's matrix (S, P)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

ALIGNMENT = 16
"""Elements to which parameters and rows are padded: 64 bytes of float32, so that every row starts a cache line
and a product reads the same alignment whichever row of the cohort it serves."""


@dataclass(frozen=True)
class Slot:
    """One tensor of a network: its place in a row, its shape, and the axis that counts units."""

    name: str
    offset: int
    shape: tuple[int, ...]
    unit_axis: int = -1

    @property
    def size(self) -> int:
        """Numbers in the tensor."""
        return prod(self.shape)

    def view(self, row: Tensor) -> Tensor:
        """Return this tensor as a view of a row (P,)."""
        return row[self.offset : self.offset + self.size].view(self.shape)


@dataclass(frozen=True)
class Layout:
    """All tensors of a network in order. Padding between them holds zeros, which no clip or optimiser moves."""

    slots: tuple[Slot, ...]
    row_size: int

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> "Layout":
        """Lay tensors out one behind the other, each padded to `ALIGNMENT` elements.

        >>> [slot.offset for slot in Layout.of({"weight": (2, 3), "bias": (3,)}).slots]
        [0, 16]
        """
        slots: list[Slot] = []
        offset = 0
        for name, shape in shapes.items():
            slots.append(Slot(name, offset, shape))
            offset += -(-slots[-1].size // ALIGNMENT) * ALIGNMENT
        return cls(tuple(slots), offset)

    @property
    def num_parameters(self) -> int:
        """Parameters without the padding."""
        return sum(slot.size for slot in self.slots)

    def views(self, row: Tensor) -> dict[str, Tensor]:
        """Return every tensor as a view of a row (P,), by name."""
        return {slot.name: slot.view(row) for slot in self.slots}

"""The places of a network's parameters in a row of the cohort's matrix (S, P)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

ALIGNMENT = 16
"""Elements to which parameters and rows are padded: 64 bytes of float32, so that every row starts a cache line
and a product reads the same alignment whichever row of the cohort it serves."""


@dataclass(frozen=True)
class Slot:
    """One tensor of a network: its place in a row, its shape, and the axis that counts units.

    ``parts`` are the widths of the logical tensors that lie side by side along the last axis, one a gate.
    """

    name: str
    offset: int
    shape: tuple[int, ...]
    unit_axis: int = -1
    parts: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Numbers in the tensor."""
        return prod(self.shape)

    def view(self, row: Tensor) -> Tensor:
        """Return this tensor as a view of a row (P,)."""
        return row[self.offset : self.offset + self.size].view(self.shape)

    def part_views(self, rows: Tensor) -> list[Tensor]:
        """Return each logical tensor as a view (R, ...) of rows (R, P)."""
        block = rows[:, self.offset : self.offset + self.size].view(-1, *self.shape)
        return list(torch.split(block, list(self.parts or self.shape[-1:]), dim=-1))


@dataclass(frozen=True)
class Layout:
    """All tensors of a network in order. Padding between them holds zeros, which no clip or optimiser moves."""

    slots: tuple[Slot, ...]
    row_size: int

    @classmethod
    def of(
        cls,
        shapes: Mapping[str, tuple[int, ...]],
        parts: Mapping[str, tuple[int, ...]] | None = None,
        unit_axes: Mapping[str, int] | None = None,
    ) -> "Layout":
        """Lay tensors out one after the other, each padded to `ALIGNMENT` elements.

        >>> [slot.offset for slot in Layout.of({"weight": (2, 3), "bias": (3,)}).slots]
        [0, 16]

        Args:
            shapes: The shape of each tensor, by name, in order.
            parts: The parts of each tensor, as in `Slot`; by default one.
            unit_axes: The axis of units of each tensor, as in `Slot`; by default the last.
        """
        slots: list[Slot] = []
        offset = 0
        for name, shape in shapes.items():
            axis, widths = (unit_axes or {}).get(name, -1), (parts or {}).get(name, shape[-1:])
            slots.append(Slot(name, offset, shape, axis, widths))
            offset += -(-slots[-1].size // ALIGNMENT) * ALIGNMENT
        return cls(tuple(slots), offset)

    @property
    def num_parameters(self) -> int:
        """Parameters without the padding."""
        return sum(slot.size for slot in self.slots)

    @property
    def num_tensors(self) -> int:
        """Logical tensors, those of a `Slot.parts` counted one by one."""
        return sum(len(slot.parts) or 1 for slot in self.slots)

    def views(self, row: Tensor) -> dict[str, Tensor]:
        """Return every tensor as a view of a row (P,), by name."""
        return {slot.name: slot.view(row) for slot in self.slots}

    def arrays(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """Return every tensor as a view of a row (P,) that is an array, by name."""
        return {name: row[place].reshape(shape) for name, place, shape in self._places}

    @cached_property
    def _places(self) -> list[tuple[str, slice, tuple[int, ...]]]:
        """Name, place in a row and shape of each tensor: asked for at every update of every trial."""
        return [(slot.name, slice(slot.offset, slot.offset + slot.size), slot.shape) for slot in self.slots]

    def row(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Lay values out in a new row, (P,) float64; the padding is zero."""
        row = np.zeros(self.row_size)
        for name, array in self.arrays(row).items():
            array[...] = values[name]
        return row

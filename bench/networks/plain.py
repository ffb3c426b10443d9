"""The gradient of a plain network: layers of a cell with a kernel, one above the other, and a linear readout.

The forward and backward pass of one trial on one batch, with x the inputs, layers l = 1 ... L and n the scored steps;
gradients are written into the trial's row:

1. forward, from the bottom, with s_0 = x     a_l = s_{l-1} U_l + b_l              (`project_tokens`, `project_vectors`)
                                              h_l = scan(a_l, R_l),  s_l = h_l     (`scan_forward`)
2. the readout                                r_n = s_L at n,  z = r W + b
3. the loss and its gradient                  L(z),  dz = dL/dz                    (`longlag.passes.losses`)
4. the readout's gradients                    dW = r^T dz,  db = sum_n dz_n,  dr = dz W^T
5. backward, from the top                     ds_L = dr at n, elsewhere 0          (`scatter`)
                                              da_l from ds_l                       (`scan_backward`)
                                              dU_l = s_{l-1}^T da_l,  db_l = sum da_l,  dR_l = h_l(t-1)^T da_l
                                              ds_{l-1} = da_l U_l^T

Autograd is used only for a loss that the task computes itself. `Straight` does steps 1 and 5 with buffers that are
kept; if a sequence is longer than a chunk, or the backward signal is recorded, `Stack` does, with the same bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from longlag.networks.layers import Layers
from longlag.networks.readout import go_back, read_states
from longlag.networks.straight import Shape, Sizes, Straight
from longlag.passes.losses import loss_and_gradient
from longlag.scans.engine.base import Kernel
from longlag.scans.engine.stack import Stack
from longlag.tasks.base import Batch, Task
from longlag.values.backward import Backward
from longlag.values.layout import Layout

Array = np.ndarray[Any, Any]

KEPT_NUMBERS = 2**22
"""The most pre-activations in the buffers that are kept; when there are more, only those of one shape stay."""


@dataclass
class PlainGradient:
    """Writes a trial's gradient; the buffers that it keeps serve all trials.

    Attributes:
        kernel: The kernel of every layer.
        layers: The network without its readout.
        layout: Where each tensor lies in a row.
        spare: Buffers that are not in use, by the shape of their batches.
    """

    kernel: Kernel
    layers: Layers
    layout: Layout
    spare: dict[Shape, list[Straight]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        offset = {slot.name: slot.offset for slot in self.layout.slots}
        units, kernel = self.layers.hidden_size, self.kernel
        shapes = self.layers.shapes
        found = []
        for prefix, inputs in self.layers.scans:
            whole = [offset.get(f"{prefix}.{name}", 0) for name in ("input_weight", "bias", "recurrent_weight")]
            apart = offset[f"{prefix}.{kernel.apart_bias}"] if kernel.apart_bias else 0
            vectors = [
                offset[f"{prefix}.{name}"] + start
                for name in kernel.vector_names
                for start in range(0, int(np.prod(shapes[f"{prefix}.{name}"])), units)
            ]
            assert len(vectors) == kernel.vectors, "the kernel declares another number of vectors"
            found.append(Sizes(inputs, units, np.array([*whole, apart, *vectors], np.int64)))
        self.sizes = tuple(found)
        self._readout = [
            (slot.name, slice(slot.offset, slot.offset + slot.size), slot.shape) for slot in self.layout.slots[-2:]
        ]

    def write(self, task: Task, row: Tensor, gradient: Tensor, batch: Batch, backward: Backward) -> Tensor:
        """Write one trial's gradient and return its loss.

        Args:
            task: The task, which defines the loss.
            row: (P,), the parameters.
            gradient: (P,), overwritten; padding stays zero.
            batch: The batch.
            backward: The rules for the backward signal, and the list that records it.
        """
        theta, g, inputs, scored = row.numpy(), gradient.numpy(), batch.inputs.numpy(), batch.scored.numpy()
        shape, layers = self._lent(inputs, theta.dtype, backward)
        readout, by_readout = self._readout_of(theta), self._readout_of(g)
        read = torch.from_numpy(layers.forward(theta, inputs, scored))
        loss, by_outputs = _loss_and_gradient(task, readout, read, batch)
        by_read = go_back(readout, by_readout, read, by_outputs)
        layers.backward(g, scored, by_read.numpy(), backward)
        if shape is not None:
            self.spare.setdefault(shape, []).append(layers)
        return loss.detach()

    def _lent(self, inputs: Array, dtype: np.dtype[Any], backward: Backward) -> tuple[Shape | None, Any]:
        """Return the shape of a batch, under which its layers are given back (None: they are not), and the layers."""
        shape = Shape.of(inputs, dtype)
        if backward.seen is not None or not shape.fits(self.kernel, self.layers.hidden_size):
            return None, Stack(self.kernel, lambda row: self.layers.by_scan(self.layout.arrays(row)))
        try:
            return shape, self.spare[shape].pop()
        except (KeyError, IndexError):  # not checked before, since two threads may want the last one
            made = Straight(self.kernel, self.sizes, shape)
        kept = sum(len(found) * found[0].numbers for found in list(self.spare.values()) if found)
        if kept + made.numbers > KEPT_NUMBERS:
            self.spare.clear()
        return shape, made

    def _readout_of(self, row: Array) -> dict[str, Tensor]:
        """Return the readout's tensors, in the memory of a row."""
        return {name: torch.from_numpy(row[place].reshape(shape)) for name, place, shape in self._readout}


def _loss_and_gradient(task: Task, readout: Mapping[str, Tensor], read: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient by the outputs, (N, O), from what the readout reads, (N, H)."""
    if not task.closed_loss:
        outputs = read_states(readout, read).requires_grad_()
        loss = task.loss(outputs, batch)
        return loss, torch.autograd.grad(loss, outputs)[0]
    across = read_states(readout, read, across=True)
    by_outputs = torch.empty_like(across)
    loss_of_all = loss_and_gradient(task.closed_loss, across.numpy(), batch.targets.numpy(), by_outputs.numpy())
    return across.new_tensor(loss_of_all), by_outputs.T

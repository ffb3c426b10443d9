"""Runs stacked layers forward and backward without autograd, also in chunks of time and with the signal recorded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from longlag.scans.engine import workspace
from longlag.scans.engine.layer import Kept, Layer
from longlag.scans.engine.pair import Pair
from longlag.values.backward import PLAIN, Backward, Signal

Array = np.ndarray[Any, Any]


class Stack:
    """Stacked layers of one kernel; `longlag.networks.straight` does the same in buffers that are kept.

    Args:
        kernel: The kernel.
        by_layer: Returns the weights of each layer, from the bottom, as views of a row (P,), named as in `Layer`.
    """

    def __init__(self, kernel: Pair, by_layer: Callable[[Array], Sequence[Mapping[str, Array]]]) -> None:
        self.kernel, self.by_layer = kernel, by_layer
        self.layers: list[tuple[Layer, Kept]] = []

    def forward(self, row: Array, inputs: Array, scored: Array) -> Array:
        """Run forward in time; return the outputs of the top layer at the scored places, (N, H).

        Args:
            row: (P,), the trial's parameters.
            inputs: Tokens (T, B) or vectors (T, B, I).
            scored: (N,), different places in the flattened (T·B).
        """
        for weights in self.by_layer(row):
            layer = Layer(self.kernel, weights, inputs)
            outputs, _, kept = layer.forward(keep=True)
            assert kept is not None
            inputs = np.ascontiguousarray(outputs)
            self.layers.append((layer, kept))
        return inputs.reshape(-1, inputs.shape[-1])[scored]

    def backward(self, gradient: Array, scored: Array, by_states: Array, backward: Backward = PLAIN) -> None:
        """Run backward in time, once after each `forward`, and write the gradients by all weights.

        Args:
            gradient: (P,), the trial's gradient, written but for the readout's.
            scored: The places given to `forward`.
            by_states: (N, H), the loss's gradients by the outputs that `forward` returned.
            backward: What happens to the signal in the backward pass, and the list that records it.
        """
        top = self.layers[-1][0]
        arriving = workspace.take((top.steps, top.batch, top.row), top.dtype)
        buffer = arriving
        arriving.fill(0)
        arriving.reshape(-1, top.row)[scored, : top.units] = by_states
        signals: list[Signal | None] = [None] * len(self.layers)
        if backward.seen is not None:
            signals = [layer.blank_signal() for layer, _ in self.layers]
            backward.seen.extend(signal for signal in signals if signal is not None)
        targets = self.by_layer(gradient)
        for place, (layer, kept) in reversed(list(enumerate(self.layers))):
            grads, _ = layer.backward(kept, arriving, (), place > 0, backward, signals[place])
            for name, array in targets[place].items():
                array[...] = grads[name]
            arriving = grads.get("inputs", arriving)
        workspace.give_back([buffer, *(kept.chunk.states for _, kept in self.layers if kept.chunk)])
        self.layers.clear()

"""Layers one above the other, there and back without autograd: what the training of a cohort spends its time in."""

from collections.abc import Mapping, Sequence

import numpy as np

from longlag.scans.engine import workspace
from longlag.scans.engine.layer import Array, Kept, Layer
from longlag.scans.engine.pair import Pair
from longlag.values.backward import PLAIN, Backward, Signal


class Stack:
    """Layers of one kernel for one trial and one batch.

    Args:
        kernel: The kernel.
        weights: Of each layer, from the bottom, as `Layer` wants them.
        inputs: Tokens (T, B) or vectors (T, B, I).
        backward: What happens to the backward signal on its way, and who sees it.

    Attributes:
        outputs: (T, B, H), of the top layer; they last until `backward`.
    """

    def __init__(
        self, kernel: Pair, weights: Sequence[Mapping[str, Array]], inputs: Array, backward: Backward = PLAIN
    ) -> None:
        self.layers: list[tuple[Layer, Kept]] = []
        self.outputs, self.backward_pass = inputs, backward
        self.signals: list[Signal | None] = [None] * len(weights)
        for layer_weights in weights:
            layer = Layer(kernel, layer_weights, self.outputs)
            outputs, _, kept = layer.forward(keep=True)
            assert kept is not None
            self.outputs = np.ascontiguousarray(outputs)
            self.layers.append((layer, kept))
        if backward.seen is not None:
            made = [layer.blank_signal() for layer, _ in self.layers]
            backward.seen.extend(made)
            self.signals = list(made)

    def backward(self, scored: Array, grads: Array) -> list[dict[str, Array]]:
        """Return the gradients by each layer's weights, from the bottom; the stack is used up.

        Args:
            scored: (N,), different positions.
            grads: (N, H), the loss's gradients by the top layer's outputs there.
        """
        top, found = self.layers[-1][0], []
        arriving = workspace.take((top.steps, top.batch, top.row), top.dtype)
        buffer = arriving
        arriving.fill(0)
        arriving.reshape(-1, top.row)[scored, : top.units] = grads
        for place, (layer, kept) in reversed(list(enumerate(self.layers))):
            by_name, _ = layer.backward(kept, arriving, (), place > 0, self.backward_pass, self.signals[place])
            found.append(by_name)
            arriving = by_name.get("inputs", arriving)
        workspace.give_back([buffer, *(kept.chunk.states for _, kept in self.layers if kept.chunk)])
        self.layers.clear()
        return found[::-1]

"""Temporal convolutional network: dilated causal convolutions, each layer reaching further back than the one below.

y   = relu(C1 * x)          C1, C2: K taps, d steps apart, ending at the step itself; weights normalised
y'  = relu(C2 * y)
x'  = relu(y' + x)          x through a linear map if its width differs, in the first layer

Layer l has d = b^l, so that an output of L layers sees 1 + 2 (K - 1) (b^L - 1) / (b - 1) steps. A tap that reaches
beyond the longest sequence sees only zeros. The paper's dropout is left out.

Parameters: I H (K + 1) + H^2 K (2 L - 1) + 4 L H + H, without I H + H where I = H.
Context: the inputs within the reach of each convolution, min((K - 1) d, T - 1) steps.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.parametrizations import weight_norm

from longlag.architectures.base import Architecture, Shape
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Tcn(Architecture):
    """Temporal convolutional network: dilated causal convolutions; no recurrence."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Bai, Kolter & Koltun 2018, section 3"

    kernel_size: int = option(7, "taps of a convolution (K)", low=2, high=1000)
    dilation_base: int = option(2, "factor on the steps between taps from layer to layer (b)", low=1, high=100)

    def dilation(self, shape: Shape, layer: int) -> int:
        """Return the steps between taps, at most the length of the longest sequence: beyond it there are only zeros."""
        return min(int(self.dilation_base**layer), shape.length)

    def build(self, shape: Shape) -> nn.Module:
        """Build the stack of convolutions."""
        return _Stack(self, shape)

    def reach(self, shape: Shape) -> int:
        """Return the steps that an output sees, its own included."""
        taps = sum(2 * (self.kernel_size - 1) * self.dilation(shape, layer) for layer in range(shape.layers))
        return min(1 + taps, shape.length)

    def context_size(self, shape: Shape) -> int:
        """Return the number of past values that the convolutions read."""
        reach = [
            min((self.kernel_size - 1) * self.dilation(shape, layer), shape.length - 1) for layer in range(shape.layers)
        ]
        return reach[0] * (shape.input_size + shape.hidden_size) + sum(reach[1:]) * 2 * shape.hidden_size


class _Stack(nn.Module):
    def __init__(self, options: Tcn, shape: Shape) -> None:
        super().__init__()
        sizes = [shape.input_size] + [shape.hidden_size] * shape.layers
        self.blocks = nn.Sequential(
            *(
                _Block(sizes[layer], sizes[layer + 1], options.kernel_size, options.dilation(shape, layer))
                for layer in range(shape.layers)
            )
        )

    def forward(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        outputs: Tensor = self.blocks(inputs.permute(1, 2, 0))  # (B, channels, T), as convolutions want it
        return outputs.permute(2, 0, 1)


class _Block(nn.Module):
    """Two convolutions and a residual connection around them."""

    def __init__(self, inputs: int, outputs: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.reach = (taps - 1) * dilation
        self.first = weight_norm(nn.Conv1d(inputs, outputs, taps, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(outputs, outputs, taps, dilation=dilation))
        self.around = nn.Identity() if inputs == outputs else nn.Conv1d(inputs, outputs, 1)

    def forward(self, signal: Tensor) -> Tensor:
        summed = torch.relu(self.first(pad(signal, (self.reach, 0))))
        summed = torch.relu(self.second(pad(summed, (self.reach, 0))))
        return torch.relu(summed + self.around(signal))

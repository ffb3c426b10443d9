"""Transformer: every step attends to all steps up to it, or, if bidirectional, to all steps.

x_0  = E u + e + p                                           input u, position p
x'   = x + O [attention of each head](N(x))                  q, k, v = N(x) W; softmax(q k^T / sqrt(d)) v
x''  = x' + W2 relu(W1 N'(x') + b1) + b2                     in each of L layers
h    = N''(x_L)

N is layer normalisation, before each part (Xiong et al. 2020), so that no warm-up is needed. Positions are added:
sinusoidal, or learned, one vector for each of the task's steps; or they rotate q and k (rotary); or there are none: a
causal network still distinguishes positions by the number of steps it sees.

Parameters: (I + 1) H + L ((4 + 2 F) H^2 + (9 + F) H) + 2 H, F the feedforward factor; T H more with learned positions.
Context: keys and values of all steps, 2 L T H.
"""

from dataclasses import dataclass
from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from longlag.architectures.base import Architecture, Shape
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import option


@dataclass(frozen=True)
class Transformer(Architecture):
    """Transformer: self-attention and feedforward layers, layer normalisation before each; no recurrence."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Vaswani et al. 2017; Xiong et al. 2020 (normalisation first); Su et al. 2021 (rotary)"
    directions: ClassVar[tuple[str, ...]] = ("forward", "bidirectional")

    heads: int = option(4, "attention heads; they divide the hidden size", low=1, high=256)
    feedforward: int = option(4, "units between the two feedforward products, in hidden sizes", low=1, high=16)
    positions: str = option("sinusoidal", "encoding of positions", choices=("sinusoidal", "learned", "rotary", "none"))

    @property
    def width_step(self) -> int:
        """The number that hidden sizes must be multiples of: the heads, or twice as many where pairs are rotated."""
        return self.heads * (2 if self.positions == "rotary" else 1)

    def admit_steps(self, trained: int, longest: int) -> None:
        """Refuse sequences longer than the learned positions.

        Raises:
            UsageError: The positions are learned, and the sequences are longer than those of training.
        """
        if self.positions == "learned" and longest > trained:
            rule = f"cell transformer: positions=learned has the task's {trained} positions"
            raise UsageError(f"{rule}, not {longest}; sinusoidal, rotary and none work for any number")

    def build(self, shape: Shape) -> nn.Module:
        """Build embedding, positions and layers."""
        return _Stack(self, shape)

    def context_size(self, shape: Shape) -> int:
        """Return the keys and values of all steps."""
        return 2 * shape.layers * shape.length * shape.hidden_size


class _Stack(nn.Module):
    def __init__(self, options: Transformer, shape: Shape) -> None:
        super().__init__()
        self.options, self.positions = options, options.positions
        self.embed = nn.Linear(shape.input_size, shape.hidden_size)
        nn.init.normal_(self.embed.weight)  # as torch.nn.Embedding, so that positions do not outweigh tokens
        if options.positions == "learned":
            self.places = nn.Parameter(0.02 * torch.randn(shape.length, shape.hidden_size))
        self.blocks = nn.ModuleList(_Block(options, shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.hidden_size)

    def forward(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        signal = self._placed(self.embed(inputs))
        for block in self.blocks:
            signal = block(signal, lengths)
        outputs: Tensor = self.norm(signal)
        return outputs

    def _placed(self, signal: Tensor) -> Tensor:
        steps = len(signal)
        if self.positions == "sinusoidal":
            return signal + sinusoids(steps, signal.shape[-1], signal).unsqueeze(1)
        if self.positions == "learned":
            self.options.admit_steps(len(self.places), steps)
            return signal + self.places[:steps].unsqueeze(1)
        return signal


class _Block(nn.Module):
    """Attention and feedforward part, each with a residual connection around it."""

    def __init__(self, options: Transformer, shape: Shape) -> None:
        super().__init__()
        size, inner = shape.hidden_size, options.feedforward * shape.hidden_size
        self.heads, self.causal = options.heads, not shape.bidirectional
        self.rotary = options.positions == "rotary"
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.project, self.gather = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.linear1, self.linear2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, signal: Tensor, lengths: Tensor | None) -> Tensor:
        signal = signal + self._attention(self.norm1(signal), lengths)
        summed: Tensor = signal + self.linear2(torch.relu(self.linear1(self.norm2(signal))))
        return summed

    def _attention(self, signal: Tensor, lengths: Tensor | None) -> Tensor:
        steps, batch, size = signal.shape
        parts = self.project(signal).view(steps, batch, 3, self.heads, size // self.heads)
        query, key, value = parts.permute(2, 1, 3, 0, 4)  # (B, heads, T, size of a head) each
        if self.rotary:
            query, key = rotated(query), rotated(key)
        mask = None
        if lengths is not None and not self.causal:  # no step attends to positions after its sequence's end
            mask = (torch.arange(steps, device=signal.device) < lengths.unsqueeze(1))[:, None, None]
        seen = scaled_dot_product_attention(query, key, value, mask, is_causal=self.causal)
        gathered: Tensor = self.gather(seen.permute(2, 0, 1, 3).reshape(steps, batch, size))
        return gathered


def angles(steps: int, pairs: int, like: Tensor) -> Tensor:
    """Return the angle of each pair of numbers at each step, (T, pairs): wavelengths from 2 pi to 10000 times that."""
    rates = torch.exp(torch.arange(pairs, dtype=like.dtype, device=like.device) * (-log(10_000) / max(pairs, 1)))
    return torch.arange(steps, dtype=like.dtype, device=like.device).unsqueeze(1) * rates


def sinusoids(steps: int, size: int, like: Tensor) -> Tensor:
    """Return the position encodings of Vaswani et al. 2017, section 3.5, (T, H): sines and cosines alternate."""
    turns = angles(steps, (size + 1) // 2, like)
    return torch.stack([turns.sin(), turns.cos()], -1).flatten(1)[:, :size]


def rotated(vectors: Tensor) -> Tensor:
    """Turn each pair of neighbouring numbers of (..., T, size) by its step's angle (Su et al. 2021, equation 34)."""
    steps, size = vectors.shape[-2:]
    turn = angles(steps, size // 2, vectors)
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    pairs = [even * turn.cos() - odd * turn.sin(), even * turn.sin() + odd * turn.cos()]
    return torch.stack(pairs, -1).flatten(-2)

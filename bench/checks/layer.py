"""A cell as one small layer of a network, as a trial would run it, on which `check-cell` checks its rules."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.cells.base import Weights
from longlag.cells.support.backbone import Backbone
from longlag.networks.build import assembled
from longlag.networks.protocol import SequenceNetwork
from longlag.values.seeding import stream

STEPS, BATCH, INPUTS, HIDDEN = 6, 4, 3, 6
EXACT = 1e-9
"""The relative difference allowed in float64."""


@dataclass(frozen=True)
class SmallLayer:
    """One layer of a cell, in float64 by default."""

    cell: Backbone

    @property
    def network(self) -> SequenceNetwork:
        """A new network at each call, so that nothing is shared."""
        return assembled(self.cell, INPUTS, 1, self.hidden_size, length=STEPS)

    @property
    def hidden_size(self) -> int:
        """`HIDDEN`, or the next larger size that the cell allows."""
        return -(-HIDDEN // self.cell.width_step) * self.cell.width_step

    def weights(self, seed: int = 0, dtype: torch.dtype = torch.float64) -> Weights:
        """Draw initial weights and perturb them, so that no rule holds only for special values."""
        network = self.network
        drawn = network.initial_row(seed)
        row = drawn + 0.3 * stream("check", seed).generator().standard_normal(len(drawn))
        arrays = network.layout.arrays(row)
        for name in network.frozen:  # what is constant may be whole numbers, or an orthogonal matrix
            arrays[name][...] = network.layout.arrays(drawn)[name]
        return {name: view.clone() for name, view in network.layout.views(torch.from_numpy(row).to(dtype)).items()}

    @property
    def reads_tokens(self) -> bool:
        """Whether it is a module that reads only tokens, not vectors."""
        return self.cell.tokens

    def inputs(self, seed: int = 0, steps: int = STEPS, dtype: torch.dtype = torch.float64) -> Tensor:
        """Draw inputs: vectors (T, B, I) or tokens (T, B)."""
        vectors = sequences(seed, steps)
        return vectors.argmax(-1) if self.reads_tokens else vectors.to(dtype)

    def others(self, inputs: Tensor) -> Tensor:
        """Return inputs that differ from the given ones everywhere."""
        return (inputs + 1) % INPUTS if self.reads_tokens else inputs + 1

    def run(self, inputs: Tensor, weights: Weights) -> Tensor:
        """Return the outputs (T, B, H)."""
        return self.network.states(weights, inputs)

    def trained(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the cell's trained weights, which require gradients, and all other weights."""
        weights, frozen = dict(self.weights()), self.network.frozen
        own = [name for name in weights if not name.startswith("readout.") and name not in frozen]
        return {name: weights.pop(name).requires_grad_() for name in own}, weights


def sequences(seed: int = 0, steps: int = STEPS) -> Tensor:
    """Draw inputs (T, B, I)."""
    return torch.from_numpy(stream("check", "inputs", seed).generator().standard_normal((steps, BATCH, INPUTS)))


def close(one: Tensor, other: Tensor, tolerance: float = EXACT) -> bool:
    """Return whether two tensors agree up to rounding."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=tolerance, atol=tolerance)

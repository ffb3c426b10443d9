"""What training, evaluation and plans ask of a network, whatever it is made of."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from torch import Tensor

from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Backward
from longlag.values.layout import Layout


class AnyNetwork(Protocol):
    """A network of one trial, computed from views of its row of parameters."""

    @property
    def layout(self) -> Layout:
        """Where each tensor lies in a row."""

    @property
    def state_size(self) -> int:
        """Numbers carried from one time step to the next."""

    def rate_factors(self) -> Tensor | None:
        """Return factors on the learning rate, (P,) float64; None where there are none."""

    def path(self, device: str, dtype: str) -> str:
        """Say which code runs: ``fused`` or ``readable``."""

    def initial_row(self, seed: int) -> np.ndarray:
        """Draw the initial parameters of one trial, (P,) float64."""

    def orthogonality_error(self, row: Tensor) -> float | None:
        """Return how far the matrices that are kept orthogonal are from it; None without any."""

    def outputs(
        self,
        views: Mapping[str, Tensor],
        batch: Batch,
        noise: np.random.Generator | None = None,
        how: Backward = PLAIN,
    ) -> Tensor:
        """Return the readout at the scored steps, (N, O), from the tensors of one trial by name.

        Args:
            views: By their names in `layout`.
            batch: What to answer.
            noise: Draws what dropout sets to zero, in training.
            how: What happens to the backward signal of each scan.
        """

"""What the way back through a layer adds up, one chunk of time after another."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sums:
    """The gradients of a layer, added up from chunk to chunk; rows are padded.

    Attributes:
        by_weight: By the name of the weight, but for the kernel's vectors; (G, ..., padded units).
        vectors: (V, 1, N), of the kernel's vectors, not yet summed over the sequences.
        inputs: (T, B, padded inputs), written; None where nobody wants them.
        input_weight: Transposed and packed, for these.
    """

    by_weight: dict[str, Array]
    vectors: Array
    inputs: Array | None
    input_weight: Array | None

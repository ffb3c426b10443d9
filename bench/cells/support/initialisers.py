"""Initial values that cells share."""

import numpy as np


def orthogonal(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draw a matrix (size, size) uniformly from the orthogonal group (QR with signs fixed: Mezzadri 2007)."""
    q, r = np.linalg.qr(generator.standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def rotations(angles: np.ndarray, size: int) -> np.ndarray:
    """Return the strict upper triangle of a skew-symmetric matrix of 2x2 blocks, row by row.

    >>> rotations(np.array([5.0]), 3)
    array([5., 0., 0.])
    """
    matrix = np.zeros((size, size))
    matrix[np.arange(0, size - 1, 2), np.arange(1, size, 2)] = angles
    return matrix[np.triu_indices(size, 1)]


def chrono(generator: np.random.Generator, size: int, span: int) -> np.ndarray:
    """Draw forget biases log U(1, span - 1), for time constants from 2 to ``span`` steps (Tallec & Ollivier 2018)."""
    return np.log(generator.uniform(1, span - 1, size))


def softplus_inverse(values: np.ndarray) -> np.ndarray:
    """Return x such that softplus(x) = values, for positive values."""
    inverse: np.ndarray = values + np.log(-np.expm1(-values))
    return inverse

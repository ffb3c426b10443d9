"""Spectrum: singular values and eigenvalues of the recurrent matrices, one matrix per gate.

For a square matrix A: its largest and smallest singular value, its spectral radius, its eigenvalues in the complex
plane, and its departure from normality (Henrici 1962), sqrt(|A|_F^2 - sum |lambda|^2) / |A|_F: 0 if A is normal, so
that its eigenvalues describe it, up to 1 if they are all 0. If a cell computes its matrix from other weights, as for an
orthogonal one, A is the matrix that its steps use; per-unit weights form a diagonal matrix.
"""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from longlag.cells.base import Cell, Weights
from longlag.lens.base import Lens, Subject
from longlag.lens.support.steps import no_steps
from longlag.networks.recurrent import Network
from longlag.values.frames import Found, Number, Part, rounded


class Spectrum(Lens):
    """Singular values, eigenvalues and departure from normality of the recurrent matrices."""

    version: ClassVar[int] = 1
    summary: ClassVar[str] = "singular values, eigenvalues and departure from normality of the recurrent matrices"
    reference: ClassVar[str] = "Henrici 1962; Pascanu, Mikolov & Bengio 2013"

    def refusal(self, subject: Subject) -> str:
        """Return why there is no square recurrent matrix; empty where there is one."""
        if why := no_steps(subject):
            return why
        network = subject.network
        assert isinstance(network, Network), "no_steps refuses others"
        if not list(_matrices(subject)):
            return f"cell {network.cell.name()} has no square recurrent matrix"
        return ""

    def frame(self, subject: Subject) -> Found:
        """Return ``matrices``, a row per matrix, and ``eigenvalues``, a row per eigenvalue; numbers are maxima."""
        named = list(_matrices(subject))
        values = [torch.linalg.eigvals(matrix) for _, matrix in named]
        singular = [torch.linalg.svdvals(matrix) for _, matrix in named]
        matrices: Part = {
            "matrix": [name for name, _ in named],
            "s_max": [rounded(float(one.max())) for one in singular],
            "s_min": [rounded(float(one.min())) for one in singular],
            "radius": [rounded(float(one.abs().max())) for one in values],
            "departure": [rounded(departure(matrix, one)) for (_, matrix), one in zip(named, values, strict=True)],
        }
        plane: Part = {
            "matrix": [name for (name, _), one in zip(named, values, strict=True) for _ in range(len(one))],
            "real": [rounded(value) for one in values for value in one.real.tolist()],
            "imaginary": [rounded(value) for one in values for value in one.imag.tolist()],
        }
        numbers: dict[str, Number] = {
            name: max(matrices[name], key=lambda value: value or 0.0) for name in ("s_max", "radius", "departure")
        }
        return Found(numbers, {"matrices": matrices, "eigenvalues": plane})


def departure(matrix: Tensor, eigenvalues: Tensor) -> float:
    """Return Henrici's departure from normality as a share of the Frobenius norm; 0 for the zero matrix.

    >>> rotation, shift = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> departure(rotation, torch.linalg.eigvals(rotation)), departure(shift, torch.zeros(2))
    (0.0, 1.0)
    """
    whole = float(matrix.square().sum())
    rest = max(whole - float(eigenvalues.abs().square().sum()), 0.0)
    return (rest / whole) ** 0.5 if whole and rest > 1e-12 * whole else 0.0


def _matrices(subject: Subject) -> Iterator[tuple[str, Tensor]]:
    """Yield the square recurrent matrices of each scan, in float64, as ``0.forget``."""
    network = subject.network
    assert isinstance(network, Network), "no_steps refuses others"
    views = network.by_scan(network.layout.views(subject.row.double()))
    for (scan, _), weights in zip(network.layers.scans, views, strict=True):
        for name, matrix in _of_scan(network.cell, weights, network.hidden_size):
            yield f"{scan}.{name}", matrix


def _of_scan(cell: Cell, weights: Weights, size: int) -> Iterator[tuple[str, Tensor]]:
    prepared, gates = cell.prepare(weights), list(cell.gate_widths(size))
    outside = {"input_weight", "bias"}
    for name in [name for name in prepared if name not in outside]:
        tensor, follows = prepared[name], name not in weights
        if name in weights and any(made not in weights for made in prepared):
            continue  # steps use a matrix that is computed from it
        if tensor.ndim == 1 and name == "recurrent_weight":
            blocks = [torch.diag(part) for part in torch.split(tensor, size)] if len(tensor) % size == 0 else []
        elif tensor.ndim == 2 and tensor.shape[0] == size and tensor.shape[1] % size == 0:
            blocks = list(torch.split(tensor, size, dim=1))
        else:
            continue
        whole = len(blocks) == len(gates) and not follows
        for place, block in enumerate(blocks):
            alone = name if len(blocks) == 1 else f"{name}.{place}"
            yield (gates[place] if whole and name == "recurrent_weight" else alone), block

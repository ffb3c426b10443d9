"""Pascanu's regulariser, which keeps the backward signal from fading, and its one-step gradient.

With s_t the states of a scan after step t, d_t the backward signal there (`longlag.values.backward`) and
J_t = ds_t / ds_{t-1},

    Omega_t = (|J_t^T d_t| / |d_t| - 1)²      Omega = mean of Omega_t over steps and sequences

(Pascanu, Mikolov & Bengio 2013, equation 9, norms over all states of a layer). The mean is the authors' program's; the
paper writes a sum, with which the effect of a factor would depend on the length. Steps with |d_t| below 1e-10 are left
out, as there. The gradient is the immediate one (equation 10): signals and states are constants, and the recurrent
weights are differentiated only where they occur in J_t. A plain network's J_t^T d_t is (d_t f'(a_t)) U^T with f'(a_t) a
constant, as in the paper; for other cells `Cell.carry_back` computes it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from longlag.cells.base import Cell, Weights
from longlag.networks.protocol import AnyNetwork
from longlag.values.backward import Backward, Signal

SMALLEST_SIGNAL = 1e-10
"""Steps whose signal has a norm below this are left out."""
NUMBERS = 2**22
"""The most projected inputs that are processed at once."""


def add_omega(network: AnyNetwork, row: Tensor, gradient: Tensor, backward: Backward) -> None:
    """Add the one-step gradient of the factor times Omega, summed over scans, to a trial's gradient (P,).

    Args:
        network: The network.
        row: (P,), the parameters.
        gradient: (P,), changed in place.
        backward: The rules of the backward pass that made the gradient: the factor, and the signals that it recorded.
    """
    weights, targets = (network.scans(network.layout.views(of)) for of in (row, gradient))
    for (cell, given), (_, target), signal in zip(weights, targets, backward.seen or [], strict=True):
        for name, addend in omega_gradient(cell, given, signal)[1].items():
            target[name].add_(addend, alpha=backward.omega)


def omega_gradient(cell: Cell, weights: Weights, signal: Signal) -> tuple[Tensor, dict[str, Tensor]]:
    """Return a layer's Omega, and its immediate gradient by the recurrent weights, by name."""
    names = list(cell.recurrent_shapes(cell.hidden_size(weights)))
    leaves = {name: weights[name].detach().requires_grad_() for name in names}
    counted = sum((_lengths(signal, steps) > SMALLEST_SIGNAL).sum() for steps in _pieces(cell, weights, signal))
    omega = signal.arriving.new_zeros(())
    by_name = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    with torch.enable_grad():
        for steps in _pieces(cell, weights, signal):
            part = _sum(cell, {**weights, **leaves}, signal, steps) / max(int(counted), 1)
            omega = omega + part.detach()
            if names and part.requires_grad:
                grads = torch.autograd.grad(part, list(leaves.values()), materialize_grads=True)
                for name, grad in zip(names, grads, strict=True):
                    by_name[name] += grad
    return omega, by_name


def _pieces(cell: Cell, weights: Weights, signal: Signal) -> Iterator[slice]:
    """Yield pieces of the time steps, so that memory stays bounded; they depend on shapes alone."""
    steps, batch = signal.inputs.shape[:2]
    length = max(1, NUMBERS // (batch * weights["input_weight"].shape[-1]))
    return (slice(start, start + length) for start in range(0, steps, length))


def _lengths(signal: Signal, steps: slice) -> Tensor:
    """Return |d_t| for each step and sequence, (N,) float64."""
    return _norms([part[steps].flatten(0, 1).double() for part in signal.passed])


def _norms(parts: list[Tensor]) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(torch.cat([part.flatten(1) for part in parts], 1), dim=1)
    return norms


def _sum(cell: Cell, weights: Weights, signal: Signal, steps: slice) -> Tensor:
    """Return the sum of Omega_t over some steps, all sequences, differentiable by the weights."""
    lengths = _lengths(signal, steps)
    scales = torch.where(lengths > SMALLEST_SIGNAL, 1 / lengths, 0.0)
    units = tuple(
        (part[steps].flatten(0, 1) * scales.reshape(-1, *[1] * (part.ndim - 2))).to(part.dtype)
        for part in signal.passed
    )
    before = tuple(part[steps].flatten(0, 1).detach().requires_grad_() for part in signal.before)
    projected = cell.project(signal.inputs[steps], weights).detach().flatten(0, 1).requires_grad_()
    earlier = cell.carry_back(units, projected, before, cell.prepare(weights))
    ratios = _norms(list(earlier))
    return torch.where(scales > 0, (ratios - 1) ** 2, 0.0).sum()

"""The bound on the signal of a plain network, and the networks for which it holds.

For h_t = f(x_t W + b + h_{t-1} U) with |f'| <= g everywhere and s_max the largest singular value of U,

    |dy/dh_(T-k)| <= (g s_max)^k |dy/dh_T|

since each step back multiplies by a diagonal matrix of slopes, of norm at most g, and by U^T (Pascanu, Mikolov & Bengio
2013, section 2; there for s_max < 1 / g, which is sufficient for the signal to vanish). g is 1 for tanh, ReLU and the
identity, and 1/4 for the logistic function.
"""

import torch

from longlag.lens.base import Subject
from longlag.networks.recurrent import Network
from longlag.values.frames import rounded


def no_bound(subject: Subject) -> str:
    """Return why the theorem does not hold for a network; empty where it does."""
    network = subject.network
    if not isinstance(network, Network):
        return "the theorem is about one layer of a plain cell; this network runs whole sequences, or has a decoder"
    if network.cell.steepest is None:
        return f"the theorem is about h = f(x W + b + h U); cell {network.cell.name()} has other equations"
    wiring = network.wiring
    if wiring.layers > 1 or wiring.direction != "forward":
        return f"the theorem is about one layer in one direction, not {wiring.layers} layers, {wiring.direction}"
    return ""


def fading(subject: Subject) -> tuple[float, float]:
    """Return g and s_max of a network that the theorem holds for, computed in float64."""
    network = subject.network
    assert isinstance(network, Network), "no_bound refuses others"
    assert network.cell.steepest is not None, "no_bound refuses others"
    (tensors,) = network.by_scan(network.layout.views(subject.row))
    largest = torch.linalg.matrix_norm(tensors["recurrent_weight"].double(), 2)
    return network.cell.steepest, float(largest)


def slowest_fading(subject: Subject) -> float | None:
    """Return g s_max, the largest factor of a step back on the state's signal; None where the theorem does not hold."""
    if no_bound(subject):
        return None
    slope, largest = fading(subject)
    return rounded(slope * largest)

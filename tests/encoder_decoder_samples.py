"""Small encoder-decoders, with tensors and batches, that their tests have in common."""

from dataclasses import replace

import numpy as np
import torch

from longlag import registry
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.tasks.reverse import Reverse
from longlag.tasks.support.options import Range
from longlag.values.seeding import stream

HIDDEN = 4
CLOSE = {"rtol": 1e-9, "atol": 1e-13}
EQUAL, UNEQUAL = Reverse(items=Range(4, 4), symbols=5), Reverse(items=Range(1, 5), symbols=5)


def network_for(task, spec, decoder_spec, wiring, hidden=HIDDEN):
    cells = registry.cell(spec), registry.cell(decoder_spec)
    wiring = replace(wiring, decoder_cell=cells[1].spec)
    return EncoderDecoder(*cells, task.input_size, task.output_size, hidden, wiring)


def tensors_of(network, seed=0):
    """Draw every tensor away from its initial value, so that nothing is right by special values; all want gradients."""
    moved = 0.3 * np.random.default_rng(seed).standard_normal(network.layout.row_size)
    views = network.layout.views(torch.from_numpy(network.initial_row(seed) + moved))
    return {name: view.clone().requires_grad_() for name, view in views.items()}


def batch_of(task, size=6, seed=0):
    return task.draw(stream("test", seed).generator(), size)


def gradients_of(outputs, tensors):
    """Return the gradients of a sum whose terms differ, by each of the tensors."""
    factors = torch.linspace(-1, 2, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return torch.autograd.grad((outputs * factors).sum(), tensors)

"""Norms of the answer's gradient by a network's inputs and states, step by step.

With y the answer's margin (`answers`), x_t the input vector at step t (one-hot for tokens) and s_t the states after it,
all of them together or one by one, these are |dy/dx_t| and |dy/ds_t| for every step of every sequence. Only networks of
cells have signals by states: the states of modules that run whole sequences cannot be observed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from longlag.lens.base import Subject
from longlag.lens.support.answers import last_margins, last_scored
from longlag.networks.encoder_decoder import EncoderDecoder
from longlag.networks.module_network import ModuleNetwork
from longlag.networks.recurrent import Network
from longlag.scans.run import reversed_in_time
from longlag.tasks.base import Batch
from longlag.values.backward import PLAIN, Signal

INPUT, STATE = "input", "state"
_SPAN = 512


@dataclass(frozen=True)
class Norms:
    """Norms of gradients of the answer.

    Attributes:
        last: (B,), the last scored step of each sequence, -1 without one.
        ends: (B,), the time steps of each sequence.
        parts: (T, B) float64 each: ``input``; ``state``, for all states together, and, if there are several, each of
            them by scan and name: ``0.h``, ``1-backward.c``.
    """

    last: Tensor
    ends: Tensor
    parts: Mapping[str, Tensor]


def unreadable(subject: Subject) -> str:
    """Return why the answer cannot be differentiated by a network's inputs; empty where it can."""
    network = subject.network
    if isinstance(network, ModuleNetwork) and network.cell.tokens:
        return f"cell {network.cell.name()} looks tokens up in its own table, so that it has no gradient by its inputs"
    return ""


def norms_of(subject: Subject, batch: Batch) -> Norms:
    """Run one backward pass from the answers, and return the norms of the gradients at each step."""
    seen: list[Signal] = []
    read, decodes = {"inputs": _as_vectors(batch.inputs, subject)}, isinstance(subject.network, EncoderDecoder)
    if decodes:
        assert batch.decoder_inputs is not None, "tasks with an output sequence have decoder inputs"
        read["decoder_inputs"] = _as_vectors(batch.decoder_inputs, subject, further=1)
    with torch.enable_grad():
        views = subject.network.layout.views(subject.row)
        by_vectors = replace(batch, inputs=read["inputs"], decoder_inputs=read.get("decoder_inputs"))
        outputs = subject.network.outputs(views, by_vectors, None, replace(PLAIN, seen=seen))
        answers = last_margins(outputs, batch).sum()
        partials = torch.autograd.grad(answers, list(read.values()), materialize_grads=True)
    by_input = _norms(partials[0])
    if decodes:
        by_input = _written(by_input, _norms(partials[1]), batch.mask)
    last, _ = last_scored(batch)
    ends = last.new_full(last.shape, len(batch.mask)) if batch.lengths is None else batch.lengths
    return Norms(last, ends, {INPUT: by_input} | _by_state(subject, seen, batch.lengths))


def _as_vectors(read: Tensor, subject: Subject, further: int = 0) -> Tensor:
    """Return inputs as vectors for differentiation; ``further`` is the number of classes that are never targets."""
    if read.is_floating_point():
        return read.detach().to(subject.row.dtype, copy=True).requires_grad_()
    size = subject.task.output_size + further if further else subject.task.input_size
    return one_hot(read, size).to(subject.row.dtype).requires_grad_()


def _norms(part: Tensor) -> Tensor:
    """Return the norm over all but the first two axes, (T, B) float64; computed by spans of time, to save memory."""
    spans = torch.split(part.detach().flatten(2), _SPAN)
    return torch.cat([torch.linalg.vector_norm(span, dim=2, dtype=torch.float64) for span in spans])


def _written(encoder: Tensor, decoder: Tensor, mask: Tensor) -> Tensor:
    """Return norms (T, B): a decoder's, (T', B), at the steps at which it writes; the encoder's before them."""
    steps, columns = mask.nonzero(as_tuple=True)
    joined = encoder.clone()
    joined[steps, columns] = decoder[steps - mask.int().argmax(0)[columns], columns]
    return joined


def _by_state(subject: Subject, seen: list[Signal], lengths: Tensor | None) -> dict[str, Tensor]:
    """Return the norms by all states, and by each, at the steps of the sequence."""
    if not isinstance(subject.network, Network):
        return {}
    by_name: dict[str, Tensor] = {}
    for (scan, _), signal in zip(subject.network.layers.scans, seen, strict=True):
        for name, part in zip(subject.network.cell.states, signal.passed, strict=True):
            norms = _norms(part)
            by_name[f"{scan}.{name}"] = reversed_in_time(norms, lengths) if scan.endswith("backward") else norms
    together = torch.stack(list(by_name.values())).square().sum(0).sqrt()
    return {STATE: together} | (by_name if len(by_name) > 1 else {})

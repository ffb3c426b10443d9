"""Gradients and cohorts that the tests of clips have in common."""

import numpy as np
import torch

from longlag import registry
from longlag.clips.base import Context, row_norms
from longlag.clips.quantile import ClipQuantile
from longlag.networks.recurrent import Network
from longlag.tasks.copy import Copy
from longlag.values.trial import Trial

NETWORK = Network.for_task(registry.cell("gru"), Copy(items=1, symbols=3, blanks=2), hidden_size=5)
LAYOUT = NETWORK.layout
SPECS = [
    *("none", "norm:0.5", "norm:100", "value:0.01", "value:100", "layer:0.2", "layer:100", "agc:0.01", "agc:1e6"),
    *("quantile:0.1", "quantile:1", "skip:0.5", "skip:100", "norm:0.5,type=1", "norm:0.5,type=inf"),
    *("zclip:2.5", "zclip:0.5,warmup=1", "adagc:1.05", "adagc:0.5,warmup=1,lambda_abs=0.2", "guard", "norm:0.5+guard"),
]
PAST = (0.5, 0.6, 0.4, 0.55)
"""Norms that gradients had before, after which a clip with a short warm-up acts."""
QUANTILE = ClipQuantile(0.5)
DTYPES = [torch.float32, torch.float64]


def gradients_of(trials=4, dtype=torch.float64, scales=(0.01, 0.1, 1.0, 10.0)):
    """Random gradients (S, P) of very different sizes, zero in the padding."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(trials, LAYOUT.row_size, dtype=dtype)
    for row, scale in zip(rows, scales, strict=False):
        for view in LAYOUT.views(row).values():
            view.copy_(scale * torch.randn(view.shape, generator=generator, dtype=torch.float64))
    return rows


def context_of(raw, past=(), clip=QUANTILE):
    """Parameters of the same trials, and what a clip remembers of past norms, and then of the raw gradients."""
    rows = [NETWORK.initial_row(0)] * len(raw)
    parameters = torch.from_numpy(np.stack(rows)).to(raw.dtype) if raw.shape[1] == LAYOUT.row_size else raw
    memory = torch.zeros(len(raw), max(clip.memory_size(LAYOUT), 1), dtype=torch.float64)
    context, norms = Context(LAYOUT, parameters, memory), row_norms(raw)
    for norm in past:
        clip.observe(raw * (norm / norms).unsqueeze(1), torch.full_like(norms, norm), context)
    clip.observe(raw, norms, context)
    return context


def clipped(clip, raw, past=()):
    taken = raw.clone()
    clip.apply(taken, row_norms(raw), context_of(raw, past, clip))
    return taken


def holds(clip, raw, taken, past=()):
    return clip.holds(raw, taken, row_norms(raw), row_norms(taken), context_of(raw, past, clip))


def parameters_with(gradient):
    """Make a list of parameters, as a module has, whose gradients are those of a row."""
    made = []
    for view in LAYOUT.views(gradient).values():
        made.append(torch.nn.Parameter(torch.zeros_like(view)))
        made[-1].grad = view.clone()
    return made


def cohort_of(*clips):
    common = {"task": "copy:items=1,symbols=3,blanks=2", "cell": "rnn", "hidden_size": 5, "batch_size": 3}
    return [Trial(clip=clip, lr=0.01, seed=seed, updates=4, eval_every=2, **common) for seed, clip in enumerate(clips)]

"""Optimisers, schedules and clips written a second time, for tests only: by torch.optim, or number by number.

Each is a function of its options, under the name that users write. Tensors are the logical ones, one a gate, by name.
"""

from math import ceil, cos, floor, hypot, inf, isfinite, log10, pi, sqrt

import pytest
import torch


def counterpart(kind, spec):
    """Return what a spec names, made with its options.

    >>> counterpart("schedule", "step:every=2,gamma=0.5")(3, 10)
    0.5
    """
    name, _, rest = spec.partition(":")
    if name not in WRITTEN[kind]:
        pytest.fail(f"no counterpart written for {kind} {name!r}: write it in tests/independent_rules.py")
    given = [part.partition("=") for part in rest.replace(":", ",").split(",") if part]
    places = [float(word) for word, equals, _ in given if not equals]
    options = {word: _value(value) for word, equals, value in given if equals}
    return WRITTEN[kind][name](*places, **options)


def _value(text):
    try:
        return float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text, text)


# Optimisers: take the weights, return a function that moves them, given gradients, this update's rate and the decay


def by_torch(made, **options):
    def start(weights, decay):
        leaves = {name: torch.nn.Parameter(value) for name, value in weights.items()}  # share the weights' memory
        optimiser = made(leaves.values(), lr=1.0, weight_decay=decay, foreach=False, **options)

        def move(gradients, rate):
            optimiser.param_groups[0]["lr"] = rate
            for name, leaf in leaves.items():
                leaf.grad = gradients[name]
            optimiser.step()

        return move

    return start


def adam(beta1=0.9, beta2=0.999, eps=1e-8):
    return by_torch(torch.optim.Adam, betas=(beta1, beta2), eps=eps)


def adamw(beta1=0.9, beta2=0.999, eps=1e-8):
    return by_torch(torch.optim.AdamW, betas=(beta1, beta2), eps=eps)


def sgd(momentum=0.0, nesterov=False):
    return by_torch(torch.optim.SGD, momentum=momentum, nesterov=nesterov)


def rmsprop(alpha=0.99, eps=1e-8):
    return by_torch(torch.optim.RMSprop, alpha=alpha, eps=eps)


def lion(beta1=0.9, beta2=0.99):
    """Chen et al. 2023, algorithm 2."""

    def start(weights, decay):
        mean = {name: torch.zeros_like(value) for name, value in weights.items()}

        def move(gradients, rate):
            for name, value in weights.items():
                sign = torch.sign(beta1 * mean[name] + (1 - beta1) * gradients[name])
                value -= rate * (sign + decay * value)
                mean[name] = beta2 * mean[name] + (1 - beta2) * gradients[name]

        return move

    return start


def muon(momentum=0.95, nesterov=True, steps=5, scale="match_rms_adamw", beta1=0.9, beta2=0.999, eps=1e-8):
    """Jordan et al. 2024: each singular value through the polynomial by itself; AdamW for what is no matrix."""

    def start(weights, decay):
        matrices = {name: value for name, value in weights.items() if value.ndim > 1}
        vectors = {name: value for name, value in weights.items() if value.ndim == 1}
        mean = {name: torch.zeros_like(value) for name, value in matrices.items()}
        move_vectors = adamw(beta1, beta2, eps)(vectors, decay)

        def move(gradients, rate):
            move_vectors(gradients, rate)
            for name, value in matrices.items():
                mean[name] = momentum * mean[name] + (1 - momentum) * gradients[name]
                toward = (1 - momentum) * gradients[name] + momentum * mean[name] if nesterov else mean[name]
                inputs, outputs = value.shape
                factor = 0.2 * sqrt(max(inputs, outputs)) if scale != "original" else sqrt(max(1, outputs / inputs))
                value -= rate * (factor * _near_orthogonal(toward, int(steps)) + decay * value)

        return move

    return start


def _near_orthogonal(matrix, steps):
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    values = values / max(matrix.norm().item(), 1e-7)
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ torch.diag(values) @ right


# Schedules: take update and budget, return the factor on the rate


def constant():
    return lambda update, budget: 1.0


def warmup(updates=100):
    return lambda update, budget: 1.0 if update > updates else update / updates


def cosine(final=0.0, warmup=0):
    return _falling(warmup, lambda share: final + (1 - final) * 0.5 * (1 + cos(pi * share)))


def linear(final=0.0, warmup=0):
    return _falling(warmup, lambda share: share * final + (1 - share))


def _falling(warmup, fall):
    def factor(update, budget):
        return update / warmup if update <= warmup else fall((update - warmup - 1) / (budget - warmup))

    return factor


def inverse_sqrt(warmup=100):
    return lambda update, budget: sqrt(warmup) * min(update**-0.5, update * warmup**-1.5)


def step(every=1000, gamma=0.1):
    def factor(update, budget):
        rate = 1.0
        for done in range(1, update):
            rate *= gamma if done % every == 0 else 1.0
        return rate

    return factor


# Clips: take gradients, weights and norm; return the gradients that are taken, or None where the update is dropped


def joint(gradients):
    """Return the Euclidean norm of all gradients together; hypot's squares do not overflow."""
    return hypot(*torch.cat([value.flatten() for value in gradients.values()]).tolist())


def scaled(gradients, limit, length):
    factor = limit / length if length > limit else 1.0
    return {name: value * factor for name, value in gradients.items()}


def none():
    return lambda gradients, weights, norm: gradients


def norm(max_norm, type=2.0):  # noqa: A002 - as users write it
    def clip(gradients, weights, norm):
        return scaled(gradients, max_norm, torch.cat([part.flatten() for part in gradients.values()]).norm(type).item())

    return clip


def value(limit):
    return lambda gradients, weights, norm: {
        name: torch.where(part.abs() > limit, part.sign() * limit, part) for name, part in gradients.items()
    }


def layer(max_norm):
    return lambda gradients, weights, norm: {
        name: part * min(1.0, max_norm / part.norm().item()) if part.any() else part for name, part in gradients.items()
    }


def agc(ratio):
    """Brock et al. 2021, equation 3: by column of a matrix, by whole of a vector; the readout is left alone."""

    def clip(gradients, weights, norm):
        found = dict(gradients)
        for name, part in gradients.items():
            if not name.startswith("readout"):
                over = 0 if part.ndim > 1 else None
                limits = ratio * torch.linalg.vector_norm(weights[name], dim=over, keepdim=True).clamp(min=1e-3)
                lengths = torch.linalg.vector_norm(part, dim=over, keepdim=True)
                found[name] = torch.where(lengths > limits, part / lengths * limits, part)
        return found

    return clip


def quantile(share):
    """Seetharaman et al. 2020: all norms are kept and sorted; a bin is 40 / 8192 powers of ten wide."""
    norms = []

    def clip(gradients, weights, norm):
        norms.append(norm)
        found = sorted(norms)[ceil(share * len(norms)) - 1]
        edge = (floor(log10(found) * 8192 / 40) + 1) * 40 / 8192
        return scaled(gradients, 10**edge, norm)

    return clip


def skip(max_norm):
    return lambda gradients, weights, norm: gradients if norm <= max_norm else None


def zclip(z, alpha=0.97, warmup=25):
    """Kumar et al. 2025, section 3."""
    first, known = [], {}

    def clip(gradients, weights, norm):
        if len(first) < warmup:
            first.append(norm)
            known["mean"] = sum(first) / len(first)
            known["variance"] = sum((one - known["mean"]) ** 2 for one in first) / len(first)
            return gradients
        score = (norm - known["mean"]) / sqrt(known["variance"])
        taken = known["mean"] + z**2 / score * sqrt(known["variance"]) if score > z else norm
        known["mean"] = alpha * known["mean"] + (1 - alpha) * taken
        known["variance"] = alpha * known["variance"] + (1 - alpha) * (taken - known["mean"]) ** 2
        return scaled(gradients, taken, norm)

    return clip


def adagc(ratio, lambda_abs=1.0, beta=0.98, warmup=100):
    """Wang et al. 2025, algorithm 1; a tensor that has had no gradient has no limit."""
    averages, seen = {}, []

    def clip(gradients, weights, norm):
        seen.append(norm)
        if len(seen) <= warmup:
            found = scaled(gradients, lambda_abs, norm)
            for name, part in found.items():
                if part.any():
                    averages[name] = min(averages.get(name, inf), part.norm().item())
            return found
        found = {}
        for name, part in gradients.items():
            length, average = part.norm().item(), averages.get(name)
            found[name] = scaled({name: part}, inf if average is None else ratio * average, length)[name]
            own = found[name].norm().item()
            averages[name] = own if average is None else beta * average + (1 - beta) * own
            if not averages[name]:
                del averages[name]
        return found

    return clip


def guard():
    def clip(gradients, weights, norm):
        if isfinite(norm) and norm <= 1e10:
            return gradients
        return {
            name: 0.02 * weights[name] if "recurrent_weight" in name else torch.zeros_like(part)
            for name, part in gradients.items()
        }

    return clip


# Settings inside the backward pass: options of `independent_network.gradient_of`


def state(limit):
    return {"limit": limit}


def omega(factor):
    return {"omega": factor}


WRITTEN = {
    "optimizer": {made.__name__: made for made in (adam, adamw, lion, muon, rmsprop, sgd)},
    "schedule": {made.__name__: made for made in (constant, cosine, inverse_sqrt, linear, step, warmup)},
    "clip": {
        made.__name__: made
        for made in (adagc, agc, guard, layer, none, norm, omega, quantile, skip, state, value, zclip)
    },
}

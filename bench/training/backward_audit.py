"""Verifies that signal clipping and truncation happened inside the backward pass.

The check takes two further backward passes, so it is made only at the last update before each evaluation. It compares
the signal that was carried from step to step with the equations of `longlag.values.backward`, on both code paths.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from longlag.clips.base import TOLERANCE
from longlag.networks.omega import add_omega
from longlag.networks.protocol import AnyNetwork
from longlag.tasks.base import Batch, Task
from longlag.values.backward import PLAIN, Backward, Signal


def look(
    network: AnyNetwork,
    task: Task,
    row: Tensor,
    gradient: Tensor,
    batch: Batch,
    noise: Callable[[], np.random.Generator | None],
    backward: Backward,
) -> tuple[Tensor, str | None]:
    """Compute a trial's plain gradient, and check the gradient that its own backward pass has given.

    The plain gradient is the gradient of the whole loss by the chain rule alone: no signal is clipped, no path is cut
    and no regulariser is added.

    Args:
        network: The network.
        task: Its task.
        row: (P,), the parameters.
        gradient: (P,), the gradient that the backward pass gave for this trial.
        batch: The trial's batch.
        noise: Returns the generator of dropout, in the same state at each call.
        backward: The rules of the trial's backward pass.

    Returns:
        The plain gradient (P,), and a sentence on the fault of ``gradient``; None if there is none.
    """
    own: list[Signal] = []
    chain_rule: list[Signal] = []
    without, plain = torch.zeros_like(row), torch.zeros_like(row)
    network.gradient(task, row, without, batch, noise(), replace(backward, omega=0.0, seen=own))
    network.gradient(task, row, plain, batch, noise(), replace(PLAIN, seen=chain_rule))
    expected = without.clone()
    if backward.omega:
        add_omega(network, row, expected, replace(backward, seen=own))
    if not close(gradient, expected):
        return plain, "the gradient is not the one that its backward pass gives"
    if all(part.isfinite().all() for signal in chain_rule for part in signal.passed):
        reads_state = all(cell.reads_state for cell, _ in network.scans(network.layout.views(row)))
        if not _was_seen(chain_rule[-1], reads_state):
            return plain, "the backward signal was not recorded"
        return plain, _carried(backward, own, reads_state) or _top(backward, own[-1], chain_rule[-1], without, plain)
    return plain, None


def close(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors agree up to rounding; also true if ``other`` is not finite."""
    scale = other.abs().max() if other.numel() else torch.zeros(())
    return not bool(scale.isfinite()) or bool(((one - other).abs() <= TOLERANCE * scale).all())


def _was_seen(chain_rule: Signal, reads_state: bool) -> bool:
    """Return whether the recorded signal at the last scored step is the loss's gradient: no later step adds to it."""
    scored = chain_rule.arriving.flatten(1).any(1).nonzero().flatten().tolist()
    if not scored:
        return True
    passed, sent = [part[scored[-1]] for part in chain_rule.passed], chain_rule.arriving[scored[-1]]
    return close(passed[0], sent) if reads_state else any(bool(part.any()) for part in passed)


def _carried(backward: Backward, signals: list[Signal], reads_state: bool) -> str | None:
    """Return a sentence on the first fault: an entry beyond the limit, or a signal carried across a chunk's border.

    Args:
        backward: The rules of the backward pass.
        signals: The signal of each layer.
        reads_state: Whether the cell's output is its first state.

    Returns:
        The sentence; None if there is no fault.
    """
    for layer, signal in enumerate(signals):
        if any((part.abs() > backward.signal_limit).any() for part in signal.passed):
            return f"the backward signal of layer {layer} exceeds {backward.signal_limit:g}"
        last = [t - 1 for t in range(len(signal.arriving)) if backward.cuts(t)]
        arriving = signal.arriving[last].clamp(-backward.signal_limit, backward.signal_limit)
        for place, part in enumerate(signal.passed):
            at_border = part[last]
            if place == 0 and reads_state:
                right = close(at_border, arriving)
            else:
                silent = torch.ones_like(arriving) if reads_state else (arriving == 0)
                right = not at_border[silent.flatten(2).all(2)].any()
            if not right:
                return f"the backward signal of layer {layer} crosses a border of {backward.truncate} steps"
    return None


def _top(backward: Backward, own: Signal, chain_rule: Signal, gradient: Tensor, plain: Tensor) -> str | None:
    """Compare the top layer's signal with the chain rule's, from the last step back to where one is clipped or cut.

    Args:
        backward: The rules of the backward pass.
        own: The top layer's signal as the trial's backward pass carried it.
        chain_rule: The same signal by the chain rule alone.
        gradient: (P,), the trial's gradient without the regulariser.
        plain: (P,), the plain gradient.

    Returns:
        A sentence on the fault; None if there is none.
    """
    steps = len(own.arriving)
    beyond = torch.stack([(part.abs() > backward.signal_limit).flatten(1).any(1) for part in chain_rule.passed]).any(0)
    acts = [t for t in range(steps) if beyond[t] or (t + 1 < steps and backward.cuts(t + 1))]
    latest = acts[-1] if acts else -1
    for mine, theirs in zip(own.passed, chain_rule.passed, strict=True):
        if not close(mine[latest + 1 :], theirs[latest + 1 :]):
            return "the backward signal differs from the chain rule's at steps where no rule acts"
        bounded = theirs[latest].clamp(-backward.signal_limit, backward.signal_limit)
        if acts and not backward.cuts(latest + 1) and not close(mine[latest], bounded):
            return f"the backward signal is not the chain rule's clipped at {backward.signal_limit:g}"
    if not acts and len(own.arriving) and not close(gradient, plain):
        return "the gradient differs from the plain one, though no rule acted in the top layer"
    return None

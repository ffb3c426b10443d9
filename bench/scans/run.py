"""One layer of a cell over a sequence, in either direction: by a kernel where there is one, else step by step."""

from math import inf
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from longlag.cells.base import Cell, State, Weights
from longlag.scans.find import kernel_for, serves
from longlag.values.backward import PLAIN, Backward, Signal

if TYPE_CHECKING:
    from longlag.scans.engine.base import Fused


def standard_kernel(cell: Cell) -> "Fused | None":
    """Return the kernel that computes a cell's equations; None where there is none."""
    return kernel_for(cell) if cell.standard else None


def warm(cell: Cell, tokens: bool, device: str, dtype: str) -> None:
    """Compile what training on tokens or vectors will need of a cell's kernel, where one serves.

    Args:
        cell: The cell.
        tokens: Whether inputs are tokens.
        device: Where it trains.
        dtype: In which precision.
    """
    if serves(device, dtype) and (kernel := standard_kernel(cell)) is not None:
        kernel.warm(tokens, dtype)


def run_layer(
    cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, state: State | None = None
) -> Tensor:
    """Run a cell over tokens (T, B) or vectors (T, B, I); return its outputs (T, B, H).

    A cell with a kernel runs fused where kernels run; the readable path gives the same numbers but for rounding.
    On either the way back goes as ``backward`` says. It starts from a state, (B, ...) each, or from zeros.

    Args:
        cell: The cell.
        inputs: Tokens or vectors.
        weights: Its tensors, by name.
        backward: What happens on the way back.
        state: The first state.
    """
    return _run(cell, inputs, weights, backward, state)[0]


def run_between(
    cell: Cell, inputs: Tensor, weights: Weights, state: State, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """Run a cell from a state; return its outputs (T, B, H) and the state after each sequence's own last step.

    Args:
        cell: The cell.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: Its weights.
        state: Before the first step, (B, ...) each.
        lengths: (B,), at least 1. Shorter sequences leave as they end; beyond their ends outputs are zero.
    """
    if lengths is None:
        return _run(cell, inputs, weights, state=state)
    longest_first = lengths.argsort(descending=True, stable=True)
    inputs, batch = inputs.index_select(1, longest_first), len(lengths)
    state = tuple(part.index_select(0, longest_first) for part in state)
    outputs, ended, start = [], [], 0
    for end in sorted(set(lengths.tolist())):  # from the shortest on
        running, staying = int((lengths >= end).sum()), int((lengths > end).sum())
        before = tuple(part[:running] for part in state)
        made, state = _run(cell, inputs[start:end, :running], weights, state=before)
        outputs.append(pad(made, (0, 0, 0, batch - running)))
        ended.append(tuple(part[staying:] for part in state))
        state, start = tuple(part[:staying] for part in state), end
    back = longest_first.argsort()
    whole = pad(torch.cat(outputs), (0, 0, 0, 0, 0, len(inputs) - start)).index_select(1, back)
    return whole, tuple(torch.cat(parts).index_select(0, back) for parts in zip(*ended[::-1], strict=True))


def _run(
    cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, state: State | None = None
) -> tuple[Tensor, State]:
    weight = weights["input_weight"]
    if serves(weight.device.type, str(weight.dtype)) and (kernel := standard_kernel(cell)) is not None:
        return kernel.run(cell, inputs, weights, backward, state)
    return _run_step_by_step(cell, inputs, weights, backward, state)


def run_readable(cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN) -> Tensor:
    """Do what `run_layer` does step by step, in torch.

    Args:
        cell: The cell.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: Its tensors, by name.
        backward: What happens on the way back.
    """
    return _run_step_by_step(cell, inputs, weights, backward, None)[0]


def _run_step_by_step(
    cell: Cell, inputs: Tensor, weights: Weights, backward: Backward, initial: State | None
) -> tuple[Tensor, State]:
    projected, size = cell.project(inputs, weights), cell.hidden_size(weights)
    state = cell.start(inputs.shape[1], size, projected) if initial is None else initial
    signal = backward.watch(inputs, state, size)
    outputs, state = scan(cell, projected, weights, state, backward, signal)
    if signal is not None:
        signal.listen(outputs)
    return outputs, state


def scan(
    cell: Cell,
    projected: Tensor,
    weights: Weights,
    state: State,
    backward: Backward = PLAIN,
    signal: Signal | None = None,
) -> tuple[Tensor, State]:
    """Step through time, the readable path: (T, B, G·H) projected inputs to (T, B, H) outputs and the last state.

    Args:
        cell: The cell.
        projected: The projected inputs.
        weights: Its weights.
        state: Before the first step.
        backward: What happens to the backward signal on its way.
        signal: Is filled with what was carried, but for what arrived.

    Raises:
        TypeError: The cell's step returns something else than a tuple of tensors.
        ValueError: It returns states of other shapes than it was given.
    """
    weights, outputs = cell.prepare(weights), []
    for t, step in enumerate(projected.unbind(0)):
        if backward.cuts(t):
            state = tuple(part.detach() for part in state)
        if signal is not None:
            for kept, part in zip(signal.before, state, strict=True):
                kept[t] = part.detach()
        before, state = state, cell.step(step, state, weights)
        if t == 0:
            _check_states(cell, state, before)
        if backward.signal_limit < inf or signal is not None:
            state = tuple(_passed(part, backward, signal, place, t) for place, part in enumerate(state))
        outputs.append(cell.output(step, state, weights))
    return torch.stack(outputs), state


def _check_states(cell: Cell, after: object, before: State) -> None:
    """Refuse what a first step returns where it cannot be the next one's state."""
    what = f"cell {cell.name()}: step must return a tuple of its states ({', '.join(cell.states)})"
    if not isinstance(after, tuple) or not all(isinstance(part, Tensor) for part in after):
        parts = f" of {', '.join(type(part).__name__ for part in after)}" if isinstance(after, tuple) else ""
        raise TypeError(f"{what}, each a tensor, not a {type(after).__name__}{parts}")
    found, given = ([tuple(part.shape) for part in state] for state in (after, before))
    if found != given:
        raise ValueError(f"{what}, of the shapes that it is given, {_listed(given)}, not {_listed(found)}")


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"


def _passed(part: Tensor, backward: Backward, signal: Signal | None, place: int, t: int) -> Tensor:
    """Return one state as a step hands it on; what comes back to it is clipped and kept."""

    def clip(grad: Tensor) -> Tensor:
        clipped = grad if backward.signal_limit == inf else grad.clamp(-backward.signal_limit, backward.signal_limit)
        if signal is not None:
            signal.passed[place][t] = clipped
        return clipped

    handed_on = part.view_as(part)
    if handed_on.requires_grad:
        handed_on.register_hook(clip)  # type: ignore[no-untyped-call]
    return handed_on


def reversed_in_time(signal: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Turn each sequence of (T, B) or (T, B, I) round within its own length; what lies behind its end stays.

    >>> reversed_in_time(torch.tensor([[1, 5], [2, 6], [3, 0]]), torch.tensor([3, 2])).tolist()
    [[3, 6], [2, 5], [1, 0]]
    """
    if lengths is None:
        return signal.flip(0)
    step = torch.arange(len(signal), device=signal.device).unsqueeze(1)
    source = torch.where(step < lengths, lengths - 1 - step, step)
    places = source * signal.shape[1] + torch.arange(signal.shape[1], device=signal.device)
    return signal.flatten(0, 1).index_select(0, places.flatten()).view_as(signal)

"""Runs one layer of a cell over a sequence: by a kernel if the cell has one, else step by step."""

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
    """Return the kernel that computes a cell's equations with its options; None if there is none."""
    return kernel_for(cell) if cell.standard else None


def warm(cell: Cell, tokens: bool, device: str, dtype: str) -> None:
    """Compile what training needs of a cell's kernel, if the cell has one that runs here.

    Args:
        cell: The cell.
        tokens: Whether inputs are tokens; else they are vectors.
        device: The device of the training.
        dtype: Its precision.
    """
    if serves(device, dtype) and (kernel := standard_kernel(cell)) is not None:
        kernel.warm(tokens, dtype)


def run_layer(
    cell: Cell, inputs: Tensor, weights: Weights, backward: Backward = PLAIN, state: State | None = None
) -> Tensor:
    """Run a cell over a batch of sequences; return its outputs (T, B, H).

    A cell with a kernel runs on the fused path if the device and precision allow; else on the readable path, which
    gives the same numbers but for rounding.

    Args:
        cell: The cell.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: The cell's weights, by name.
        backward: What happens to the signal in the backward pass.
        state: The states before the first step, (B, ...) each; zeros by default.
    """
    return _run(cell, inputs, weights, backward, state)[0]


def run_between(
    cell: Cell, inputs: Tensor, weights: Weights, state: State, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """Run a cell from given states, over sequences of different lengths.

    Args:
        cell: The cell.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: The cell's weights, by name.
        state: The states before the first step, (B, ...) each.
        lengths: (B,), the steps of each sequence, at least 1; all T by default.

    Returns:
        The outputs (T, B, H), which are zero after a sequence's end, and the states after each sequence's last step.
    """
    if lengths is None:
        return _run(cell, inputs, weights, state=state)
    longest_first = lengths.argsort(descending=True, stable=True)
    inputs, batch = inputs.index_select(1, longest_first), len(lengths)
    state = tuple(part.index_select(0, longest_first) for part in state)
    outputs, ended, start = [], [], 0
    for end in sorted(set(lengths.tolist())):  # from the shortest to the longest
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
    """Run a cell over a batch of sequences on the readable path: step by step in torch, from zero states.

    Args:
        cell: The cell.
        inputs: Tokens (T, B) or vectors (T, B, I).
        weights: The cell's weights, by name.
        backward: What happens to the signal in the backward pass.

    Returns:
        The outputs (T, B, H).
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
    """Apply a cell's step to one time step after the other: the readable path.

    Args:
        cell: The cell.
        projected: (T, B, G·H), the projected inputs.
        weights: The cell's weights, by name.
        state: The states before the first step, (B, ...) each.
        backward: What happens to the signal in the backward pass.
        signal: Filled in the backward pass with the signal that was carried; `arriving` is left to the caller.

    Returns:
        The outputs (T, B, H) and the states after the last step.

    Raises:
        TypeError: The cell's step does not return a tuple of tensors.
        ValueError: The cell's step returns states of other shapes than it was given.
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
    """Check that what the first step returns can be the state of the next one.

    Raises:
        TypeError: It is not a tuple of tensors.
        ValueError: Its shapes are others than those of the state before.
    """
    what = f"cell {cell.name()}: step must return a tuple of its states ({', '.join(cell.states)})"
    if not isinstance(after, tuple) or not all(isinstance(part, Tensor) for part in after):
        parts = f" of {', '.join(type(part).__name__ for part in after)}" if isinstance(after, tuple) else ""
        raise TypeError(f"{what}, each a tensor, not a {type(after).__name__}{parts}")
    returned, given = ([tuple(part.shape) for part in state] for state in (after, before))
    if returned != given:
        raise ValueError(f"{what}, of the shapes that it is given, {_listed(given)}, not {_listed(returned)}")


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"


def _passed(part: Tensor, backward: Backward, signal: Signal | None, place: int, t: int) -> Tensor:
    """Return one state of a step, with a hook that clips the signal coming back to it and writes it into ``signal``.

    Args:
        part: The state.
        backward: What happens to the signal in the backward pass.
        signal: Where the clipped signal is written; None if nobody wants it.
        place: The state's place among the cell's states.
        t: The time step.
    """

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
    """Reverse each sequence of (T, B) or (T, B, I) within its own length; what follows its end stays in place.

    >>> reversed_in_time(torch.tensor([[1, 5], [2, 6], [3, 0]]), torch.tensor([3, 2])).tolist()
    [[3, 6], [2, 5], [1, 0]]
    """
    if lengths is None:
        return signal.flip(0)
    step = torch.arange(len(signal), device=signal.device).unsqueeze(1)
    source = torch.where(step < lengths, lengths - 1 - step, step)
    places = source * signal.shape[1] + torch.arange(signal.shape[1], device=signal.device)
    return signal.flatten(0, 1).index_select(0, places.flatten()).view_as(signal)

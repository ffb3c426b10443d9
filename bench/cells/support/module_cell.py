"""Makes a cell of an ordinary `torch.nn.Module`, which runs over whole sequences by itself.

The module is built with ``(input_size, hidden_size)`` and called with ``(inputs, state)``: inputs (T, B, I), the
state None at the start. It returns the outputs (T, B, H) and its last state. It runs a trial at a time on views of
the trial's row, so that it keeps the promises of every cell; nothing is promised of its speed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from longlag.cells.support.backbone import Stackable
from longlag.process.state import seeded, settled
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring


@dataclass(frozen=True)
class ModuleCell(Stackable):
    """A layer that is a module; a subclass says which."""

    reference: ClassVar[str] = "a module of the user's"
    unit_axis: ClassVar[int] = 0  # as torch.nn stores its weights
    module: ClassVar[Any]

    @final
    def admit(self, wiring: Wiring) -> None:
        """Refuse to learn initial states.

        Raises:
            UsageError: The wiring asks for it.
        """
        if wiring.initial_state != "zeros":
            raise UsageError(f"cell {self.name()} is a module, whose states are its own: initial_state must be zeros")

    def parts(self, name: str, hidden_size: int) -> tuple[int, ...]:
        """Leave every tensor in one part: what a module puts side by side is its own affair."""
        return ()

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the module's parameters; single numbers have the shape (1,)."""
        named = _template(self.module, input_size, hidden_size).named_parameters()
        return {name: tuple(value.shape) or (1,) for name, value in named}

    def state_count(self, hidden_size: int) -> int:
        """Return how many numbers the module's state holds for one sequence, found by running one step."""
        return _state_numbers(self.module, hidden_size)

    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Build the module anew, every global generator seeded from the weights' stream meanwhile."""
        seed = int(stream(*names, "module").generator().integers(2**63))
        named = build(self.module, input_size, hidden_size, seed).named_parameters()
        shapes = self.shapes(input_size, hidden_size)
        return {name: value.detach().double().numpy().reshape(shapes[name]) for name, value in named}

    def run(self, inputs: Tensor, weights: Mapping[str, Tensor], input_size: int, hidden_size: int) -> Tensor:
        """Run over tokens (T, B) or vectors (T, B, I) from the start; return the outputs (T, B, H)."""
        template = _template(self.module, input_size, hidden_size)
        given = {name: weights[name].reshape(value.shape) for name, value in template.named_parameters()}
        if not inputs.is_floating_point():
            like = next(iter(weights.values()), torch.empty(0))
            inputs = one_hot(inputs, input_size).to(like.dtype)
        return checked(template, given, inputs, hidden_size)[0]


def checked(template: nn.Module, given: dict[str, Tensor], inputs: Tensor, hidden_size: int) -> tuple[Tensor, Any]:
    """Call a module with given parameters on inputs (T, B, I); return its outputs and its last state.

    Raises:
        TypeError: It does not return outputs and a state.
        ValueError: The outputs have another shape than (T, B, H).
    """
    found = torch.func.functional_call(template, given, (inputs, None))
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
        given_back = f"a tuple of {len(found)}" if isinstance(found, tuple) else type(found).__name__
        rule = "must return (outputs, state), nothing beside them: the loss is the task's"
        raise TypeError(f"{type(template).__name__}.forward {rule}; not {given_back}")
    expected = (*inputs.shape[:2], hidden_size)
    if found[0].shape != expected:
        raise ValueError(f"outputs must be (T, B, hidden_size) = {expected}, not {tuple(found[0].shape)}")
    return found


def build(made: type[nn.Module], input_size: int, hidden_size: int, seed: int) -> nn.Module:
    """Build a module while every global generator is seeded.

    Raises:
        UsageError: It has buffers, which trials would share.
    """
    with seeded(seed), settled():
        module = made(input_size, hidden_size)
    for name, _ in module.named_buffers():
        raise UsageError(f"class {made.__name__} has a buffer, {name!r}, which trials would share: only parameters may")
    return module


@lru_cache(maxsize=64)
def _template(made: Any, input_size: int, hidden_size: int) -> nn.Module:
    return build(made, input_size, hidden_size, 0)


@lru_cache(maxsize=64)
def _state_numbers(made: Any, hidden_size: int) -> int:
    template = _template(made, 1, hidden_size)
    with torch.no_grad(), seeded(0), settled():
        _, state = checked(template, dict(template.named_parameters()), torch.zeros(1, 2, 1), hidden_size)
    return sum(part.numel() for part in _tensors(state)) // 2


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _tensors(part)

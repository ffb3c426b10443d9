"""Makes a cell of an ordinary `torch.nn.Module`, which runs over whole sequences by itself.

The module is built with ``(input_size, hidden_size)`` and called with ``(inputs, state)``: inputs (T, B, I), or tokens
(T, B) where it declares ``tokens = True``, the state None at the start. It returns the outputs (T, B, H) and its last
state. It runs a trial at a time on views of the trial's row, so that it keeps the promises of every cell, without any
promise of speed.
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
from longlag.cells.support.module_tensors import ModuleTensor, build, tensors_of
from longlag.process.state import seeded, settled
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream
from longlag.values.wiring import Wiring


@dataclass(frozen=True)
class ModuleCell(Stackable):
    """A layer that is a module; a subclass names the module's class."""

    reference: ClassVar[str] = "a module of the user's"
    unit_axis: ClassVar[int] = 0  # as torch.nn stores its weights
    module: ClassVar[Any]

    @property
    def tokens(self) -> bool:
        """Whether the module reads only tokens (T, B), not vectors."""
        return bool(getattr(self.module, "tokens", False))

    @final
    def admit(self, wiring: Wiring) -> None:
        """Check that states start from zeros, and that a module that reads tokens has one layer.

        Raises:
            UsageError: The wiring breaks one of these rules.
        """
        if wiring.initial_state != "zeros":
            raise UsageError(f"cell {self.name()} is a module, which makes its own states: initial_state must be zeros")
        if self.tokens and wiring.layers > 1:
            raise UsageError(f"cell {self.name()} reads tokens, but a layer below it gives vectors: layers must be 1")

    @final
    def admit_inputs(self, tokens: bool) -> None:
        """Check that a module that reads tokens gets tokens.

        Raises:
            UsageError: It reads tokens, and the inputs are vectors.
        """
        if self.tokens and not tokens:
            raise UsageError(
                f"cell {self.name()} reads tokens (tokens = True), but the inputs of this task are vectors"
            )

    def parts(self, name: str, hidden_size: int) -> tuple[int, ...]:
        """Return no parts, since the gates in a module's tensors are unknown: each counts as one logical tensor."""
        return ()

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the module's tensors in a row: its parameters, then its buffers."""
        return {name: one.row_shape for name, one in self._tensors(input_size, hidden_size).items()}

    def frozen(self, input_size: int, hidden_size: int) -> frozenset[str]:
        """Return the names of parameters with ``requires_grad=False`` and of buffers: drawn, and never trained."""
        return frozenset(name for name, one in self._tensors(input_size, hidden_size).items() if not one.trained)

    def _tensors(self, input_size: int, hidden_size: int) -> dict[str, ModuleTensor]:
        return _tensors(self.module, input_size, hidden_size)

    def state_count(self, hidden_size: int) -> int:
        """Return the size of the module's state for one sequence, found by running one step."""
        return _state_numbers(self.module, self.tokens, hidden_size)

    def initial_weights(self, input_size: int, hidden_size: int, *names: str | int) -> dict[str, np.ndarray]:
        """Build a new module while every global generator is seeded from the weights' stream."""
        seed = int(stream(*names, "module").generator().integers(2**63))
        drawn = tensors_of(build(self.module, input_size, hidden_size, seed))
        return {name: one.to_row(drawn[name][1]) for name, one in self._tensors(input_size, hidden_size).items()}

    def run(
        self,
        inputs: Tensor,
        weights: Mapping[str, Tensor],
        input_size: int,
        hidden_size: int,
        noise: np.random.Generator | None = None,
    ) -> Tensor:
        """Run over tokens (T, B) or vectors (T, B, I) from the start; return the outputs (T, B, H).

        Args:
            inputs: The inputs.
            weights: Its tensors, as they are stored in a row.
            input_size: The size of an input vector, or the number of tokens.
            hidden_size: The size of an output vector.
            noise: In training, seeds the global generators from which the module may draw; None in evaluation.
        """
        template = _template(self.module, input_size, hidden_size)
        given = {name: one.from_row(weights[name]) for name, one in self._tensors(input_size, hidden_size).items()}
        if not self.tokens and not inputs.is_floating_point():
            like = next(iter(weights.values()), torch.empty(0))
            inputs = one_hot(inputs, input_size).to(like.dtype)
        training = noise is not None
        if template.training != training:
            template.train(training)
        if noise is None:
            return checked(template, given, inputs, hidden_size)[0]
        with seeded(int(noise.integers(2**63))):
            return checked(template, given, inputs, hidden_size)[0]

    def kept_losses(self, input_size: int, hidden_size: int) -> list[str]:
        """Return the attributes that hold a single number which depends on its weights, such as its own loss."""
        template = build(self.module, input_size, hidden_size, 0)
        inputs = torch.zeros(2, 2, dtype=torch.int64) if self.tokens else torch.zeros(2, 2, input_size)
        with torch.enable_grad(), seeded(0):
            template(inputs, None)
        return [
            ".".join(filter(None, ["self", place, name]))
            for place, part in template.named_modules()
            for name, value in vars(part).items()
            if isinstance(value, Tensor) and value.numel() == 1 and value.grad_fn is not None
        ]


def checked(template: nn.Module, given: dict[str, Tensor], inputs: Tensor, hidden_size: int) -> tuple[Tensor, Any]:
    """Call a module with given parameters on inputs (T, B, I) or tokens (T, B); return outputs and its last state.

    Args:
        template: The module, whose own parameters are not used.
        given: Parameters and buffers to use, by name.
        inputs: The inputs.
        hidden_size: H.

    Raises:
        RuntimeError: The module raises it.
        TypeError: It does not return outputs and a state, or its `torch.nn.Embedding` was given vectors.
        ValueError: The outputs have another shape than (T, B, H).
    """
    try:
        returned = torch.func.functional_call(template, given, (inputs, None))
    except RuntimeError as error:
        if inputs.is_floating_point() and any(isinstance(part, nn.Embedding) for part in template.modules()):
            name = type(template).__name__
            raise TypeError(
                f"{name} was given vectors (T, B, I), and its nn.Embedding reads tokens: if {name} is to read tokens "
                f"(T, B), its class needs the line `tokens = True`; {error}"
            ) from error
        raise
    if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[0], Tensor):
        given_back = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else type(returned).__name__
        rule = "must return (outputs, state) and nothing else, since the task computes the loss"
        raise TypeError(f"{type(template).__name__}.forward {rule}; not {given_back}")
    expected = (*inputs.shape[:2], hidden_size)
    if returned[0].shape != expected:
        raise ValueError(f"outputs must be (T, B, hidden_size) = {expected}, not {tuple(returned[0].shape)}")
    return returned


@lru_cache(maxsize=64)
def _template(made: Any, input_size: int, hidden_size: int) -> nn.Module:
    return build(made, input_size, hidden_size, 0)


@lru_cache(maxsize=64)
def _tensors(made: Any, input_size: int, hidden_size: int) -> dict[str, ModuleTensor]:
    return {name: one for name, (one, _) in tensors_of(_template(made, input_size, hidden_size)).items()}


@lru_cache(maxsize=64)
def _state_numbers(made: Any, tokens: bool, hidden_size: int) -> int:
    template = _template(made, 1, hidden_size).eval()
    inputs = torch.zeros(1, 2, dtype=torch.int64) if tokens else torch.zeros(1, 2, 1)
    given = {name: value.detach().clone() for name, (_, value) in tensors_of(template).items()}
    with torch.no_grad(), seeded(0), settled():
        _, state = checked(template, given, inputs, hidden_size)
    return sum(part.numel() for part in _numbers_in(state)) // 2


def _numbers_in(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield torch.view_as_real(state) if state.is_complex() else state
    elif isinstance(state, dict | list | tuple):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _numbers_in(part)

"""The tensors of a module as a trial's row of real numbers stores them, and checks that a module holds nothing else.

Parameters are trained unless they have ``requires_grad=False``; those, and buffers, are drawn with the others, from the
trial's seed, and stay constant. Complex numbers are stored in a row as pairs of real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from longlag.process.guards import first_line, place
from longlag.process.state import seeded, settled
from longlag.tasks.support.errors import UsageError

_STEPS, _BATCH = 3, 4
_LARGEST = 2**24
"""Float32 holds all whole numbers up to this one exactly."""


@dataclass(frozen=True)
class ModuleTensor:
    """One tensor of a module.

    Attributes:
        shape: Its shape in the module.
        dtype: Its dtype in the module.
        trained: Whether it is a parameter that is trained.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    trained: bool

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Its shape in a row: a complex number is stored as two, and a scalar has the shape (1,)."""
        return (*self.shape, 2) if self.dtype.is_complex else self.shape or (1,)

    def from_row(self, view: Tensor) -> Tensor:
        """Return the tensor that the module is given, from a view of a row."""
        if self.dtype.is_complex:
            return torch.view_as_complex(view.reshape(*self.shape, 2))
        tensor = view.reshape(self.shape)
        return tensor if self.dtype.is_floating_point else tensor.round().to(self.dtype)

    def to_row(self, value: Tensor) -> np.ndarray:
        """Return the numbers of such a tensor as float64, in `row_shape`."""
        real = torch.view_as_real(value.detach().resolve_conj()) if self.dtype.is_complex else value.detach()
        return real.double().numpy().reshape(self.row_shape)


def tensors_of(module: nn.Module) -> dict[str, tuple[ModuleTensor, Tensor]]:
    """Return every parameter, then every buffer, by name, each with its description for a row."""
    named: dict[str, tuple[Tensor, bool]] = {
        name: (value, value.requires_grad) for name, value in module.named_parameters()
    }
    named |= {name: (value, False) for name, value in module.named_buffers()}
    return {
        name: (ModuleTensor(tuple(value.shape), value.dtype, trained), value)
        for name, (value, trained) in named.items()
    }


def build(made: type[nn.Module], input_size: int, hidden_size: int, seed: int) -> nn.Module:
    """Build a module while every global generator is seeded.

    Args:
        made: The module's class.
        input_size: The first argument of the class.
        hidden_size: The second argument of the class.
        seed: The seed of every global generator.
    """
    with seeded(seed), settled():
        return made(input_size, hidden_size)


def admit_module(made: type[nn.Module], input_size: int = 16, hidden_size: int = 16) -> None:
    """Check that a module holds no state that trials would share.

    Raises:
        UsageError: A buffer of it changes when it runs or holds numbers too large for a row, a plain attribute depends
            on random numbers, or it has buffers and cannot run.
    """
    one, other = (build(made, input_size, hidden_size, seed) for seed in (0, 1))
    what = f"class {made.__name__}"
    for name, (kind, value) in tensors_of(one).items():
        whole = not kind.dtype.is_floating_point and not kind.dtype.is_complex
        if whole and value.numel() and int(value.abs().max() if value.dtype != torch.bool else 1) > _LARGEST:
            raise UsageError(f"{what}: buffer {name!r} has numbers above 2^24, which no row of a trial can hold")
    theirs = dict(_plain_numbers(other))
    for name, value in _plain_numbers(one):
        if name in theirs and not _same(value, theirs[name]):
            rule = "would be the same in all trials; make it a buffer or a parameter, which follow the trial's seed"
            raise UsageError(f"{what}: {name!r}, a plain attribute made of random numbers, {rule}")
    for name in _changed_buffers(one, input_size):
        rule = "changes when the module runs (as running statistics do); a buffer must be constant"
        raise UsageError(f"{what}: buffer {name!r} {rule}")


def _changed_buffers(module: nn.Module, input_size: int) -> list[str]:
    """Return the names of the buffers that a forward pass in training mode changes.

    Raises:
        UsageError: The module cannot run, so that this cannot be checked.
    """
    before = {name: value.clone() for name, value in module.named_buffers()}
    if not before:
        return []
    given = {name: value.detach().clone() for name, (_, value) in tensors_of(module.train()).items()}
    try:
        with seeded(0), settled(), torch.no_grad():
            inputs = torch.randn(_STEPS, _BATCH, input_size)
            if getattr(module, "tokens", False):
                inputs = torch.arange(_STEPS * _BATCH).reshape(_STEPS, _BATCH) % input_size
            torch.func.functional_call(module, given, (inputs, None))
    except Exception as error:
        raised = f"raises on inputs {tuple(inputs.shape)}: {first_line(error)}{place(error)}"
        rule = "it must run, so that its buffers can be checked to be constant"
        raise UsageError(f"class {type(module).__name__} {raised}; {rule}") from error
    return [name for name, value in before.items() if not _same(value, given[name])]


def _plain_numbers(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield numbers and arrays of numbers that a module, or one in it, holds as ordinary attributes."""
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if not name.startswith("_") or isinstance(value, Tensor):
                yield from _numbers_in(f"{prefix}.{name}".strip("."), value)


def _numbers_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Tensor) and value.grad_fn is not None:  # made of parameters: made anew before each pass
        return
    if isinstance(value, Tensor | np.ndarray | float | int):
        yield name, value
    elif isinstance(value, dict | list | tuple):
        for place, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers_in(f"{name}[{place!r}]", part)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.shape == other.shape and bool(torch.equal(one, other))
    return bool(np.array_equal(one, other))

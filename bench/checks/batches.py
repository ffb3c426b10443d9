"""Functions that compare batches, check their tensors and make outputs with given answers."""

from dataclasses import fields

import torch
from torch import Tensor

from longlag.checks.finding import expect
from longlag.tasks.base import Batch, Task


def answering(task: Task, targets: Tensor) -> Tensor:
    """Return outputs (N, O) whose answers are the targets."""
    if targets.is_floating_point():
        return targets.reshape(len(targets), -1).float()
    return 20.0 * torch.nn.functional.one_hot(targets, task.output_size).float()


def tensors_of(batch: Batch) -> dict[str, Tensor]:
    """Return every tensor of a batch, by name."""
    parts = {item.name: getattr(batch, item.name) for item in fields(Batch)}
    nested = {f"{group}.{name}": value for group in ("slices", "notes") for name, value in parts.pop(group).items()}
    return {name: value for name, value in (parts | nested).items() if value is not None}


def same(one: Batch, other: Batch) -> bool:
    """Return whether two batches are equal in every tensor."""
    ours, theirs = tensors_of(one), tensors_of(other)
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def check_tensor(values: Tensor, name: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Check the dtype and shape of a tensor.

    Args:
        values: The tensor.
        name: Its name in the message.
        dtype: The dtype that it must have.
        shape: The shape that it must have.

    Raises:
        BrokenRuleError: It has another dtype or shape.
    """
    message = f"{name} must be {dtype} of shape {shape}, not {values.dtype} of shape {tuple(values.shape)}"
    expect(values.dtype == dtype and tuple(values.shape) == shape, message)

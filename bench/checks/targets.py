"""The rule that a task's `last_target`, if it has one, is the target of its batches."""

from longlag.checks.finding import expect
from longlag.lens.support.answers import last_scored
from longlag.tasks.base import Batch, Task


def last_targets(task: Task, batch: Batch) -> str:
    """The right answers computed from inputs are the targets at the last scored steps."""
    last, places = last_scored(batch)
    expected = batch.targets[places]
    given = task.last_target(batch.inputs, last)
    if given is None:
        return "the task has none: the lens erasure shows no change of the target"
    expect(given.dtype == expected.dtype, f"last_target is {given.dtype}, and targets are {expected.dtype}")
    expect(
        given.shape == expected.shape,
        f"last_target has shape {tuple(given.shape)}, and the targets there {tuple(expected.shape)}",
    )
    wrong = (given != expected).reshape(len(expected), -1).any(1)
    expect(
        not wrong.any(),
        f"last_target is not the target in {int(wrong.sum())} of {len(expected)} sequences: in the first that differs "
        f"{given[wrong][:1].flatten().tolist()}, not {expected[wrong][:1].flatten().tolist()}",
    )
    return f"last_target is the target at the last scored step of {len(expected)} sequences"

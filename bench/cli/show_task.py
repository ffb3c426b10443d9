"""The command that shows examples of a task."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from longlag.cli.options import plugin_option

if TYPE_CHECKING:
    from torch import Tensor

    from longlag.tasks.base import Batch, Task

WIDTH = 100
"""Characters of a line, as in the help: fixed, so that the same command prints the same text on every terminal."""


@click.command("show-task")
@click.argument("task", metavar="TASK")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the examples.")
@click.option(
    "--examples", type=click.IntRange(1, 100), default=3, show_default=True, metavar="N", help="Number of examples."
)
@click.option("--held-out", is_flag=True, help="Draw as for evaluation, with sequences kept out of training.")
@plugin_option
def show_task(task: str, seed: int, examples: int, held_out: bool) -> None:
    """Draw a few examples of a task: its inputs, what must be carried, and its targets.

    In the last row * marks the steps that enter the error, + those that enter the loss only.
    """
    from longlag import registry
    from longlag.values.seeding import stream

    made = registry.task(task)
    with registry.blamed("task", made.name()):
        batch = made.draw(stream("batches", made.spec, made.version, seed).generator(), examples, held_out)
        counted = counted_steps(made, batch)
        lines = facts(made)
        for column in range(examples):
            lines += ["", f"example {column + 1}", *table(rows(made, batch, counted, column))]
    click.echo("\n".join(lines))


def facts(task: "Task") -> list[str]:
    """Return lines about a task: its description, its distances and its floors."""
    partial = [f"floor {floor:.3g} with {known}" for known, floor in task.partial_floors.items()]
    criterion = f"solved below {task.solved_below:.3g}"
    return [
        f"{task.spec}: {(type(task).__doc__ or '').splitlines()[0]}",
        f"lag {task.lag}, min_lag {task.min_lag}, floor {task.baseline_error:.3g}, {criterion}",
        *partial,
        f"error: {task.error_name}",
        f"loss: {task.reduction}",
        f"read from left to right only: {'yes' if task.causal else 'no'}"
        + ("; the deciding input comes later: such a network stays at the floor" if task.looks_ahead else ""),
        f"from: {task.reference}",
    ]


def counted_steps(task: "Task", batch: "Batch") -> "Tensor":
    """Return the steps that enter the error, (T, B) bool: steps at which a wrong answer changes it."""
    import torch

    classes = not batch.targets.is_floating_point()
    right = torch.nn.functional.one_hot(batch.targets, task.output_size).float() if classes else batch.targets
    opposite = -right if classes else right + 10
    answers = right.clone()
    headline = slice(None) if batch.headline is None else batch.headline
    counted = torch.zeros(batch.mask.numel(), dtype=torch.bool)
    for place, step in enumerate(batch.scored):
        errors = []
        for answer in (right, opposite):
            answers[place] = answer[place]
            errors.append(task.errors(answers, batch)[headline])
        answers[place] = right[place]
        counted[step] = not torch.equal(*errors)
    return counted.view(batch.mask.shape)


def rows(task: "Task", batch: "Batch", counted: "Tensor", column: int) -> dict[str, list[str]]:
    """Return one sequence as rows of cells by name, a cell per time step.

    Args:
        task: The task.
        batch: A batch of the task.
        counted: The steps that enter the error, (T, B).
        column: The sequence's index in the batch.
    """
    steps = len(batch.mask) if batch.lengths is None else int(batch.lengths[column])
    by_name: dict[str, list[str]] = {}
    if task.tokens:
        by_name["inputs"] = [named(task.token_names, token) for token in batch.inputs[:steps, column].tolist()]
    else:
        for channel, values in enumerate(batch.inputs[:steps, column].T.tolist(), start=1):
            by_name[f"input {channel}"] = [f"{value:.2g}" for value in values]
    carried = task.carried(batch)[:steps, column].tolist()
    if any(carried):
        by_name["carried"] = ["^" if marked else "" for marked in carried]
    scored = batch.mask[:steps, column].tolist()
    due = iter(batch.targets[batch.scored % batch.mask.shape[1] == column].tolist())
    by_name["targets"] = [target(task, next(due)) if is_scored else "" for is_scored in scored]
    marks = zip(scored, counted[:steps, column].tolist(), strict=True)
    by_name["scored"] = ["*" if in_error else "+" if is_scored else "" for is_scored, in_error in marks]
    return by_name


def named(names: Sequence[str] | None, token: int) -> str:
    """Return the name of a token or class, or its number if it has none."""
    return str(token) if names is None else names[token]


def target(task: "Task", value: int | list[float]) -> str:
    """Return a target as text: a class by its name, or numbers."""
    if isinstance(value, list):
        return " ".join(f"{number:.2g}" for number in value)
    return named(task.class_names, value)


def table(cells: dict[str, list[str]]) -> list[str]:
    """Return rows of cells aligned in lines; wider rows continue below.

    >>> table({"inputs": ["a", "b", ">"], "targets": ["", "", "ab"]})
    ['inputs   a b  >', 'targets      ab']
    """
    head = max(map(len, cells)) + 2
    widths = [max(map(len, column)) for column in zip(*cells.values(), strict=True)]
    lines: list[str] = []
    start = 0
    while start < len(widths):
        end, used = start + 1, head + widths[start]
        while end < len(widths) and used + 1 + widths[end] <= WIDTH:
            used += 1 + widths[end]
            end += 1
        for name, row in cells.items():
            part = " ".join(cell.rjust(width) for cell, width in zip(row[start:end], widths[start:end], strict=True))
            lines.append(f"{name:{head}}{part}".rstrip())
        start = end
        lines += [""] if start < len(widths) else []
    return lines

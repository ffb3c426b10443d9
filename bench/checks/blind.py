"""The best answers without memory, found by trying several: a task's floor(0) must be their error.

A constant answer is the best of the most common classes or, for numbers, of the mean and of quantiles, including the
median: an error may count only what lies outside a tolerance. An answer that knows the time may be another constant at
every step.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from longlag.checks.batches import answering
from longlag.tasks.base import Batch, Task

COMMON = 10
"""The number of most common classes that are tried as constant answers."""
QUANTILES = 100
"""The number of equal parts between the quantiles that are tried as constant answers."""
ENOUGH = 200
"""The fewest answers from which a slice or a step is judged."""


@dataclass(frozen=True)
class Blind:
    """Errors of answers without memory on a batch.

    Attributes:
        task: The task.
        batch: Sequences of the task.
    """

    task: Task
    batch: Batch

    @cached_property
    def headline(self) -> Tensor:
        """(M,) bool, the answers that enter the error."""
        answers = self.constants.shape[1]
        return torch.ones(answers, dtype=torch.bool) if self.batch.headline is None else self.batch.headline

    @cached_property
    def constants(self) -> Tensor:
        """(C, M), the errors of C constant answers."""
        targets = self.batch.targets
        if targets.is_floating_point():
            cuts = torch.linspace(0, 1, QUANTILES + 1)[1:-1]
            tried = [targets.mean(0), *torch.quantile(targets.double(), cuts.double(), dim=0).to(targets.dtype)]
        else:
            counts = targets.bincount(minlength=self.task.output_size)
            tried = list(counts.argsort(descending=True)[:COMMON])
        return torch.stack([self._errors(one.expand_as(targets)) for one in tried])

    @cached_property
    def ways(self) -> dict[str, Tensor]:
        """For each kind of answer, by its name, the errors of the best one: one for each answer of the headline."""
        errors = self.constants[:, self.headline]
        by_way = {"one constant": errors[errors.mean(1).argmin()]}
        return by_way | {"a constant at each step": self._errors(self._by_step())[self.headline]}

    @property
    def best(self) -> tuple[str, float, float]:
        """The best kind of answer, its mean error and the standard error of that mean: a sequence counts once."""
        name, errors = min(self.ways.items(), key=lambda item: float(item[1].mean()))
        apart = min(len(errors), self.batch.mask.shape[1])
        return name, float(errors.mean()), float(errors.std()) / apart**0.5

    def _errors(self, answers: Tensor) -> Tensor:
        return self.task.errors(answering(self.task, answers), self.batch).double()

    def _by_step(self) -> Tensor:
        """Answer each step by its most common class or mean, or, at steps with few answers, by that of all steps.

        A step at which every sequence is asked counts as having enough, although few sequences flatter the answer.
        """
        targets, steps = self.batch.targets, self.batch.scored // self.batch.mask.shape[1]
        answers = _middle(targets).expand_as(targets).clone()
        for step in sorted(set(steps.tolist())):
            part = steps == step
            if part.sum() >= min(ENOUGH, self.batch.mask.shape[1]):
                answers[part] = _middle(targets[part])
        return answers


def _middle(targets: Tensor) -> Tensor:
    return targets.mean(0) if targets.is_floating_point() else targets.bincount().argmax()

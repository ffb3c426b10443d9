"""Checks that answers belong to their sequences: a flat list of targets can be in a wrong order.

A sequence that is drawn alone has the right answers. If the same sequence occurs in a batch, its answers there must be
the same.
"""

from collections.abc import Iterator
from contextlib import suppress

import torch

from longlag.checks.finding import expect
from longlag.tasks.base import Batch, Task
from longlag.tasks.support.errors import UsageError
from longlag.values.seeding import stream

_TRIED = 8
"""The number of settings of the dial, from the shortest on, that are tried until one is allowed."""
_FEW, _ALONE, _BATCHES, _BATCH = 100, 600, 10, 32
"""Sequences drawn alone at first, and in all, of which every other one is looked up among the rest; batches; their
size."""
_ENOUGH = 20
"""The fewest sequences that must recur for a verdict."""
_MORE_WRONG = 0.1
"""By how much the share of differing answers in batches may exceed that between sequences drawn alone, by chance."""

Answers = tuple[float, ...]


def order_of_answers(task: Task) -> str:
    """Compare the answers of sequences in batches with those of the same sequences drawn alone.

    Raises:
        BrokenRuleError: Sequences have other answers in a batch than alone.
    """
    for tried in _settings(task):
        alone = [next(_answered(_drawn(tried, 1, index))) for index in range(_FEW)]
        if len(dict(alone)) == _FEW:  # too many to come up again
            continue
        alone += [next(_answered(_drawn(tried, 1, index))) for index in range(_FEW, _ALONE)]
        known = dict(alone[::2])
        together = [one for index in range(_BATCHES) for one in _answered(_drawn(tried, _BATCH, _ALONE + index))]
        by_chance, differ = _differing(alone[1::2], known), _differing(together, known)
        if len(by_chance) < _ENOUGH or len(differ) < _ENOUGH:
            continue
        share, expected = sum(differ) / len(differ), sum(by_chance) / len(by_chance)
        observed = (
            f"of {len(differ)} sequences in batches that were also drawn alone, {share:.0%} have other answers there"
        )
        order = "targets stand in order of time, those of one step by sequence; given as (T, B) they cannot be mixed up"
        expect(share <= expected + _MORE_WRONG, f"{observed}: {order}")
        alike = f"{observed}, {expected:.0%} of those drawn alone twice"
        return alike if share else f"{len(differ)} sequences in batches have the answers that they have alone"
    return "cannot be checked: hardly any sequence is drawn twice"


def _settings(task: Task) -> Iterator[Task]:
    """Yield the task at the shortest distance that its other options allow, and as it is."""
    if task.dial:
        low, high = task.dial_range
        for setting in range(low, min(low + _TRIED, high + 1)):
            with suppress(UsageError):
                yield task.turned(setting)
                break
    yield task


def _drawn(task: Task, size: int, index: int) -> Batch:
    return task.draw(stream("check", "order").generator(index), size)


def _answered(batch: Batch) -> Iterator[tuple[bytes, Answers]]:
    """Yield each sequence, with the steps at which it is asked, and its answers in order of time."""
    steps, columns = batch.scored // batch.mask.shape[1], batch.scored % batch.mask.shape[1]
    targets = batch.targets.double().reshape(len(batch.targets), -1)
    for column in range(batch.mask.shape[1]):
        own = columns == column
        length = len(batch.mask) if batch.lengths is None else int(batch.lengths[column])
        seen = batch.inputs[:length, column].contiguous().numpy().tobytes() + steps[own].numpy().tobytes()
        yield seen, tuple(torch.flatten(targets[own]).tolist())


def _differing(drawn: list[tuple[bytes, Answers]], known: dict[bytes, Answers]) -> list[bool]:
    """Return for each sequence that was also drawn alone whether its answers differ."""
    return [answers != known[seen] for seen, answers in drawn if seen in known]

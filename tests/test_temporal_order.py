"""Temporal order: marked symbols stand where the papers put them, and the class spells them."""

import numpy as np
import pytest
from hunting import drawn

from longlag import registry
from longlag.tasks.temporal_order import TOKENS

DRAWS = 10_000


@pytest.mark.parametrize(
    ("spec", "starts", "last", "lengths", "symbols"),
    [
        ("temporal_order", [10, 50], 10, range(100, 111), 8),
        ("temporal_order:marked=3", [10, 33, 66], 10, range(100, 111), 8),
        ("temporal_order:variant=pascanu2013,length=100", [10, 50], 9, [100], 6),
        ("temporal_order:variant=pascanu2013,length=100,marked=3", [10, 30, 60], 9, [100], 6),
    ],
)
def test_marked_symbols_stand_where_the_papers_put_them(spec, starts, last, lengths, symbols):
    task = registry.task(spec)
    batch = drawn(task, DRAWS)
    tokens = batch.inputs.numpy()
    steps = [np.flatnonzero(column).tolist() for column in (tokens < 2).T]
    assert {len(found) for found in steps} == {len(starts)}
    for place, start in enumerate(starts):
        assert {found[place] for found in steps} == set(range(start, start + last + 1))
    ends = np.full(DRAWS, 100) if batch.lengths is None else batch.lengths.numpy()
    assert set(ends.tolist()) == set(lengths)
    assert task.input_size == symbols
    inside = np.arange(len(tokens))[:, None] < ends
    framed = symbols == 8
    assert ((tokens[0] == 6) == framed).all()
    assert ((tokens[ends - 1, np.arange(DRAWS)] == 7) == framed).all()
    assert set(np.unique(tokens[1:-1][inside[1:-1]])) - {7} == set(range(6))


@pytest.mark.parametrize("spec", ["temporal_order", "temporal_order:marked=3"])
def test_the_class_of_temporal_order_spells_the_marked_symbols(spec):
    task = registry.task(spec)
    batch = drawn(task, 500)
    steps, columns = np.divmod(batch.scored.numpy(), 500)
    for target, step, column in zip(batch.targets.tolist(), steps, columns, strict=True):
        words = [TOKENS[token] for token in batch.inputs[: step + 1, column].tolist()]
        assert "".join(word for word in words if word in "XY") == task.class_names[target]

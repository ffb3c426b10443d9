"""The ordinary loop in JAX does what the ordinary loop does."""

import pytest
import torch
from torch.testing import assert_close

from longlag import registry
from longlag.perf import ordinary, updates
from longlag.values.trial import Trial

pytestmark = pytest.mark.jax

LIMIT = {"rtol": 1e-3, "atol": 3e-5}
"""Sums in another order, five updates of float32 at a rate of .01: Adam divides small gradients by their own size."""


@pytest.mark.parametrize("cell", updates.CELLS)
@pytest.mark.parametrize("task", ["copy:items=2,blanks=5", "adding:length=8"])
def test_both_loops_do_the_same_updates(task: str, cell: str) -> None:
    from longlag.perf.jax_loop import JaxTrial

    trial = Trial(registry.task(task).spec, cell, "norm:1", 1e-2, 3, hidden_size=6)
    compiled, loop = JaxTrial(trial), ordinary.OrdinaryTrial(trial)
    losses = []
    for _ in range(5):
        losses.append(compiled.step())
        loop.step()
    assert losses[0] != losses[-1]
    for name, value in loop.network.state_dict().items():
        assert_close(torch.tensor(compiled.state.weights[name].tolist()), value, **LIMIT)


def test_updates_are_timed_against_it_where_all_batches_have_one_shape() -> None:
    shapes = (("adding:length=4", 4), ("agreement:nouns=0-1", 4))
    lines = list(updates.measure(shapes, ("rnn",), 1))
    assert [one.reference for one in lines] == ["ordinary loop", "JAX jit(scan), looped", "ordinary loop"]

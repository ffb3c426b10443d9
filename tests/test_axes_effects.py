"""Every field of a trial changes what it is about, and nothing else: asked of the declared fields, one at a time."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from longlag.networks.build import network_of
from longlag.tasks.copy import Copy
from longlag.training import evaluation
from longlag.training.cohort import Cohort, train
from longlag.values.axes import Group
from longlag.values.trial import AXES, Trial

BASE = Trial(
    "copy:items=2,symbols=3,blanks=3", "rnn", "norm:0.1", 0.01, 10, hidden_size=5, layers=2, batch_size=3, updates=6,
    eval_every=3, optimizer="sgd",
)  # fmt: skip
DECODES = replace(BASE, task="reverse:items=3,symbols=4", decoder_cell="rnn", decoder_layers=1, decoder_cell_version=1)
NETWORK = {"weights drawn", "number of parameters", "loss at first", "weights at last"}
LEARNING = {"weights at last"}
EFFECTS = {
    "task": (BASE, "copy:items=2,symbols=4,blanks=3", {"batches"} | NETWORK),
    "cell": (BASE, "gru", NETWORK),
    "clip": (BASE, "none", LEARNING),
    "lr": (BASE, 0.02, LEARNING),
    "seed": (BASE, 11, {"batches", "weights drawn", "loss at first", "weights at last"}),
    "hidden_size": (BASE, 6, NETWORK),
    "layers": (BASE, 3, NETWORK),
    "optimizer": (BASE, "adam", LEARNING),
    "skip": (BASE, "residual", {"loss at first"} | LEARNING),
    "direction": (BASE, "bidirectional", NETWORK),
    "normalisation": (BASE, "layer", NETWORK),
    "dropout": (BASE, 0.5, LEARNING),
    "decoder_cell": (DECODES, "gru", NETWORK),
    "decoder_layers": (DECODES, 2, NETWORK),
    "initial_state": (BASE, "learned", {"number of parameters", "weights drawn"} | LEARNING),
    "truncate": (BASE, 3, LEARNING),
    "batch_size": (BASE, 4, {"batches"} | LEARNING),
    "updates": (BASE, 9, {"updates", "evaluated at"} | LEARNING),
    "eval_every": (BASE, 2, {"evaluated at"}),
    "schedule": (BASE, "cosine", LEARNING),
    "stop": (replace(BASE, task="copy:items=2,symbols=3,blanks=4"), "never", {"updates", "evaluated at"} | LEARNING),
    "weight_decay": (BASE, 0.5, LEARNING),
    "weight_noise": (BASE, 0.5, LEARNING),
    "dtype": (BASE, "float64", {"type of numbers", "loss at first"} | LEARNING),
    "device": (BASE, "cuda", {"device"}),
    "test_lags": (BASE, "7,9", {"tested at"}),
}  # fmt: skip
"""Of each field, a trial, another value, and what of `observed` becomes different."""


@pytest.fixture(autouse=True, scope="module")
def few_sequences():
    """Evaluate on few sequences; the task with 4 blanks counts as solved whatever the network answers."""
    plain = Copy.solved_below
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "EVALUATION_SEQUENCES", 10)
        patch.setattr(evaluation, "CONFIRMATION_SEQUENCES", 10)
        patch.setattr(Copy, "solved_below", property(lambda task: 2.0 if task.blanks == 4 else plain.fget(task)))
        yield


@cache
def observed(trial):
    """Train a trial; say what was seen, by name."""
    kept, finished = [], []
    train([trial], finished.append, keep=lambda result, network, row: kept.append(row.clone()))
    result, row = finished[0], kept[0]
    return first_seen(trial) | {
        "weights at last": row.tolist(),
        "number of parameters": result.num_parameters,
        "loss at first": result.measurements[0].loss,
        "updates": result.updates,
        "evaluated at": [point.update for point in result.measurements],
        "type of numbers": str(row.dtype),
        "tested at": [transfer.lag for transfer in result.transfer],
    }


def first_seen(trial):
    """Say what is there before the first update."""
    try:
        cohort = Cohort([trial], {})
    except (AssertionError, RuntimeError):  # there is no such device here: it was asked for
        return {"device": f"none called {trial.device}"}
    cohort.update = 1
    (batch,) = cohort._batches()
    return {
        "device": cohort.parameters.device.type,
        "batches": [batch.inputs.tolist(), batch.targets.tolist()],
        "weights drawn": network_of(trial).initial_row(trial.seed).tolist(),
    }


ASKED = [name for name, axis in AXES.items() if axis.group is not Group.ORIGIN]  # the others follow from these


@pytest.mark.parametrize("name", ASKED)
def test_a_field_changes_what_it_is_about_and_nothing_else(name):
    assert name in EFFECTS, f"what does {name} do? Name its effect here"
    trial, other, effects = EFFECTS[name]
    see = first_seen if name == "device" else observed
    before, after = see(trial), see(replace(trial, **{name: other}))
    assert {what for what in before if what in after and before[what] != after[what]} == effects


@pytest.mark.parametrize("name", AXES)
def test_every_field_is_in_the_key(name):
    other = {
        "plugins": "mine:0123",
        "data": "mine:0123",
        "task_version": 2,
        "cell_version": 2,
        "decoder_cell_version": 2,
    }
    trial, changed, _ = EFFECTS.get(name) or (BASE, other[name], None)
    assert replace(trial, **{name: changed}).key != trial.key


def test_the_rows_beside_do_not_hide_an_effect():
    """Trials of one cohort differ in seed, rate and clip; each has its own, wherever it stands."""
    trials = [
        replace(BASE, seed=seed, lr=lr, clip=clip)
        for seed in (1, 12)
        for lr in (0.1, 0.2)
        for clip in ("none", "norm:0.1")
    ]
    kept = {}
    train(trials, lambda _: None, keep=lambda result, network, row: kept.update({result.trial: row.clone()}))
    rows = list(kept.values())
    assert not any(torch.equal(one, other) for place, one in enumerate(rows) for other in rows[:place])

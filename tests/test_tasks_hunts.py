"""Leaks, hunted by a small network in every task: it sees only the last steps, or all but what must be carried."""

from dataclasses import replace

import pytest
from test_tasks import TASKS

from longlag import registry
from longlag.checks.leaks import Hunt, hunt
from longlag.process.state import arithmetic

UPDATES = 40
SMALL = {  # small enough that so few updates learn what there is to be learnt; other tasks are hunted as they are
    "adding": "adding:length=8",
    "agreement": "agreement:nouns=1",
    "agreement_constructions": "agreement_constructions:objective=number",
    "brackets": "brackets:depth=1,filler=2,kinds=2",
    "copy": "copy:items=1,symbols=3,blanks=2",
    "counting": "counting:most=3",
    "cycle": "cycle:steps=4",
    "even_pairs": "even_pairs:steps=4",
    "flip_flop": "flip_flop:instructions=4,acting=1",
    "group_words": "group_words:steps=3",
    "memorisation": "memorisation:distractors=1",
    "mod_arithmetic": "mod_arithmetic:digits=2,modulus=3",
    "multiplication": "multiplication:length=6",
    "parity": "parity:steps=4",
    "permutation": "permutation:length=4,symbols=4",
    "recall": "recall:clauses=0,loud=2",
    "recall_pairs": "recall_pairs:pairs=2,vocabulary=2,length=8",
    "selective_copy": "selective_copy:items=1,symbols=3,blanks=3",
    "sentiment": "sentiment:distance=2",
    "temporal_order": "temporal_order:length=10,variant=pascanu2013",
    "xor": "xor:length=4",
}
EVERY_STEP_COUNTS = ("parity", "cycle", "group_words", "mod_arithmetic")
"""Here the first step alone is hidden; the floor is that of the window which misses it."""
WITHOUT_A_FAR_ITEM = ("digits", "agreement_constructions", "counting")
"""A digit's black pixels tell of the others; a verb's number is told more than once; hidden symbols can be counted."""
FAR = [one for one in TASKS if one.values[0] not in WITHOUT_A_FAR_ITEM]


def hidden(task):
    """Return the task with what must be carried hidden in its inputs: negative tokens, or vectors of 0, are nothing."""

    class Hidden(type(task)):
        def draw(self, generator, batch_size, held_out=False):
            batch = super().draw(generator, batch_size, held_out)
            carried = task.carried(batch)
            if task.name() in EVERY_STEP_COUNTS:
                carried = carried & (carried.cumsum(0) == 1)
            assert carried.any(0).all()
            shown = batch.inputs.masked_fill(carried if task.tokens else carried.unsqueeze(2), -1 if task.tokens else 0)
            return replace(batch, inputs=shown)

    return Hidden(**task.values())


def hunt_without_the_far_item(task, updates) -> Hunt:
    floor = task.floor(task.length - 1 if task.name() in EVERY_STEP_COUNTS else 0)
    return replace(hunt(hidden(task), task.length, updates), floor=floor)


@pytest.mark.parametrize("name", TASKS)
def test_who_sees_only_the_last_steps_stays_at_the_floor(name):
    task = registry.task(SMALL.get(name, name))
    found = [hunt(task, window, UPDATES) for window in {task.min_lag // 2, task.min_lag - 1}]
    assert [one for one in found if one.leaks] == []


@pytest.mark.parametrize("name", FAR)
def test_who_sees_all_but_what_must_be_carried_stays_at_the_floor(name):
    task = registry.task(SMALL.get(name, name))
    found = hunt_without_the_far_item(task, UPDATES)
    assert not found.leaks, found


@pytest.mark.parametrize("name", ["adding", "copy", "recall_pairs", "sentiment"])
def test_who_sees_what_must_be_carried_as_well_does_better(name):
    task = registry.task(SMALL[name])
    found = replace(hunt(task, task.length, 3 * UPDATES), floor=task.floor(0))
    assert found.leaks, "so that a leak of the same size would have been seen above"


@pytest.mark.slow
@pytest.mark.parametrize("name", FAR)
def test_who_sees_all_but_what_must_be_carried_stays_at_the_floor_of_the_ordinary_size(name):
    with arithmetic():
        found = hunt_without_the_far_item(registry.task(name), 150)
    assert not found.leaks, found

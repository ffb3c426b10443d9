"""Leaks: whoever sees less than a task's floor allows for answers no better, and the floors are what counting finds."""

import numpy as np
import pytest
from hunting import SIGMAS, counting, drawn, hunt, hunt_in_slice, looks, without_the_far_item

from longlag import registry

# Small enough that looks repeat, with the windows at which that is so.
SMALL = {
    "copy:items=2,symbols=3,blanks=4": range(8),
    "copy:items=2,symbols=2,blanks=3,variant=variable": range(8),
    "memorisation:distractors=3": range(9),
    "permutation:length=4,symbols=6": range(5),
    "selective_copy:items=2,symbols=2,blanks=4": range(9),
    "recall_pairs:pairs=2,vocabulary=2,length=12": range(13),
    "recall:clauses=0,loud=2": (0, 7, 9, 21, 24, 28),
    "xor:length=5": range(6),
    "temporal_order:length=11": (0, 2, 5, 6, 7, 9),
    "temporal_order:length=10,marked=3,variant=pascanu2013": (0, 3, 4, 6, 7),
    "flip_flop:instructions=4,acting=1": range(9),
    "flip_flop:instructions=6,acting=0.8": range(7),
    "parity:steps=7": range(8),
    "parity:steps=3-6": range(7),
    "even_pairs:steps=7": range(8),
    "even_pairs:steps=2-6": range(7),
    "cycle:steps=5": range(6),
    "cycle:steps=1-5,places=4": range(6),
    "group_words:steps=3": range(4),
    "group_words:steps=2-3": range(4),
    "mod_arithmetic:digits=3,modulus=3": range(6),
    "mod_arithmetic:digits=1-3,modulus=2": range(6),
    "brackets:depth=2,filler=2,kinds=2": range(8),
    "brackets:depth=1,filler=3,kinds=2": range(8),
    "agreement:nouns=1,objective=number": (0, 1),
    "reverse:items=3,symbols=3": range(7),
    "reverse:items=1-3,symbols=3": range(7),
    "translate:items=3,words=3": range(7),
}
NOT_COUNTED = ("adding", "digits", "multiplication", "counting")  # no classes, or an answer of many steps
DEFAULTS = [name for name in registry.names("task") if name not in NOT_COUNTED]
# How much of what must be carried is hidden, and the floor that then holds: of this window, below 0 counted from T.
FAR = {
    "copy:items=2,symbols=3,blanks=2": (True, 0),
    "memorisation:distractors=2": (True, 0),
    "permutation:length=4,symbols=5": (True, 0),
    "selective_copy:items=2,symbols=3,blanks=3": (True, 0),
    "recall_pairs:pairs=2,vocabulary=2,length=8": (True, 0),
    "xor:length=4": (True, 0),
    "parity:steps=6": (False, -1),
    "even_pairs:steps=6": (False, -1),
    "cycle:steps=5": (False, -1),
    "group_words:steps=3": (False, -1),
    "mod_arithmetic:digits=3,modulus=2": (False, -1),
    "brackets:depth=2,filler=2,kinds=2": (True, 0),
    "reverse:items=3,symbols=3": (True, 0),
    "translate:items=3,words=3": (True, 0),
}


@pytest.mark.parametrize("spec", SMALL)
def test_floors_are_what_counting_the_last_steps_reaches(spec):
    task = registry.task(spec)
    batch = drawn(task, 20_000)
    found = {window: (hunt(task, batch, window), task.floor(window)) for window in SMALL[spec]}
    assert {window: both for window, both in found.items() if not both[0].agrees_with(both[1])} == {}


@pytest.mark.parametrize("spec", FAR)
def test_all_but_the_far_item_is_worth_no_more_than_a_guess(spec):
    task = registry.task(spec)
    all_of_it, window = FAR[spec]
    batch = drawn(task, 20_000)
    found = hunt(task, batch, task.length, without_the_far_item(task, batch, all_of_it))
    floor = task.floor(window if window >= 0 else task.length + window)
    assert found.unmet >= floor - SIGMAS * found.deviation
    assert found.met > floor / 2, "looks repeat, so that counting could have learnt something"


def test_a_leak_is_found():
    task = registry.task("copy:items=2,symbols=3,blanks=4")
    batch = drawn(task, 5000)
    batch.inputs[-3:] = batch.targets.reshape(2, -1)[0]  # the first item stands just before it is asked for
    assert not hunt(task, batch, 2).agrees_with(task.floor(2))


def test_a_floor_too_low_is_found():
    task = registry.task("parity:steps=7")
    assert not hunt(task, drawn(task, 5000), 3).agrees_with(0.4)


@pytest.mark.parametrize("spec", SMALL)
def test_no_class_is_favoured_within_a_slice(spec):
    task = registry.task(spec)
    batch = drawn(task, 20_000)
    names = batch.slices.keys() - {"plural"}  # which is the class itself
    found = {name: hunt_in_slice(task, batch, name) for name in names}
    assert {name: one for name, one in found.items() if not one.agrees_with(task.floor(0))} == {}


@pytest.mark.parametrize("held_out", [False, True])
def test_the_places_of_marked_symbols_tell_nothing_of_their_order(held_out):
    task = registry.task("temporal_order:length=22")
    batch = drawn(task, 20_000, held_out=held_out)
    places = without_the_far_item(task, batch, all_of_it=True) == -2
    found = hunt(task, batch, task.length, places)
    assert found.met > 0.7
    assert found.unmet > 0.75 - SIGMAS * found.deviation


@pytest.mark.slow
@pytest.mark.parametrize("spec", SMALL)
def test_floors_are_what_counting_reaches_over_many_draws(spec):
    task = registry.task(spec)
    batch = drawn(task, 100_000, key=1)
    found = {window: (hunt(task, batch, window), task.floor(window)) for window in SMALL[spec]}
    assert {window: both for window, both in found.items() if not both[0].agrees_with(both[1])} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFAULTS)
def test_no_step_but_what_must_be_carried_tells_the_answer_by_itself(name):
    """At its ordinary size: what any one step before the answer holds, counted from there."""
    task = registry.task(name)
    batch = drawn(task, 20_000)
    shown = without_the_far_item(task, batch, all_of_it=True)
    for back in range(task.length):
        shifted = np.full_like(shown, -1)
        shifted[back:] = shown[: len(shown) - back]
        found = hunt(task, batch, 1, shifted)
        assert found.unmet > task.floor(0) - SIGMAS * found.deviation, f"{back} steps before the answer"


EDGES = [
    *SMALL,
    *("copy:variant=arjovsky2016", "copy:variant=tcn2018", "copy:variant=exprnn", "copy:items=1,variant=tcn2018"),
    *("recall_pairs:variant=zoology", "recall_pairs:pairs=30,vocabulary=30,length=121,variant=zoology"),
    *("selective_copy:variant=mad2024", "selective_copy:items=1,blanks=0,variant=mad2024"),
    *("memorisation:wrong=sequences", "temporal_order:length=40,variant=pascanu2013_code"),
    *("adding:variant=tcn2018", "adding:variant=pascanu2013", "adding:variant=hochreiter1997"),
    *("multiplication:variant=pascanu2013", "multiplication:variant=hochreiter1997", "temporal_order:marked=3"),
    *("memorisation:pattern=symbols", "selective_copy:items=200", "selective_copy:items=1,blanks=0"),
    *(
        "recall_pairs:pairs=1000,vocabulary=1000,length=4000",
        "flip_flop:instructions=200,acting=4",
        "flip_flop:acting=48",
    ),
    *("group_words:group=A5", "mod_arithmetic:modulus=10", "mod_arithmetic:digits=2-9", "cycle:places=100"),
    *("counting", "counting:most=3", "counting:most=101,counts=all"),
    *("brackets:depth=100,filler=0", "parity:steps=2-200", "recall:clauses=20,loud=5"),
    *("reverse:items=1", "reverse:items=1-100", "translate:items=1", "translate:items=200,words=100"),
]


@pytest.mark.parametrize("spec", EDGES)
def test_floors_are_in_order_at_every_setting(spec):
    task = registry.task(spec)
    windows = np.unique(np.linspace(0, task.length, 40).astype(int)).tolist()
    floors = [round(task.floor(window), 12) for window in windows]
    assert floors == sorted(floors, reverse=True)
    assert task.floor(0) == task.baseline_error
    assert (
        task.floor(task.length)
        == floors[-1]
        == 0
        < task.solved_below
        < min([task.baseline_error, *task.partial_floors.values()])
    )
    assert task.floor(task.min_lag) < task.solved_below <= task.floor(task.min_lag - 1)


@pytest.mark.parametrize("spec", [*SMALL, "agreement:nouns=1"])
def test_a_task_is_causal_where_the_next_input_tells_the_answer(spec):
    task = registry.task(spec)
    batch = drawn(task, 5000)
    later = np.full_like(batch.inputs.numpy(), -1)
    later[:-1] = batch.inputs[1:].numpy()
    if not task.causal:
        found = hunt(task, batch, 1, later)
        assert found.unmet >= task.floor(0) - SIGMAS * found.deviation
        return
    steps, columns = np.divmod(batch.scored.numpy(), batch.mask.shape[1])
    followed = steps < len(later) - 1
    found = counting(
        looks(later, steps[followed], columns[followed], 1), batch.targets.numpy()[followed], columns[followed],
        task.output_size,
    )  # fmt: skip
    assert found.unmet < 0.05

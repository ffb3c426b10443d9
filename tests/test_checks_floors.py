"""Floors that are stated wrong: too high and too low without memory are broken rules, too low a window is a note."""

import pytest
from test_checks import TASK, broken_by

from longlag import registry
from longlag.checks.finding import BrokenRuleError, Finding, Note
from longlag.checks.tasks import Drawn
from longlag.checks.windows import Windows

SPECS = [
    *("copy:items=2,symbols=3,blanks=2", "adding:length=8", "adding:length=33,variant=hochreiter1997"),
    *("multiplication:length=22,variant=pascanu2013", "parity:steps=3-6", "cycle:steps=1-5,places=4"),
    *("mod_arithmetic:digits=1-3,modulus=3", "recall_pairs:pairs=4,vocabulary=8,length=32"),
    *(
        "agreement:nouns=1",
        "agreement:nouns=1,objective=number",
        "recall:clauses=0,loud=2",
        "group_words:steps=3",
        "temporal_order:length=11",
    ),
]


@pytest.fixture(autouse=True)
def _no_plugins_left():
    yield
    registry.use(())


def stating(spec, factor=1.0, below=1.0, **others):
    """Return what is drawn from a task whose floors are multiplied, that without memory and those of windows."""
    task = registry.task(spec)

    class Stating(type(task)):
        def floor(self, window):
            return super().floor(window) * (below if window else factor)

    for name, value in others.items():
        setattr(Stating, name, value)
    return Drawn(Stating(**task.values()))


def windows_of(drawn):
    return Windows(drawn.task)


def verdict(rule):
    try:
        return rule()
    except BrokenRuleError as broken:
        return broken


@pytest.mark.parametrize("spec", SPECS)
def test_a_floor_of_half_the_true_one_is_stated_too_low(spec):
    drawn = stating(spec, 0.5)
    with pytest.raises(BrokenRuleError, match="the floor is too low"):
        drawn.baseline()
    drawn.balance()


@pytest.mark.parametrize("spec", SPECS)
def test_the_true_floor_is_neither_too_low_nor_too_high(spec):
    drawn = stating(spec)
    assert not isinstance(drawn.baseline(), Note)
    drawn.balance()


@pytest.mark.parametrize("spec", SPECS)
def test_a_floor_of_twice_the_true_one_is_beaten_by_a_constant(spec):
    with pytest.raises(BrokenRuleError, match=r"is below floor\(0\)"):
        stating(spec, 2.0).balance()


@pytest.mark.parametrize("spec", SPECS)
def test_a_tenth_too_low_is_told(spec):
    assert isinstance(verdict(stating(spec, 0.9).baseline), BrokenRuleError)


def a_step_short(spec):
    """Return what is drawn from a task whose floors are those of windows one step longer."""
    task = registry.task(spec)

    class Shorter(type(task)):
        def floor(self, window):
            return super().floor(window + 1 if window else 0)

    return Drawn(Shorter(**task.values()))


@pytest.mark.parametrize("spec", ["copy:items=1,symbols=4,blanks=3", "sentiment:distance=2"])
def test_a_min_lag_one_step_short_is_told_where_a_small_network_can_learn_the_task(spec):
    windows_of(stating(spec)).enough()
    with pytest.raises(BrokenRuleError, match="min_lag is too short"):
        windows_of(a_step_short(spec)).enough()


def test_floors_that_fall_a_step_early_are_a_note():
    found = windows_of(a_step_short("adding:length=8")).windows()
    assert isinstance(found, Note)
    assert found.endswith(": perhaps floors are off by a step")


def test_a_dial_that_takes_the_answer_no_further_away_is_told():
    assert (
        stating("copy:items=1,blanks=4").dial()
        == "blanks from 4 to 10 takes the lag from 5 to 11, min_lag from 6 to 12"
    )
    with pytest.raises(BrokenRuleError, match="items from 1 to 4 takes the lag from 5 to 5"):
        stating("copy:items=1,blanks=4", dial="items", lag=5).dial()


def test_a_rule_that_does_better_than_any_constant_can_be_named():
    found = stating("copy:items=1", 0.5, baseline_rule="the symbols alternate").baseline()
    assert isinstance(found, Note)
    assert found.endswith("baseline_rule names a better one, which is not checked: the symbols alternate")


def test_a_window_whose_floor_a_small_network_stays_far_above_is_a_note():
    found = windows_of(stating("adding:length=8", below=0.1)).windows()
    assert isinstance(found, Note)
    assert "with the last 2 steps, the floor is 0.0125; " in found
    assert found.endswith("with the last 3 steps, the floor is 0.0104: the floor is too low, or just hard to learn")
    assert not isinstance(windows_of(stating("adding:length=8")).windows(), Note)


def test_a_note_is_no_broken_rule():
    assert Finding("windows", True, Note("look here")).line == "note    windows: look here"


def test_a_floor_too_low_is_told_in_plain_words(tmp_path):
    said = broken_by("task", TASK, "2 / 3", "1 / 3", tmp_path)["baseline"]
    assert said.startswith("the best answer found without memory, one constant, has an error of 0.6")
    assert said.endswith("floor(0) is 0.333: the floor is too low, or baseline_rule must name a better rule")


def test_a_floor_too_high_is_told_by_the_rule_of_balance(tmp_path):
    assert "balance" in broken_by("task", TASK, "2 / 3", "4 / 3", tmp_path)

"""Copy as three papers train it: what is read, what is asked, and how the loss of all steps dilutes that of recall."""

import math

import numpy as np
import pytest
import torch
from hunting import drawn

from longlag import registry
from longlag.tasks.copy import TRAINING_SET, Copy, training_set
from longlag.tasks.support.errors import UsageError

PAPERS = ("arjovsky2016", "tcn2018", "exprnn")


def read(variant):
    """Write a sequence of 2 items out of 3 (numbers from 1 on), 3 blanks: what goes in, and what every step asks."""
    task = Copy(items=2, symbols=3, blanks=3, variant=variant)
    batch = drawn(task, 1)
    items = batch.targets[-2:].tolist()
    values = batch.inputs.flatten().tolist()
    if task.tokens:
        values = [0 if value == 3 else value + (value < 3) for value in values]
    return values, [item + 1 for item in items], batch.targets.tolist()


@pytest.mark.parametrize(
    ("variant", "after_the_items"),
    [("arjovsky2016", [0, 0, 4, 0, 0]), ("tcn2018", [0, 0, 4, 4, 4]), ("exprnn", [0, 0, 0, 4, 0])],
)
def test_each_paper_has_its_cue(variant, after_the_items):
    values, items, targets = read(variant)
    assert values == [*items, *after_the_items]
    assert targets == [3] * 5 + [item - 1 for item in items]


@pytest.mark.parametrize("variant", PAPERS)
def test_all_steps_are_trained_and_the_recall_is_judged(variant):
    task = Copy(items=2, symbols=3, blanks=4, variant=variant)
    batch = drawn(task, 5)
    assert batch.mask.all()
    answers = torch.nn.functional.one_hot(batch.targets, task.output_size).float()
    answers[0] *= -1  # not judged
    answers[-3] *= -1  # the second to last step of recall: of the second item of the third sequence
    assert task.errors(answers, batch).tolist() == [0] * 7 + [1, 0, 0]
    assert batch.slices["position"].tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize(("variant", "classes"), [("arjovsky2016", 9), ("tcn2018", 10), ("exprnn", 9), ("fixed", 8)])
def test_classes_are_those_of_the_code(variant, classes):
    assert Copy(variant=variant).output_size == classes


@pytest.mark.parametrize("blanks", [100, 1000])
def test_without_memory_the_loss_is_that_of_the_papers(blanks):
    task = Copy(blanks=blanks, variant="arjovsky2016")
    batch = drawn(task, 4)
    likely = torch.full((len(batch.targets), 9), -100.0)
    likely[:, 8] = 0.0
    likely[-40:] = torch.tensor([0.0] * 8 + [-100.0])
    assert task.loss(likely, batch).item() == pytest.approx(10 * math.log(8) / (blanks + 20), rel=1e-5)


def test_the_gradient_of_recall_is_a_102nd_at_a_thousand_blanks():
    gradients = {}
    for variant in ("fixed", "arjovsky2016"):
        task = Copy(blanks=1000, variant=variant)
        batch = drawn(task, 4)
        outputs = torch.zeros(len(batch.targets), task.output_size)
        outputs[:, 8:] = -100.0  # no blank at a step of recall
        outputs.requires_grad_()
        (gradient,) = torch.autograd.grad(task.loss(outputs, batch), outputs)
        gradients[variant] = gradient[-40:].norm()
    assert (gradients["fixed"] / gradients["arjovsky2016"]).item() == pytest.approx(102, rel=1e-4)


def test_the_training_set_of_tcn_is_one_and_evaluation_has_others():
    task = Copy(items=10, blanks=2, variant="tcn2018")
    codes = {
        held_out: {tuple(column) for column in drawn(task, 5000, key, held_out).inputs[:10, :, 0].T.int().tolist()}
        for key, held_out in ((1, False), (2, True))
    }
    known = {tuple(column) for column in (training_set(10, 8) + 1).T.tolist()}
    assert len(known) == TRAINING_SET
    assert codes[False] <= known
    assert not codes[True] & known
    assert 3700 < len(codes[False]) < 4200, "5,000 draws with replacement meet 3,935 of 10,000"
    assert np.bincount(training_set(10, 8).ravel()) == pytest.approx(12_500, abs=500)


@pytest.mark.parametrize("variant", PAPERS)
def test_distance_and_floor_are_those_of_fixed_copy(variant):
    fixed, paper = Copy(), Copy(variant=variant)
    for name in ("lag", "min_lag", "length", "solved_below", "partial_floors"):
        assert getattr(paper, name) == getattr(fixed, name)
    assert [paper.floor(window) for window in (0, 110, 111)] == [0.875, 0.875, 0]


def test_an_unknown_paper_is_refused():
    with pytest.raises(UsageError, match="did you mean tcn2018"):
        registry.task("copy:variant=tcn2019")

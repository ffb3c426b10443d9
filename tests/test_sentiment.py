"""Sentiment: what decides comes later; and which tasks a network of two directions may be trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn, hunt, hunt_ahead
from test_tasks import TASKS

from longlag import registry
from longlag.plan.study import adhoc
from longlag.tasks.sentiment import Sentiment
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.reviews import ADVERBS, ASKED, BLAME, NOUNS, PRAISE, WORDS, polarity
from longlag.training import evaluation
from longlag.training.cohort import train
from longlag.values.trial import Status, Trial


def sentences(batch):
    lengths = [len(batch.inputs)] * batch.inputs.shape[1] if batch.lengths is None else batch.lengths.tolist()
    columns = batch.inputs.T.tolist()
    return [[WORDS[token] for token in column[:end]] for column, end in zip(columns, lengths, strict=True)]


def test_a_sentence_is_built_as_the_docstring_says():
    task = Sentiment(distance=Sentiment.from_texts({"distance": "1-4"}).distance)
    batch = drawn(task, 300)
    found = sentences(batch)
    for words, answer in zip(found, batch.targets.tolist(), strict=True):
        the, opinion, noun, was, terribly, *adverbs, decides = words
        assert (the, was, terribly) == ("the", "was", "terribly")
        assert opinion in PRAISE + BLAME
        assert noun in NOUNS
        assert set(adverbs) <= set(ADVERBS)
        assert decides in (PRAISE if answer else BLAME)
    assert {len(words) - 1 - ASKED for words in found} == {1, 2, 3, 4}
    assert batch.mask.nonzero()[:, 0].tolist() == [ASKED] * 300
    assert (batch.inputs[batch.lengths[0] :, 0] == 0).all()
    assert {word for words in found for word in words} == set(WORDS) - {"."}


def test_only_the_opinion_after_the_question_counts():
    words = ["the", "dull", "film", "was", "terribly", "so", "exciting"]
    tokens = np.array([WORDS.index(word) for word in words])[:, None]
    assert polarity(tokens).item() == 1
    assert polarity(tokens[[0, 6, 2, 3, 4, 5, 1]]).item() == 0


@pytest.mark.parametrize("held_out", [False, True])
def test_nothing_up_to_the_question_tells_its_answer(held_out):
    task = registry.task("sentiment:distance=1-4")
    found = hunt(task, drawn(task, 20_000, held_out=held_out), ASKED + 1)
    assert found.met > 0.45
    assert found.unmet > 0.5 - SIGMAS * found.deviation


@pytest.mark.parametrize("spec", ["sentiment:distance=3", "sentiment:distance=1-4"])
@pytest.mark.parametrize("window", range(1, 6))
def test_floors_are_what_counting_the_next_steps_reaches(spec, window):
    task = registry.task(spec)
    assert hunt_ahead(task, drawn(task, 40_000), window).agrees_with(task.floor(window))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("wiring", [{"layers": 1}, {"layers": 3, "skip": "dense"}, {"layers": 2, "skip": "highway"}])
def test_a_network_that_reads_left_to_right_is_never_better_than_the_floor(cell, wiring):
    trial = Trial("sentiment:distance=2", cell, "norm:1", 0.01, 0, hidden_size=8, updates=150, eval_every=30, **wiring)
    found = []
    train([trial], found.append)
    deviation = 0.5 / evaluation.EVALUATION_SEQUENCES**0.5
    assert min(point.error for point in found[0].measurements) > 0.5 - 4 * deviation
    assert found[0].status is Status.UNSOLVED


def test_a_network_of_both_directions_solves_what_one_cannot():
    trial = Trial("sentiment:distance=1-4", "gru", "norm:1", 0.03, 0, hidden_size=8, updates=200, eval_every=50)
    found = []
    train([replace(trial, direction="bidirectional")], found.append)
    assert found[0].status is Status.SOLVED


# Which tasks admit both directions

CAUSAL = {"agreement", "agreement_constructions", "brackets", "counting", "flip_flop", "recall"}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_admits_both_directions_unless_it_is_causal(name):
    task = registry.task(name)
    assert task.causal == (name in CAUSAL)
    if task.causal:
        with pytest.raises(UsageError, match=f"task {name} shows its answers at later inputs.*must be forward"):
            adhoc(task=name, cell="rnn", direction=["forward", "bidirectional"]).trials()
    else:
        (trial,) = adhoc(task=name, cell="rnn", direction="bidirectional", seeds=1).trials()
        assert trial.direction == "bidirectional"


def test_agreement_as_a_classification_admits_both_directions():
    (trial,) = adhoc(task="agreement:objective=number", cell="rnn", direction="bidirectional", seeds=1).trials()
    assert trial.direction == "bidirectional"


def test_questions_at_the_end_have_nothing_behind_them():
    for name in ("adding", "multiplication", "temporal_order"):
        batch = drawn(registry.task(name), 50)
        ends = torch.full((50,), len(batch.inputs)) if batch.lengths is None else batch.lengths
        assert torch.equal(batch.mask.int().argmax(0), ends - 1)


def test_the_twin_has_the_same_sentences_read_from_their_end():
    forwards, twin = (drawn(registry.task(f"{name}:distance=1-4"), 300) for name in ("sentiment", "sentiment_before"))
    assert [words[::-1] for words in sentences(twin)] == sentences(forwards)
    columns = twin.scored % 300  # answers come in the order of the steps at which they are asked
    assert torch.equal(twin.targets, forwards.targets[columns])
    asked = twin.inputs.T[twin.mask.T]
    assert [WORDS[token] for token in asked.tolist()] == ["terribly"] * 300


@pytest.mark.parametrize("spec", ["sentiment_before:distance=3", "sentiment_before:distance=1-4"])
@pytest.mark.parametrize("window", range(1, 6))
def test_floors_of_the_twin_are_what_counting_the_last_steps_reaches(spec, window):
    task = registry.task(spec)
    assert hunt(task, drawn(task, 40_000), window).agrees_with(task.floor(window))


def test_the_twin_is_solved_from_left_to_right():
    found = []
    trial = Trial("sentiment_before:distance=1-4", "gru", "norm:1", 0.03, 0, hidden_size=8, updates=200, eval_every=50)
    train([trial], found.append)
    assert found[0].status is Status.SOLVED

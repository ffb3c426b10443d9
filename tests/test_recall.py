"""Recall: what the stories name, how often and where, and which pairs of nouns are kept out of training."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from hunting import SIGMAS, drawn

from longlag.tasks import recall
from longlag.tasks.recall import STORIES, VOCABULARY, Recall

DRAWS = 10_000


def stories(task, count, held_out=True):
    batch = drawn(task, count, held_out=held_out)
    words = np.array(VOCABULARY)[torch.cat([batch.inputs, batch.targets.view(batch.inputs.shape)[-1:]]).numpy()]
    return batch, [" ".join(column) for column in words.T]


def test_the_lexicon_keeps_its_promises():
    nouns = STORIES["nouns"]
    assert len(nouns) == len(set(nouns)) >= 40
    assert len(nouns) % 10 == 0
    assert len(STORIES["frames"]) >= 4
    elsewhere = " ".join(text for part, texts in STORIES.items() if part != "nouns" for text in texts).split()
    assert not set(nouns) & set(elsewhere)
    openings, closings = zip(*(frame.split(" | ") for frame in STORIES["frames"]), strict=True)
    assert {len(text.split()) for text in openings} == {recall.OPENING_WORDS}
    assert {len(text.split()) for text in closings} == {recall.CLOSING_WORDS}
    assert {len(text.split()) for text in STORIES["loud"] + STORIES["fillers"]} == {recall.CLAUSE_WORDS}
    assert all(text.split().count("NOUN") == 1 for text in openings)
    assert all(text.split().count("LOUD") == 1 for text in STORIES["loud"])
    assert not {"NOUN", "LOUD"} & set(" ".join(STORIES["fillers"] + list(closings)).split())


def test_a_story_names_its_noun_first_and_last_and_the_loud_one_more_often_and_more_recently():
    _, told = stories(Recall(), 500)
    for story in told:
        found = [word for word in story.split() if word in STORIES["nouns"]]
        assert found[0] == found[-1]
        assert len(set(found[1:-1])) == 1
        assert len(found[1:-1]) == 3
        assert found[1] != found[0]


def test_a_story_keeps_to_its_frame_and_its_person():
    batch, told = stories(Recall(clauses=2), 300)
    for story, frame in zip(told, batch.slices["frame"].tolist(), strict=True):
        name, she, her = next(row.split() for row in STORIES["people"] if row.split()[0] in story.split())
        noun = story.split()[-1]
        opening, closing = (
            re.sub("NAME", name, re.sub("SHE", she, re.sub("HER", her, re.sub("NOUN", noun, text))))
            for text in STORIES["frames"][frame].split(" | ")
        )
        assert story.startswith(f"{opening} ")
        assert story.endswith(f"{closing} {noun}")


def test_the_lag_of_a_story_is_seven_words_a_clause():
    assert [Recall(clauses=clauses).lag for clauses in (0, 1, 5)] == [31, 38, 66]
    assert Recall(clauses=1).min_lag - Recall(clauses=0).min_lag == 7
    assert Recall().floor(0) == 1 - 1 / 50
    assert Recall().floor(20) == pytest.approx(1 - 1 / 49)


def test_recall_scores_the_last_word_and_trains_on_all():
    task = Recall(clauses=0)
    batch = drawn(task, 3)
    assert batch.mask.all()
    assert torch.equal(batch.targets[:-3], batch.inputs[1:].flatten())
    outputs = torch.nn.functional.one_hot(batch.targets, task.output_size).float()
    outputs[[0, -2]] *= -1
    assert task.errors(outputs, batch).tolist() == [0, 1, 0]


def test_pairs_of_nouns_kept_out_are_met_in_evaluation_only():
    place = {noun: index for index, noun in enumerate(STORIES["nouns"])}
    for held_out in (False, True):
        batch, told = stories(Recall(clauses=0), DRAWS, held_out)
        pairs = [(place[words[-1]], place[next(w for w in words if w in place and w != words[-1])])
                 for words in (story.split() for story in told)]  # fmt: skip
        unmet = [(7 * noun + loud) % 10 == 9 for noun, loud in pairs]
        assert unmet == (batch.slices["held_out"] == 1).tolist()
        assert np.mean(unmet) == pytest.approx(0.1 * held_out, abs=0.015)
        shares = Counter(noun for noun, _ in pairs)
        assert len(shares) == 50
        assert max(shares.values()) < 2 * min(shares.values())


def test_answering_the_loud_noun_is_always_wrong_and_any_other_nearly():
    _, told = stories(Recall(), DRAWS)
    generator = np.random.default_rng(0)
    wrong = 0
    for words in (story.split() for story in told):
        loud = next(word for word in words if word in STORIES["nouns"] and word != words[-1])
        others = [noun for noun in STORIES["nouns"] if noun != loud]
        wrong += others[generator.integers(49)] != words[-1]
    expected = Recall().partial_floors["which noun is loud"]
    assert abs(wrong / DRAWS - expected) < SIGMAS * (expected * (1 - expected) / DRAWS) ** 0.5

"""Agreement: nothing but the subject tells the number of its verb, and the floors are exact."""

import re

import numpy as np
import pytest
from agreement_reading import (
    DRAWS,
    SIGMAS,
    SIGNS,
    assert_half,
    drawn,
    exactly,
    last_words,
    lemmas,
    places,
    vote_error,
)

from longlag.tasks.agreement import NOUNS, PAD, VOCABULARY, Agreement
from longlag.tasks.support.options import Range


def test_floor_by_hand() -> None:
    # three words in 3 of 8 sentences and four in 5 of 8, and an adverb in 1 of 4: distance 4, 5, 6
    assert [exactly(1).floor(window) for window in range(8)] == [0.5] * 4 + [0.5 * 23 / 32, 0.5 * 5 / 32, 0, 0]
    assert [exactly(0).floor(window) for window in range(3)] == [0.5, 0.125, 0]


@pytest.mark.parametrize("nouns", [Range(1, 1), Range(3, 3), Range(0, 4), Range(0, 0)])
def test_floors_are_what_the_first_noun_in_the_window_reaches(nouns: Range) -> None:
    task = Agreement(nouns)
    batch = drawn(task, 2 * DRAWS)
    judged = np.ones(2 * DRAWS, dtype=bool) if batch.headline is None else batch.headline.numpy()
    plural = batch.slices["plural"].numpy()
    for window in range(1, task.lag + 1):
        words = last_words(batch, window)
        noun = np.isin(words, NOUNS)
        first = words[noun.argmax(0), np.arange(words.shape[1])]
        error = np.where(noun.any(0), np.isin(first, NOUNS[:, 1]) != plural, 0.5)[judged]
        assert abs(error.mean() - task.floor(window)) <= SIGMAS * error.std() / judged.sum() ** 0.5


@pytest.mark.parametrize("nouns", [Range(0, 0), Range(1, 1), Range(2, 2), Range(6, 6), Range(0, 4), Range(5, 20)])
def test_min_lag_is_the_smallest_window_that_can_solve_the_task(nouns: Range) -> None:
    task = Agreement(nouns)
    assert task.floor(task.min_lag) < task.solved_below <= task.floor(task.min_lag - 1)
    assert task.floor(task.lag) < 1e-12 < task.floor(task.lag - 1)
    assert task.baseline_error == 0.5
    assert task.floor(3 if nouns.low else 0) == 0.5
    assert all(task.solved_below < floor for floor in task.partial_floors.values())


@pytest.mark.parametrize("nouns", [1, 2, 4])
def test_last_noun_rule_errs_on_half_of_the_headline_sentences(nouns: int) -> None:
    batch = drawn(Agreement(Range(0, nouns)))
    tokens, _, _ = places(batch)
    noun = np.isin(tokens, NOUNS)
    last = tokens[len(tokens) - 1 - noun[::-1].argmax(0), np.arange(DRAWS)]
    wrong = np.isin(last, NOUNS[:, 1]) != batch.slices["plural"].numpy()
    judged = batch.slices["nouns"].numpy() > 0
    assert batch.headline is not None
    assert np.array_equal(batch.headline.numpy(), judged)
    assert_half(wrong[judged].mean(), judged.sum())
    assert Agreement(Range(0, nouns)).partial_floors["the last noun"] == 0.5


@pytest.mark.parametrize("held_out", [False, True])
def test_subject_number_is_balanced_within_every_slice(held_out: bool) -> None:
    batch = drawn(Agreement(), DRAWS, held_out)
    plural = batch.slices["plural"].double()
    groups = {name: values for name, values in batch.slices.items() if name != "plural"}
    groups["attractors by nouns"] = 10 * batch.slices["nouns"] + batch.slices["attractors"]
    groups["attractors by distance"] = 10 * batch.slices["distance"] + batch.slices["attractors"]
    for values in groups.values():
        for value in set(values.tolist()):
            assert_half(plural[values == value].mean().item(), int((values == value).sum()))


@pytest.mark.parametrize("held_out", [False, True])
def test_no_single_word_but_the_subject_and_the_verb_tells_the_number(held_out: bool) -> None:
    batch = drawn(Agreement(Range(2, 2)), DRAWS, held_out)
    tokens, subject, verb = places(batch)
    tokens[subject, np.arange(DRAWS)] = tokens[verb, np.arange(DRAWS)] = PAD
    plural = batch.slices["plural"].numpy()
    for token in range(1, len(VOCABULARY)):
        used = (tokens == token).any(0)
        assert not used.any() or abs(plural[used].mean() - 0.5) < SIGMAS * 0.5 / used.sum() ** 0.5, VOCABULARY[token]


def test_no_lemma_tells_the_number() -> None:
    batch = drawn(Agreement(Range(2, 2)))
    for rows in lemmas(batch):
        for row in range(rows.max() + 1):
            assert_half(batch.slices["plural"].numpy()[rows == row].mean(), int((rows == row).sum()))


@pytest.mark.parametrize("nouns", [1, 2, 4])
def test_a_window_of_three_words_stays_at_its_floor(nouns: int) -> None:
    batch = drawn(exactly(nouns))
    words, plural = last_words(batch, 3), batch.slices["plural"].numpy()
    assert exactly(nouns).floor(3) == 0.5
    assert_half(vote_error([tuple(column) for column in words.T.tolist()], plural), DRAWS // 2)
    assert_half(vote_error(["".join(column) for column in SIGNS[words].T], plural), DRAWS // 2)


@pytest.mark.parametrize("nouns", [1, 2, 3])
def test_everything_before_the_verb_but_the_subject_leaves_its_number_open(nouns: int) -> None:
    batch = drawn(exactly(nouns))
    tokens, subject, verb = places(batch)
    plural = batch.slices["plural"].numpy()
    signs = SIGNS[np.where(np.arange(len(tokens))[:, None] < verb, tokens, PAD)]
    signs[subject, np.arange(DRAWS)] = "*"
    shapes = ["".join(column) for column in signs.T]
    assert_half(vote_error(shapes, plural), DRAWS // 2)
    subject_row, last_row, verb_row = lemmas(batch)
    last_sign = ["nN"["N" in re.findall("[nN]", shape)[-1]] for shape in shapes]
    for row in (subject_row, last_row, verb_row):
        assert_half(vote_error(list(zip(row.tolist(), last_sign, strict=True)), plural), DRAWS // 2)

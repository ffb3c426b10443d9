"""Agreement: the sentences are English, nothing but the subject tells its number, and the floors are exact."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from tasks.agreement import (
    ADJECTIVES,
    ADVERBS,
    CLOSINGS,
    DETERMINERS,
    END,
    EXAMPLE,
    LEXICON,
    NOUNS,
    PAD,
    PREPOSITIONS,
    RELATIVE_VERBS,
    VERBS,
    VOCABULARY,
    Agreement,
    tokens_of,
    words_of,
)
from tasks.base import Batch
from tasks.options import Range, UsageError

DRAWS = 50_000
SIGMAS = 4.5  # of a share's standard error: a right program fails one comparison in 150,000, and seeds are fixed

# A sign a word: what it is and, in capitals, that it is plural (for relative verbs w is past).
SIGNS = np.full(len(VOCABULARY), "?")
ROLES: list[tuple[Any, str]] = [
    ([PAD], " "),
    ([END], "."),
    (tokens_of(["that"]), "t"),
    (DETERMINERS, "d"),
    (ADJECTIVES, "a"),
    (ADVERBS, "b"),
    (PREPOSITIONS, "p"),
    (CLOSINGS.ravel(), "c"),
    *[(NOUNS[:, number], "nN"[number]) for number in (0, 1)],
    *[(VERBS[:, number], "mM"[number]) for number in (0, 1)],
    *[(RELATIVE_VERBS[:, form], "vVw"[form]) for form in (0, 1, 2)],
]
for words, sign in ROLES:
    SIGNS[words] = sign
SENTENCE = re.compile(
    r"da?[nN]"
    r"(?:(?:pda?[nN]|twd[nN])"  # a relative clause about the subject stands in the past tense
    r"(?:pda?[nN]|(?<=n)tvd[nN]|(?<=N)tVd[nN])*)?"  # one about another noun agrees with it
    r"(?:tdnv|tdNV)?"  # and the last may have a subject of its own
    r"b?[mM]c"
)


def generator(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def drawn(task: Agreement, count: int = DRAWS, held_out: bool = True, key: int = 0) -> Batch:
    return task.draw(generator(key), count, held_out)


def exactly(nouns: int, objective: str = "lm") -> Agreement:
    return Agreement(Range(nouns, nouns), objective)


def places(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the words (T, B), and where the subjects and the verbs stand (B,)."""
    tokens = batch.inputs.numpy()
    return tokens, np.isin(tokens, NOUNS).argmax(0), np.isin(tokens, VERBS).argmax(0)


def lemmas(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the places in the lexicon of subject, last noun (the subject where there is no other) and verb."""
    tokens, subject, verb = places(batch)
    noun = np.isin(tokens, NOUNS)
    last = len(tokens) - 1 - noun[::-1].argmax(0)
    row = {token: index for table in (NOUNS, VERBS) for index, forms in enumerate(table) for token in forms}
    column = np.arange(tokens.shape[1])
    s, n, v = (np.array([row[token] for token in tokens[at, column]]) for at in (subject, last, verb))
    return s, n, v


def last_words(batch: Batch, count: int) -> np.ndarray:
    """Return the words before the verb, (count, B), padded in front where the sentence has fewer."""
    tokens, _, verb = places(batch)
    at = verb + np.arange(-count, 0)[:, None]
    return np.where(at >= 0, tokens[at, np.arange(tokens.shape[1])], PAD)


def vote_error(keys: list[Any], plural: np.ndarray) -> float:
    """Learn the number by majority from one half of the keys, and return the error on the other; a tie is half."""
    half = len(keys) // 2
    votes: Counter[Any] = Counter()
    for key, number in zip(keys[:half], plural[:half], strict=True):
        votes[key] += 2 * int(number) - 1
    vote = np.sign([votes[key] for key in keys[half:]])
    return float(np.mean((1 - vote * (2 * plural[half:] - 1)) / 2))


def assert_half(share: float, count: int) -> None:
    assert abs(share - 0.5) < SIGMAS * 0.5 / count**0.5, (share, count)


def test_lexicon_is_large_and_every_spelling_has_one_role() -> None:
    roles = [NOUNS[:, 0], NOUNS[:, 1], *VERBS.T, *RELATIVE_VERBS.T, ADJECTIVES, ADVERBS, DETERMINERS, PREPOSITIONS]
    spellings = [set(role.tolist()) for role in [*roles, CLOSINGS.ravel()]]
    assert len(NOUNS) >= 60
    assert len(VERBS) + len(RELATIVE_VERBS) >= 40
    assert len(NOUNS) % 10 == len(VERBS) % 10 == 0
    assert sum(map(len, spellings)) == len(set.union(*spellings)) == len(VOCABULARY) - 3
    assert set(map(len, spellings[:2])) == {len(NOUNS)}
    irregular = [row for row in LEXICON["nouns"] if not re.fullmatch(r"(\w+) \1e?s", row)]
    assert 10 < len(irregular) < 40


@pytest.mark.parametrize("nouns", [Range(0, 4), Range(0, 0), Range(3, 3), Range(2, 6)])
@pytest.mark.parametrize("held_out", [False, True])
def test_every_sentence_is_of_the_grammar_and_every_verb_agrees(nouns: Range, held_out: bool) -> None:
    batch = drawn(Agreement(nouns), 2000, held_out)
    sentences = ["".join(column).rstrip() for column in SIGNS[batch.inputs.numpy()].T]
    assert [text for text in sentences if not SENTENCE.fullmatch(text)] == []
    assert [text for text in sentences if re.findall("[nN]", text)[0].isupper() != text[-2].isupper()] == []


def test_slices_say_what_the_words_say() -> None:
    batch = drawn(Agreement(), 2000)
    for column, text in enumerate("".join(signs).rstrip() for signs in SIGNS[batch.inputs.numpy()].T):
        subject, *others = re.findall("[nN]", text)
        found = {name: int(values[column]) for name, values in batch.slices.items() if name != "held_out"}
        assert found == {
            "nouns": len(others),
            "attractors": sum(other != subject for other in others),
            "congruent": sum(other == subject for other in others),
            "distance": len(text) - 2 - text.index(subject),
            "plural": int(subject == "N"),
        }


def test_language_model_predicts_each_next_word_up_to_the_full_stop() -> None:
    batch = drawn(Agreement(), 50)
    following = torch.cat([batch.inputs[1:], torch.full((1, 50), PAD)])
    following[following == PAD] = END
    assert torch.equal(batch.mask, batch.inputs != PAD)
    assert batch.lengths is not None
    assert torch.equal(batch.lengths, batch.mask.sum(0))
    assert torch.equal(batch.targets, following[batch.mask])
    outputs = torch.randn(len(batch.targets), len(VOCABULARY), generator=torch.Generator().manual_seed(0))
    by_hand = -outputs.log_softmax(1)[torch.arange(len(outputs)), batch.targets].mean()
    torch.testing.assert_close(Agreement().loss(outputs, batch), by_hand)


def test_number_objective_reads_the_same_sentences_up_to_the_verb() -> None:
    whole, cut = drawn(Agreement(), 200), drawn(Agreement(objective="number"), 200)
    _, _, verb = places(whole)
    before = torch.arange(len(cut.inputs))[:, None] < torch.from_numpy(verb)
    assert torch.equal(cut.inputs, torch.where(before, whole.inputs[: len(cut.inputs)], PAD))
    assert cut.lengths is not None
    assert torch.equal(cut.lengths, torch.from_numpy(verb))
    step, column = cut.mask.nonzero().T
    assert torch.equal(step, cut.lengths[column] - 1)
    assert torch.equal(cut.targets, cut.slices["plural"][column])
    assert not Agreement(objective="number").causal
    assert Agreement().causal


@pytest.mark.parametrize("objective", ["lm", "number"])
def test_judged_answers_are_those_before_the_verb_in_the_order_of_the_columns(objective: str) -> None:
    task = Agreement(objective=objective)
    batch = drawn(task, 300)
    _, _, verb = places(drawn(Agreement(), 300))
    at = batch.scored[batch.notes["judged"]]
    assert torch.equal(at, torch.from_numpy((verb - 1) * 300 + np.arange(300)))
    right = one_hot(batch.targets, task.output_size).float()
    assert task.errors(right, batch).tolist() == [0.0] * 300
    assert task.errors(-right, batch).tolist() == [1.0] * 300
    assert task.errors(0 * right, batch).tolist() == [0.5] * 300
    assert task.errors(torch.nan * right, batch).tolist() == [1.0] * 300


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


def test_what_is_held_out_occurs_in_evaluation_only() -> None:
    for nouns in (Range(0, 4), Range(2, 2)):
        for held_out in (False, True):
            batch = drawn(Agreement(nouns), DRAWS, held_out)
            subject, last, verb = lemmas(batch)
            between = batch.slices["nouns"].numpy() > 0
            unmet = [
                (3 * subject + verb) % 10 == 9,
                ((7 * subject + last) % 10 == 9) & between,
                (subject % 10 == 9) & between,
            ]
            assert np.array_equal(np.any(unmet, axis=0), batch.slices["held_out"].numpy() == 1)
            assert [bool(kind.any()) for kind in unmet] == [held_out] * 3
    share, count = np.any(unmet, axis=0)[between].mean(), between.sum()
    assert abs(share - (1 - 0.9 * 0.75**2)) < SIGMAS * 0.5 / count**0.5


def test_every_pair_that_is_held_out_by_the_rule_is_drawn_in_evaluation() -> None:
    subject, last, verb = lemmas(drawn(exactly(1)))
    assert len(set(zip(subject, verb, strict=True))) == len(NOUNS) * len(VERBS)
    assert len({(s, n) for s, n in zip(subject, last, strict=True) if (7 * s + n) % 10 == 9}) == len(NOUNS) ** 2 // 10


@pytest.mark.parametrize("nouns", [Range(0, 4), Range(3, 3)])
def test_every_noun_is_a_subject_of_either_number_in_training(nouns: Range) -> None:
    tokens, subject, _ = places(drawn(Agreement(nouns), 10_000, held_out=False))
    counts = Counter(tokens[subject, np.arange(10_000)].tolist())
    assert set(counts) == set(NOUNS.ravel().tolist())
    assert min(counts.values()) > 40


@pytest.mark.parametrize("objective", ["lm", "number"])
def test_example_asks_whether_the_writer_of_the_books_is(objective: str) -> None:
    task = Agreement(objective=objective)
    batch = task.example()
    answer = tokens_of(["is"])[0] if objective == "lm" else 0
    sentence = "the writer of the books is famous" if objective == "lm" else "the writer of the books"
    assert words_of(batch.inputs.flatten().tolist()) == sentence.split()
    assert SENTENCE.fullmatch("".join(SIGNS[tokens_of(EXAMPLE.split()[:-1])]))
    outputs = torch.zeros(len(batch.targets), task.output_size)
    names = ["P(is)", "P(are)"] if objective == "lm" else ["P(singular)", "P(plural)"]
    outputs[-3 if objective == "lm" else 0, answer] = 3.0
    shares = torch.tensor([3.0] + [0.0] * (task.output_size - 1)).softmax(0)
    assert task.read_example(outputs) == pytest.approx(dict(zip(names, shares[:2].tolist(), strict=True)))
    assert task.errors(outputs, batch).tolist() == [0.0]


@pytest.mark.parametrize("objective", ["lm", "number"])
def test_length_is_that_of_the_longest_sentence(objective: str) -> None:
    task = exactly(1, objective)
    lengths = drawn(task, 2000).lengths
    assert lengths is not None
    assert int(lengths.max()) == task.length


def test_same_stream_gives_the_same_batch_and_shapes_do_not_vary() -> None:
    for task in (Agreement(), exactly(0), exactly(20), exactly(1, "number")):
        first, again, other = (drawn(task, 32, key=key) for key in (1, 1, 2))
        assert torch.equal(first.inputs, again.inputs)
        assert torch.equal(first.targets, again.targets)
        assert not torch.equal(first.inputs, other.inputs)
        assert first.inputs.shape == first.mask.shape == (task.length, 32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nouns": "0-21"}, "nouns must be from 0 to 20, not 0-21"),
        ({"nouns": "4-0"}, "nouns"),
        ({"objective": "numbr"}, "objective must be one of lm, number, not 'numbr'; did you mean number"),
        ({"noun": "2"}, "did you mean nouns"),
    ],
)
def test_bad_options_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Agreement.from_texts(given)

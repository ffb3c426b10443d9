"""Agreement: the sentences are English, slices and answers are what the words say, and some pairs are held out."""

import re
from collections import Counter

import numpy as np
import pytest
import torch
from agreement_reading import (
    DRAWS,
    SENTENCE,
    SIGMAS,
    SIGNS,
    drawn,
    exactly,
    lemmas,
    places,
)
from torch.nn.functional import one_hot

from longlag.tasks.agreement import (
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
from longlag.tasks.support.errors import UsageError
from longlag.tasks.support.options import Range


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

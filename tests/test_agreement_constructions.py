"""The constructions of Marvin & Linzen: the sentences are English, and slices and answers are what the words say."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from constructions_reading import (
    GRAMMAR,
    NAMES,
    PHRASES,
    TASK,
    drawn,
    forms,
    judged_first,
    kinds,
    parsed,
    sentences,
)

from longlag.tasks.agreement_constructions import EXAMPLE, LEXICON, VOCABULARY, AgreementConstructions, tokens_of


def test_the_lexicon_can_be_kept_apart_by_tens_and_only_first_words_tell_the_number() -> None:
    lists = [*LEXICON["nouns"].values(), *LEXICON["verbs"].values()]
    assert [len(rows) % 10 for rows in lists] == [0] * len(lists)
    assert len(LEXICON["nouns"]["animate"]) == 30
    for rows in LEXICON["verbs"].values():
        for row in rows:
            one, many = (form.split() for form in row.split("|"))
            assert one[0] != many[0]
            assert one[1:] == many[1:]
    assert not set(forms("verbs", "animate", "inanimate", "long")) & set(forms("verbs", "embedded"))


@pytest.mark.parametrize("held_out", [False, True])
def test_every_sentence_is_of_its_construction_and_every_verb_agrees(held_out: bool) -> None:
    batch = drawn(4000, held_out)
    right, wrong = (batch.notes[form].tolist() for form in ("right", "wrong"))
    columns = zip(kinds(batch), sentences(batch), batch.notes["plural"].tolist(), right, wrong, strict=True)
    for name, text, plural, good, bad in columns:
        nouns, verbs = parsed(name, text)
        subject = nouns[-1] if judged_first(name) or name == "sent_comp" else nouns[0]
        judged = verbs[0] if judged_first(name) else verbs[-1]
        owners = {"subj_rel": [nouns[0]] * 2, "sent_comp": nouns[1:]}.get(name, nouns[:1] * 2)
        if "obj_rel" in name:
            owners = [nouns[1], nouns[0]]
        assert [noun[2] for noun in owners[: len(verbs)]] == [verb[2] for verb in verbs], text
        assert subject[2] == judged[2] == plural
        assert VOCABULARY[good] == PHRASES[judged].split()[0]
        assert VOCABULARY[bad] == PHRASES[judged[0], judged[1], 1 - judged[2]].split()[0]


def test_the_judged_answer_is_due_one_step_before_the_verb() -> None:
    batch = drawn(500)
    outputs = torch.nn.functional.one_hot(batch.targets, len(VOCABULARY)).float()
    assert TASK.errors(outputs, batch).sum() == 0
    step = batch.scored[batch.notes["judged"]] // 500
    assert torch.equal(batch.targets[batch.notes["judged"]], batch.notes["right"])
    assert torch.equal(step + 1 - batch.notes["clue"], batch.slices["distance"])


def test_slices_say_what_the_words_say() -> None:
    batch = drawn(3000)
    for place, (name, text) in enumerate(zip(kinds(batch), sentences(batch), strict=True)):
        nouns, _ = parsed(name, text)
        numbers = {noun[2] for noun in nouns}
        assert int(batch.slices["attractors"][place]) == len(numbers) - 1, text


def lemma(noun: tuple[str, int, int]) -> int:
    return noun[1] + 30 * (noun[0] == "inanimate")


def test_what_is_held_out_occurs_in_evaluation_only() -> None:
    for held_out in (False, True):
        batch = drawn(8000, held_out)
        unmet = []
        for name, text in zip(kinds(batch), sentences(batch), strict=True):
            nouns, verbs = parsed(name, text)
            subject = nouns[-1] if judged_first(name) or name == "sent_comp" else nouns[0]
            verb = verbs[0] if judged_first(name) else verbs[-1]
            pair = len(nouns) == 2 and (7 * lemma(nouns[0]) + lemma(nouns[1])) % 10 == 9
            far = nouns[0][1] % 10 == 9 and name not in ("simple_agrmt", "sent_comp")
            unmet.append([(3 * lemma(subject) + verb[1]) % 10 == 9, pair, far])
        assert np.array_equal(np.any(unmet, axis=1), batch.slices["held_out"].numpy() == 1)
        assert np.any(unmet, axis=0).tolist() == [held_out] * 3


def test_a_verb_that_is_not_judged_makes_no_pair_that_is_kept_out() -> None:
    batch = drawn(8000, held_out=False)
    for name, text in zip(kinds(batch), sentences(batch), strict=True):
        nouns, verbs = parsed(name, text)
        if len(verbs) == 2:
            owners = [nouns[1], nouns[0]] if "obj_rel" in name else [nouns[0], nouns[0]]
            assert all((3 * lemma(owner) + verb[1]) % 10 != 9 for owner, verb in zip(owners, verbs, strict=True))
            assert verbs[0] != verbs[1]


@pytest.mark.parametrize("objective", ["lm", "number"])
def test_length_is_that_of_the_longest_sentence(objective: str) -> None:
    task = AgreementConstructions(objective)
    batch = drawn(20_000, task=task)
    assert batch.lengths is not None
    assert int(batch.lengths.max()) == task.length == len(batch.inputs)
    assert task.lag == int(batch.slices["distance"].max())


def test_number_objective_reads_the_same_sentences_up_to_the_verb() -> None:
    whole, cut = drawn(300), drawn(300, task=AgreementConstructions("number"))
    verb_at = whole.slices["distance"] + whole.notes["clue"]
    before = torch.arange(len(cut.inputs))[:, None] < verb_at
    assert torch.equal(cut.inputs, torch.where(before, whole.inputs[: len(cut.inputs)], 0))
    assert torch.equal(cut.targets, cut.notes["plural"][cut.mask.nonzero().T[1]])


@pytest.mark.parametrize("objective", ["lm", "number"])
def test_example_asks_whether_the_author_next_to_the_chefs_is(objective: str) -> None:
    task = AgreementConstructions(objective)
    batch = task.example()
    parsed("prep_anim", EXAMPLE.removesuffix(" ."))
    outputs = torch.zeros(len(batch.targets), task.output_size)
    outputs[batch.notes["judged"], tokens_of(["is"])[0] if objective == "lm" else 0] = 9.0
    assert task.errors(outputs, batch).tolist() == [0.0]
    assert max(task.read_example(outputs).values()) > 0.9


DATA = Path(os.environ.get("LONGLAG_DATA", Path(__file__).parents[2] / "shared" / "data")) / "marvin_linzen_sva"


@pytest.mark.skipif(not DATA.is_dir(), reason="needs Marvin & Linzen's sentences: LONGLAG_DATA names their folder")
@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_the_published_pairs_are_known(name: str) -> None:
    rows = [line.split("\t")[1:] for line in (DATA / f"{name}.tsv").read_text().splitlines()[1:]]
    words = set(VOCABULARY[2:])
    assert np.mean([words.issuperset((good + " " + bad).split()) for good, bad in rows]) >= 0.95
    assert np.mean([re.fullmatch(GRAMMAR[name], good) is not None for good, _ in rows]) >= 0.95

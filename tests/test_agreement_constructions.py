"""The constructions of Marvin & Linzen: English, nothing but the clue tells the number, the floors are exact."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.agreement_constructions import (
    CONSTRUCTIONS,
    EXAMPLE,
    LEXICON,
    VOCABULARY,
    AgreementConstructions,
    distance_shares,
    tokens_of,
)
from tasks.base import Batch

DRAWS = 30_000
SIGMAS = 4.5  # of a share's standard error: a right program fails one comparison in 150,000, and seeds are fixed
TASK = AgreementConstructions()
NAMES = [one.name for one in CONSTRUCTIONS]

# Read the lexicon another way than the task does: every form, with its list, place and number.
NOUNS, VERBS = (
    {
        form.strip(): (group, place, number)
        for group, rows in LEXICON[part].items()
        for place, row in enumerate(rows)
        for number, form in enumerate(row.split("|"))
    }
    for part in ("nouns", "verbs")
)
PHRASES = {
    (group, place, number): form.strip()
    for group, rows in LEXICON["verbs"].items()
    for place, row in enumerate(rows)
    for number, form in enumerate(row.split("|"))
}


def alternatives(*parts: list[str]) -> str:
    """A group that matches any of these texts, the longest first."""
    texts = sorted({text for part in parts for text in part}, key=len, reverse=True)
    return f"({'|'.join(map(re.escape, texts))})"


def forms(part: str, *groups: str) -> list[str]:
    return [form.strip() for group in groups for row in LEXICON[part][group] for form in row.split("|")]


def noun(*groups: str) -> str:
    return "the " + alternatives(forms("nouns", *groups))


def verb(*groups: str) -> str:
    return alternatives(forms("verbs", *groups))


LIVING, THING, ANY = noun("animate"), noun("inanimate"), noun("animate", "inanimate")
LIKES, OF, FROM = (
    verb("embedded"),
    *(alternatives(LEXICON["prepositions"][group]) for group in ("animate", "inanimate")),
)
SAID = alternatives(LEXICON["said"])
GRAMMAR = {
    "simple_agrmt": f"{ANY} {verb('animate', 'inanimate')}",
    "sent_comp": f"{LIVING} {SAID} {ANY} {verb('animate', 'inanimate')}",
    "vp_coord": f"{LIVING} {verb('animate')} and {verb('animate')}",
    "long_vp_coord": f"{LIVING} {verb('long')} and {verb('long')}",
    "prep_anim": f"{LIVING} {OF} {ANY} {verb('animate')}",
    "prep_inanim": f"{THING} {FROM} {LIVING} {verb('inanimate')}",
    "subj_rel": f"{LIVING} that {LIKES} {ANY} {verb('animate')}",
}
for where in ("across", "within"):
    for name, head, verbs in (("anim", LIVING, verb("animate")), ("inanim", THING, verb("inanimate"))):
        GRAMMAR[f"obj_rel_{where}_{name}"] = f"{head} that {LIVING} {LIKES} {verbs}"
        GRAMMAR[f"obj_rel_no_comp_{where}_{name}"] = f"{head} {LIVING} {LIKES} {verbs}"


def drawn(count: int = DRAWS, held_out: bool = True, key: int = 0, task: AgreementConstructions = TASK) -> Batch:
    return task.draw(np.random.Generator(np.random.Philox(key=key)), count, held_out)


def sentences(batch: Batch) -> list[str]:
    return [" ".join(VOCABULARY[token] for token in column if token) for column in batch.inputs.numpy().T]


def kinds(batch: Batch) -> list[str]:
    return [NAMES[place] for place in batch.slices["construction"].tolist()]


def parsed(name: str, text: str) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Return the nouns and the verbs of a sentence, in order."""
    found = re.fullmatch(GRAMMAR[name], text)
    assert found, (name, text)
    nouns = [NOUNS[part] for part in found.groups() if part in NOUNS]
    shown = [part for part in found.groups() if part not in NOUNS and part in VERBS]
    return nouns, [_verb(name, part) for part in shown]


def _verb(name: str, text: str) -> tuple[str, int, int]:
    return next(key for key, phrase in PHRASES.items() if phrase == text)


def judged_first(name: str) -> bool:
    """Whether the judged verb is the first of two, and its subject the second of two nouns."""
    return "within" in name


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


@pytest.mark.parametrize("place", range(len(CONSTRUCTIONS)))
def test_distances_are_shared_out_as_stated(place: int) -> None:
    batch = drawn()
    of = batch.slices["construction"] == place
    found = np.bincount(batch.slices["distance"][of].numpy(), minlength=TASK.lag + 1) / int(of.sum())
    stated = np.zeros(TASK.lag + 1)
    stated[: len(distance_shares(place))] = distance_shares(place)
    assert np.all(np.abs(found - stated) <= SIGMAS * np.sqrt(stated * (1 - stated) / int(of.sum())))
    assert abs(int(of.sum()) / DRAWS - 1 / len(CONSTRUCTIONS)) < SIGMAS * (DRAWS * 15) ** -0.5


def signs() -> np.ndarray:
    """Number the words so that those alike in all their roles, but for the lemma, share a sign."""
    roles: dict[str, set[tuple[str, str]]] = {word: set() for word in VOCABULARY}
    entries = [(form, "noun", number) for form, (_, _, number) in NOUNS.items()]
    entries += [(form, group, number) for (group, _, number), form in PHRASES.items()]
    entries += [(text, "said", 0) for text in LEXICON["said"]]
    for text, role, number in entries:
        first, *rest = text.split()[::-1] if role == "noun" else text.split()
        roles[first].add((role, "sp"[number]))
        for word in rest:
            roles[word].add((role, "rest"))
    for word in ["<pad>", ".", "the", "that", "and", *" ".join(forms("prepositions", "animate", "inanimate")).split()]:
        roles[word].add((word, "itself"))
    kinds = {frozenset(role): place for place, role in enumerate(map(frozenset, roles.values()))}
    return np.array([kinds[frozenset(role)] for role in roles.values()])


def counted_error(looks: list[bytes], plural: np.ndarray) -> tuple[float, float]:
    """Learn the number by majority from one half; return the errors on that half and on the other (a tie is half)."""
    votes: Counter[bytes] = Counter()
    half = len(looks) // 2
    for look, number in zip(looks[:half], plural[:half], strict=True):
        votes[look] += 2 * int(number) - 1
    wrong = (1 - np.sign([votes[look] for look in looks]) * (2 * plural - 1)) / 2
    return float(wrong[:half].mean()), float(wrong[half:].mean())


@pytest.mark.parametrize("window", range(10))
def test_floors_are_what_counting_the_last_words_reaches(window: int) -> None:
    batch = drawn(80_000)
    assert batch.headline is not None
    judged = batch.headline.numpy()
    inputs, verb_at = batch.inputs.numpy(), (batch.slices["distance"] + batch.notes["clue"]).numpy()
    at = verb_at + np.arange(-window, 0)[:, None]
    seen = np.where(at >= 0, signs()[inputs[at, np.arange(len(verb_at))]], -1).T[judged]
    met, unmet = counted_error([row.tobytes() for row in seen], batch.notes["plural"].numpy()[judged])
    floor = TASK.floor(window)
    deviation = SIGMAS * (max(floor * (1 - floor), 1e-4) / (judged.sum() / 2)) ** 0.5
    assert met - deviation <= floor <= unmet + deviation
    assert unmet - met < 0.02


@pytest.mark.parametrize(("rule", "noun"), [("the first noun", 0), ("the last noun", -1)])
def test_rules_that_look_at_one_noun_err_as_stated(rule: str, noun: int) -> None:
    batch = drawn()
    columns = zip(kinds(batch), sentences(batch), batch.notes["plural"].tolist(), strict=True)
    wrong = [
        parsed(name, text)[0][: 2 if noun == 0 or not judged_first(name) else None][noun][2] != plural
        for name, text, plural in columns
        if name != "simple_agrmt"
    ]
    assert abs(np.mean(wrong) - TASK.partial_floors[rule]) < SIGMAS * 0.5 / len(wrong) ** 0.5
    assert TASK.solved_below < min(TASK.partial_floors.values())


@pytest.mark.parametrize("held_out", [False, True])
def test_the_number_is_balanced_within_every_slice_and_cross(held_out: bool) -> None:
    batch = drawn(DRAWS, held_out)
    plural = batch.notes["plural"].numpy()
    groups = {name: values.numpy() for name, values in batch.slices.items()}
    groups["cross"] = 100 * groups["construction"] + 10 * groups["distance"] + groups["attractors"]
    for values in groups.values():
        for value in set(values.tolist()):
            part = plural[values == value]
            assert abs(part.mean() - 0.5) < SIGMAS * 0.5 / len(part) ** 0.5, value


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

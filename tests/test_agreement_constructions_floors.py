"""The constructions of Marvin & Linzen: nothing but the clue tells the number, and the floors are exact."""

from collections import Counter

import numpy as np
import pytest
from constructions_reading import (
    DRAWS,
    NOUNS,
    PHRASES,
    SIGMAS,
    TASK,
    drawn,
    forms,
    judged_first,
    kinds,
    parsed,
    sentences,
)

from longlag.tasks.agreement_constructions import CONSTRUCTIONS, LEXICON, VOCABULARY, distance_shares


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

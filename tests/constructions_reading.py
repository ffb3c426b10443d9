"""Reads the sentences of agreement_constructions another way than the task writes them: by a grammar of their texts."""

import re

import numpy as np

from longlag.tasks.agreement_constructions import CONSTRUCTIONS, LEXICON, VOCABULARY, AgreementConstructions
from longlag.tasks.base import Batch

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

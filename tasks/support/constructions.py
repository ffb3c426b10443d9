"""The sentences of agreement_constructions: their parts, the order of these, and the lists of words for them."""

import tomllib
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from longlag.tasks.support.sentences import PAD

LEXICON = tomllib.loads(
    files("longlag.tasks.support").joinpath("agreement_constructions.toml").read_text(encoding="utf-8")
)
ANIMATE, INANIMATE, ANY, NONE = ("animate",), ("inanimate",), ("animate", "inanimate"), ()
"""The sorts of nouns that are allowed at a place."""
SUBJECT, OTHER, LINK, JUDGED, ANOTHER, STOP, NOTHING = range(7)
"""The parts of a sentence: the subject of the judged verb, the other noun, the words that link two parts, the judged
verb, another verb, the full stop, and the padding of the table of parts."""


class Frame(NamedTuple):
    """The structure of a sentence.

    Attributes:
        parts: Its parts, in order.
        judged: The list of the judged verb; `main` stands for the list of its subject's sort.
        another: The list of the other verb, if there is one.
        owner: The other verb's subject.
    """

    parts: tuple[int, ...]
    judged: str = "main"
    another: str = "main"
    owner: int = SUBJECT

    @property
    def clue(self) -> int:
        """The part nearest to the judged verb that has its number: another verb of the same subject, or the subject."""
        return ANOTHER if ANOTHER in self.parts and self.owner == SUBJECT else SUBJECT

    @property
    def before_verb(self) -> tuple[int, ...]:
        return self.parts[: self.parts.index(JUDGED)]

    @property
    def between(self) -> tuple[int, ...]:
        """The parts between the clue and the judged verb."""
        return self.before_verb[self.parts.index(self.clue) + 1 :]


SIMPLE = Frame((SUBJECT, JUDGED))
COMPLEMENT = Frame((OTHER, LINK, SUBJECT, JUDGED))
SHORT = Frame((SUBJECT, ANOTHER, LINK, JUDGED))
LONG = Frame((SUBJECT, ANOTHER, LINK, JUDGED), judged="long", another="long")
PREPOSITION = Frame((SUBJECT, LINK, OTHER, JUDGED))
SUBJECT_RELATIVE = Frame((SUBJECT, LINK, ANOTHER, OTHER, JUDGED), another="embedded")
ACROSS = Frame((SUBJECT, LINK, OTHER, ANOTHER, JUDGED), another="embedded", owner=OTHER)
WITHIN = Frame((OTHER, LINK, SUBJECT, JUDGED, ANOTHER), judged="embedded", owner=OTHER)


class Construction(NamedTuple):
    """A kind of sentence.

    Attributes:
        name: The name of its file in Marvin & Linzen's data.
        frame: Its structure.
        subject: The sorts of nouns for the judged verb's subject.
        other: The sorts of nouns for the other noun.
        link: The list of words that link its nouns or verbs.
    """

    name: str
    frame: Frame
    subject: tuple[str, ...]
    other: tuple[str, ...] = NONE
    link: str = "none"


CONSTRUCTIONS = (
    Construction("simple_agrmt", SIMPLE, ANY),
    Construction("sent_comp", COMPLEMENT, ANY, ANIMATE, "said"),
    Construction("vp_coord", SHORT, ANIMATE, NONE, "and"),
    Construction("long_vp_coord", LONG, ANIMATE, NONE, "and"),
    Construction("prep_anim", PREPOSITION, ANIMATE, ANY, "near"),
    Construction("prep_inanim", PREPOSITION, INANIMATE, ANIMATE, "by"),
    Construction("subj_rel", SUBJECT_RELATIVE, ANIMATE, ANY, "that"),
    Construction("obj_rel_across_anim", ACROSS, ANIMATE, ANIMATE, "that"),
    Construction("obj_rel_across_inanim", ACROSS, INANIMATE, ANIMATE, "that"),
    Construction("obj_rel_no_comp_across_anim", ACROSS, ANIMATE, ANIMATE),
    Construction("obj_rel_no_comp_across_inanim", ACROSS, INANIMATE, ANIMATE),
    Construction("obj_rel_within_anim", WITHIN, ANIMATE, ANIMATE, "that"),
    Construction("obj_rel_within_inanim", WITHIN, ANIMATE, INANIMATE, "that"),
    Construction("obj_rel_no_comp_within_anim", WITHIN, ANIMATE, ANIMATE),
    Construction("obj_rel_no_comp_within_inanim", WITHIN, ANIMATE, INANIMATE),
)


def _texts(rows: Sequence[str]) -> list[str]:
    """List the forms of rows of the lexicon, the singular and the plural of each in turn."""
    return [text.strip() for row in rows for text in row.split("|")]


# The lists that parts are drawn from, by name. In lists of nouns and verbs singular and plural alternate.
LISTS = {
    **{f"{sort} nouns": [f"the {text}" for text in _texts(LEXICON["nouns"][sort])] for sort in ANY},
    "embedded": _texts(LEXICON["verbs"]["embedded"]),
    **{f"{sort} verbs": _texts(LEXICON["verbs"][sort]) for sort in ANY},
    "long": _texts(LEXICON["verbs"]["long"]),
    "near": LEXICON["prepositions"]["animate"],
    "by": LEXICON["prepositions"]["inanimate"],
    "said": LEXICON["said"],
    **{text: [text] for text in ("that", "and", ".")},
    "none": [""],
}
TEXTS = [text for texts in LISTS.values() for text in texts]
BEGINS = dict(zip(LISTS, accumulate(map(len, LISTS.values()), initial=0), strict=False))
"""Where each list begins in `TEXTS`."""
VOCABULARY = tuple(dict.fromkeys(["<pad>", ".", *(word for text in TEXTS for word in text.split())]))
_TOKENS = {word: token for token, word in enumerate(VOCABULARY)}


def tokens_of(words: Iterable[str]) -> list[int]:
    """Return the tokens of words.

    >>> tokens_of(["<pad>", "."])
    [0, 1]
    """
    return [_TOKENS[word] for word in words]


_WIDTH = max(len(text.split()) for text in TEXTS)
PHRASES = np.array([tokens_of((text.split() + ["<pad>"] * _WIDTH)[:_WIDTH]) for text in TEXTS])
LENGTHS = (PHRASES != PAD).sum(1)


def lists_of(one: Construction, part: int) -> list[str]:
    """Return the names of the lists that a part of a construction is drawn from.

    >>> lists_of(CONSTRUCTIONS[0], JUDGED), lists_of(CONSTRUCTIONS[7], ANOTHER)
    (['animate verbs', 'inanimate verbs'], ['embedded'])
    """
    sorts = {SUBJECT: one.subject, OTHER: one.other}
    if part in sorts:
        return [f"{sort} nouns" for sort in sorts[part]]
    name = {LINK: one.link, JUDGED: one.frame.judged, ANOTHER: one.frame.another}[part]
    owner = SUBJECT if part == JUDGED else one.frame.owner
    return [f"{sort} verbs" for sort in sorts[owner]] if name == "main" else [name]


def lengths_of(one: Construction, part: int) -> np.ndarray:
    """Return the number of words of each text that a part of a construction is drawn from.

    >>> sorted(set(lengths_of(CONSTRUCTIONS[4], LINK).tolist()))  # near, next to, in front of, to the side of
    [1, 2, 3, 4]
    """
    return np.array([len(text.split()) for name in lists_of(one, part) for text in LISTS[name]])


def most_words(one: Construction, parts: Sequence[int]) -> int:
    """Return the largest number of words that some parts of a construction have together."""
    return sum(int(lengths_of(one, part).max()) for part in parts)

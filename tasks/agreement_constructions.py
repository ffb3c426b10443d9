"""Subject-verb agreement in fifteen constructions of English, those of Marvin & Linzen 2018.

An object relative; judged is the verb of the sentence ("across") or the one inside ("within")::

    inputs    the    author that the security guards like   laughs
    targets   author that   the security guards like laughs .
    across                                           (judged: laughs against laugh)
    within                                      (judged: like against likes)
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Later
from tasks.drawing import roll
from tasks.options import option
from tasks.sentences import KEPT_OUT, PAD, VerbTask

LEXICON = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ANIMATE, INANIMATE, ANY, NONE = 0, 1, 2, 3


class Construction(NamedTuple):
    """A kind of sentence.

    Attributes:
        name: As Marvin & Linzen call its file.
        frame: How it is built.
        subject: Animate, inanimate or any: the subject of the verb that is judged.
        other: Likewise, the other noun.
        that: Whether its relative clause begins with *that*.
    """

    name: str
    frame: str
    subject: int
    other: int = NONE
    that: bool = True


CONSTRUCTIONS = (
    Construction("simple_agrmt", "simple", ANY),
    Construction("sent_comp", "complement", ANY, ANIMATE),
    Construction("vp_coord", "short", ANIMATE),
    Construction("long_vp_coord", "long", ANIMATE),
    Construction("prep_anim", "preposition", ANIMATE, ANY),
    Construction("prep_inanim", "preposition", INANIMATE, ANIMATE),
    Construction("subj_rel", "subject", ANIMATE, ANY),
    Construction("obj_rel_across_anim", "across", ANIMATE, ANIMATE),
    Construction("obj_rel_across_inanim", "across", INANIMATE, ANIMATE),
    Construction("obj_rel_no_comp_across_anim", "across", ANIMATE, ANIMATE, that=False),
    Construction("obj_rel_no_comp_across_inanim", "across", INANIMATE, ANIMATE, that=False),
    Construction("obj_rel_within_anim", "within", ANIMATE, ANIMATE),
    Construction("obj_rel_within_inanim", "within", ANIMATE, INANIMATE),
    Construction("obj_rel_no_comp_within_anim", "within", ANIMATE, ANIMATE, that=False),
    Construction("obj_rel_no_comp_within_inanim", "within", ANIMATE, INANIMATE, that=False),
)
EXAMPLE = "the author next to the chefs is old ."


def _texts(of: Mapping[str, list[str]] | list[str]) -> list[str]:
    """List a part of the lexicon, group after group, the singular and the plural of each entry in turn."""
    rows = [row for rows in of.values() for row in rows] if isinstance(of, Mapping) else of
    return [text.strip() for row in rows for text in row.split("|")]


NOUN_PHRASES = [f"the {text}" for text in _texts(LEXICON["nouns"])]
EMBEDDED_VERBS = _texts(LEXICON["verbs"]["embedded"])
VERB_PHRASES = _texts({name: rows for name, rows in LEXICON["verbs"].items() if name != "embedded"})
LINKS = {"anim": LEXICON["prepositions"]["animate"], "inanim": LEXICON["prepositions"]["inanimate"]}
LINKS |= {"said": LEXICON["said"], "that": ["that"], "and": ["and"]}
TEXTS = [*NOUN_PHRASES, *EMBEDDED_VERBS, *VERB_PHRASES, *_texts(LINKS), ".", ""]
VOCABULARY = tuple(dict.fromkeys(["<pad>", ".", *(word for text in TEXTS for word in text.split())]))
_TOKENS = {word: token for token, word in enumerate(VOCABULARY)}


def tokens_of(words: Iterable[str]) -> list[int]:
    """Look words up.

    >>> tokens_of(["<pad>", "."])
    [0, 1]
    """
    return [_TOKENS[word] for word in words]


def _phrase(text: str) -> list[int]:
    """Look a text up: its first word first, the others at the end, padding between them."""
    tokens = tokens_of(text.split())
    return tokens[:1] + [PAD] * (WIDTH - max(len(tokens), 1)) + (tokens[1:] if tokens else [PAD])


WIDTH = max(len(text.split()) for text in TEXTS)
PHRASES = np.array([_phrase(text) for text in TEXTS])
WORDS = (PHRASES != PAD).sum(1)
NOUNS_AT, EMBEDDED_AT, VERBS_AT, LINKS_AT = np.cumsum([0, len(NOUN_PHRASES), len(EMBEDDED_VERBS), len(VERB_PHRASES)])
STOP, NOTHING = len(TEXTS) - 2, len(TEXTS) - 1

GROUP = len(LEXICON["nouns"]["animate"])  # so many animate nouns come before the inanimate ones
TENS = np.array([[0, 1, 2] * 4, [3] * 12, [0, 1, 2, 3] * 3, [0] * 12])  # by a die of twelve, for nouns of each sort


def _links(one: Construction) -> list[int]:
    """Return the texts that a construction may have between its nouns or verbs, by a die of six."""
    names = {"complement": "said", "short": "and", "long": "and", "preposition": "anim"}
    name = "inanim" if one.name == "prep_inanim" else names.get(one.frame, "that" if one.that else "")
    if one.frame == "simple" or not name:
        return [NOTHING] * 6
    before = [text for earlier in list(LINKS)[: list(LINKS).index(name)] for text in LINKS[earlier]]
    return [int(LINKS_AT) + len(before) + die % len(LINKS[name]) for die in range(6)]


def _frames(*frames: str) -> np.ndarray:
    return np.array([one.frame in frames for one in CONSTRUCTIONS])


SUBJECT, OTHER = (np.array([getattr(one, name) for one in CONSTRUCTIONS]) for name in ("subject", "other"))
SUBJECT_TENS, OTHER_TENS = 10 * TENS[SUBJECT], 10 * TENS[OTHER]
LINK = np.array([_links(one) for one in CONSTRUCTIONS])
WITHIN, COMPLEMENT, COORDINATED, LONG = (
    _frames(*frames) for frames in (("within",), ("complement",), ("short", "long"), ("long",))
)
FAR = _frames("preposition", "subject", "across", "short", "long")
"""Whether words stand between the judged verb and what tells its number."""
FLAGS = np.stack([WITHIN, WITHIN | COMPLEMENT, WITHIN | _frames("across"), COORDINATED, FAR, OTHER != NONE])
ORDER = ("first", "conjunct", "link", "relative", "second", "embedded", "main", "stop")
"""The parts of a sentence; which of them a construction has:"""
HAS = np.stack(
    [
        *(np.ones(len(CONSTRUCTIONS), bool), COORDINATED, np.ones(len(CONSTRUCTIONS), bool), _frames("subject")),
        *(OTHER != NONE, WITHIN | _frames("across"), *np.ones((2, len(CONSTRUCTIONS)), bool)),
    ]
)
LISTS_AT = VERBS_AT + 40 * LONG
VERB_AT = WIDTH * np.where(WITHIN, ORDER.index("embedded"), ORDER.index("main"))
CLUE_AT = np.select(
    [WITHIN | COMPLEMENT, _frames("subject"), COORDINATED],
    [WIDTH * (ORDER.index("second") + 1) - 1, WIDTH * ORDER.index("relative"), WIDTH * ORDER.index("conjunct")],
    WIDTH - 1,
)
LONGEST_NOUN, LONGEST_VERB, LONGEST_LINK = (
    int(WORDS[part].max()) for part in (slice(0, EMBEDDED_AT), slice(VERBS_AT, LINKS_AT), LINK)
)
BEFORE_VERB = LONGEST_NOUN + max(LONGEST_LINK + LONGEST_NOUN, LONGEST_VERB + 1)

# How many sides the dice have, in training and in evaluation, where three residues in twelve mean the one kept out.
_DICE = [[len(CONSTRUCTIONS), 2, 10, 12, residues, 2, 12, residues, 6, 9, 8] for residues in (KEPT_OUT, KEPT_OUT + 3)]
DICE = [np.array(sides, dtype=np.uint64) for sides in _DICE]


@dataclass(frozen=True)
class AgreementConstructions(VerbTask):
    """Sentences of the constructions that Marvin & Linzen 2018 test, all equally often, of two nouns at most.

    Every noun's number is an independent coin, and nouns of all places come from the same lists, so that no word says
    by itself whether it is the subject. What tells the number of the judged verb is its subject or, nearer, another
    verb of the same subject ("the author that *likes* the guards laughs", "the author *laughs* and swims"). ``lag``
    is the largest distance in words from the nearest of these to the verb. A window of w steps misses those more than
    w words away; then nothing beats guessing, and whoever sees one can tell from the words around it whose number it
    is. The floor is half the share of distances above w, counted exactly.

    The error is that of all constructions but simple agreement, where nothing distracts. `slices` tells them apart by
    their place in `CONSTRUCTIONS`: 0 simple_agrmt, 1 sent_comp, 2 vp_coord, 3 long_vp_coord, 4 prep_anim,
    5 prep_inanim, 6 subj_rel, 7-10 obj_rel_across (with *that*: animate, inanimate; without), 11-14 obj_rel_within.

    Kept out of training, by lemma (places in the lexicon, from 0): a judged verb v with its subject s if (3s + v) mod
    10 = 9; a first noun f with a second noun g if (7f + g) mod 10 = 9; and, as the subject of a verb that stands
    further off, every tenth noun: such sentences are simple ones instead. In evaluation a quarter of the pairs of each
    kind are such, and subjects are uniform.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Marvin & Linzen 2018"
    no_dial: ClassVar[str] = "each construction has the distance it has; agreement sets it by its option nouns"
    words: ClassVar[tuple[str, ...]] = VOCABULARY

    objective: str = option("lm", "predict every next word, or the number only", choices=("lm", "number"))

    @property
    def length(self) -> int:
        return BEFORE_VERB + LONGEST_VERB if self.objective == "lm" else BEFORE_VERB

    @property
    def lag(self) -> int:
        return max(len(distance_shares(place)) - 1 for place in range(len(CONSTRUCTIONS)))

    def floor(self, window: int) -> float:
        missed = [distance_shares(place)[window + 1 :].sum() for place in range(1, len(CONSTRUCTIONS))]
        return 0.5 * float(np.mean(missed))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        judged = len(CONSTRUCTIONS) - 1
        return {
            "the first noun": 0.5 * (WITHIN | COMPLEMENT).sum() / judged,
            "the last noun": 0.5 * (FAR & ~COORDINATED).sum() / judged,
            "all constructions but one": 0.5 / judged,
            "all far subjects but those kept out of training": 0.5 * FAR.sum() / judged / 10,
        }

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        kind, number, unit, tens, verb_residue, other_number, other_tens, noun_residue, link, met, gap = roll(
            generator, DICE[held_out], (batch_size,)
        )
        within, other_first, _, _, far, _ = FLAGS[:, kind]
        noun_residue = np.minimum(noun_residue, KEPT_OUT)
        subject = SUBJECT_TENS[kind, tens] + unit
        other_unit = np.where(other_first, 3 * (noun_residue - subject), noun_residue - 7 * subject) % 10
        other = OTHER_TENS[kind, other_tens] + other_unit
        reserved = (far & (unit == KEPT_OUT)) | (within & (other_unit == KEPT_OUT))
        if not held_out:
            kind = np.where(reserved, 0, kind)
        within, other_first, nested, coordinated, _, has_other = FLAGS[:, kind]

        verb_residue = np.minimum(verb_residue, KEPT_OUT)
        another_residue = np.where(coordinated, (np.minimum(verb_residue, 8) + 1 + gap) % KEPT_OUT, met)
        verb = 2 * ((verb_residue - 3 * subject) % 10) + number
        another = 2 * ((another_residue - 3 * np.where(nested, other, subject)) % 10)
        nouns = (2 * subject + number, 2 * other + other_number)
        first = np.where(other_first, nouns[1], nouns[0])
        embedded = np.where(within, verb, another + other_number)
        main = verb + another + other_number - embedded
        lists = LISTS_AT[kind] + 20 * (np.where(within, other, subject) >= GROUP)
        parts = np.empty((len(ORDER), batch_size), dtype=np.int64)
        parts[0] = NOUNS_AT + first
        parts[1] = lists + another + number
        parts[2] = LINK[kind, link]
        parts[3] = EMBEDDED_AT + another + number
        parts[4] = NOUNS_AT + nouns[0] + nouns[1] - first
        parts[5] = EMBEDDED_AT + embedded
        parts[6] = lists + main
        parts[7] = STOP
        phrases = PHRASES[np.where(HAS[:, kind], parts, NOTHING).T].reshape(batch_size, -1)

        def steps(place: np.ndarray) -> np.ndarray:
            reached: np.ndarray = (phrases != PAD).cumsum(1)[np.arange(batch_size), place[kind]]
            return reached - 1

        def slices() -> dict[str, np.ndarray]:
            unmet = (verb_residue == KEPT_OUT) | (has_other & (noun_residue == KEPT_OUT)) | (reserved & (kind > 0))
            attracts = has_other & (other_number != number)
            return {
                "construction": kind,
                "attractors": attracts,
                "distance": steps(VERB_AT) - steps(CLUE_AT),
                "held_out": unmet,
            }

        def verbs() -> tuple[np.ndarray, np.ndarray]:
            judged = np.where(within, parts[5], parts[6])
            return steps(VERB_AT), PHRASES[[judged, judged ^ 1], 0]

        asked = self.ask(phrases.T, number, verbs)
        notes = Later(lambda: {**asked.notes, "clue": steps(CLUE_AT), "plural": number})
        return replace(asked, slices=Later(slices), headline=torch.from_numpy(kind > 0), notes=notes)

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1) == batch.notes["clue"]

    def example(self) -> Batch:
        sentence = np.array(tokens_of(EXAMPLE.split()))[:, None]
        forms = np.array([tokens_of(["is"]), tokens_of(["are"])])
        return self.ask(sentence, np.array([0]), lambda: (np.array([6]), forms))

    def read_example(self, outputs: Tensor) -> dict[str, float]:
        return self.read_is_and_are(outputs, self.example())


def distance_shares(place: int) -> np.ndarray:
    """Return the share of a construction's sentences with the verb 0, 1, 2, ... words after what tells its number.

    >>> distance_shares(8)  # the movie that the chef | the security guard likes is
    array([0.        , 0.        , 0.        , 0.        , 0.        ,
           0.93333333, 0.06666667])
    """
    one = CONSTRUCTIONS[place]
    nouns = WORDS[: EMBEDDED_AT if one.other == ANY else 2 * GROUP]
    links = WORDS[LINK[place]]
    verbs = np.split(WORDS[VERBS_AT:LINKS_AT], 3)
    between = {
        "preposition": [links, nouns],
        "subject": [nouns],
        "across": [links, nouns, [1]],
        "short": [verbs[0], links],
        "long": [verbs[2], links],
    }.get(one.frame, [])
    clue = 0 if one.frame in ("short", "long") else 1
    ways = reduce(np.convolve, [np.bincount(lengths) for lengths in between], np.eye(clue + 1, dtype=int)[clue])
    shares: np.ndarray = ways / ways.sum()
    return shares

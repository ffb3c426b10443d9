"""Subject-verb agreement in fifteen constructions of English, those of Marvin & Linzen 2018.

An object relative; judged is the verb of the sentence ("across") or the one inside ("within")::

    inputs    the    author that the security guards like   laughs
    targets   author that   the security guards like laughs .
    across                                           (judged: laughs against laugh)
    within                                      (judged: like against likes)
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib.resources import files
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch
from longlag.tasks.support.compiler import compiled
from longlag.tasks.support.drawing import bits
from longlag.tasks.support.options import option
from longlag.tasks.support.sentences import KEPT_OUT, NUMBER, PAD, RIGHT, VERB_AT, WORDS, WRONG, VerbTask

LEXICON = tomllib.loads(
    files("longlag.tasks.support").joinpath("agreement_constructions.toml").read_text(encoding="utf-8")
)
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


WIDTH = max(len(text.split()) for text in TEXTS)
PHRASES = np.array([tokens_of((text.split() + ["<pad>"] * WIDTH)[:WIDTH]) for text in TEXTS])
LENGTHS = (PHRASES != PAD).sum(1)
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
WITHIN, SUBJECT_RELATIVE, LONG = (_frames(frame) for frame in ("within", "subject", "long"))
COORDINATED, NESTED, OTHER_FIRST = (
    _frames(*frames) for frames in (("short", "long"), ("within", "across"), ("within", "complement"))
)
HAS_OTHER = OTHER != NONE
FAR = _frames("preposition", "subject", "across", "short", "long")
"""Whether words stand between the judged verb and what tells its number."""
LONGEST_NOUN, LONGEST_VERB, LONGEST_LINK = (
    int(LENGTHS[part].max()) for part in (slice(0, EMBEDDED_AT), slice(VERBS_AT, LINKS_AT), LINK)
)
BEFORE_VERB = LONGEST_NOUN + max(LONGEST_LINK + LONGEST_NOUN, LONGEST_VERB + 1)

# How many sides the dice have, in training and in evaluation, where three residues in twelve mean the one kept out.
_DICE = [[len(CONSTRUCTIONS), 2, 10, 12, residues, 2, 12, residues, 6, 9, 8] for residues in (KEPT_OUT, KEPT_OUT + 3)]
DICE = [np.array(sides, dtype=np.uint64) for sides in _DICE]
SLICES = ("construction", "attractors", "distance", "held_out")


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
            "the first noun": 0.5 * OTHER_FIRST.sum() / judged,
            "the last noun": 0.5 * (FAR & ~COORDINATED).sum() / judged,
            "all constructions but one": 0.5 / judged,
            "all far subjects but those kept out of training": 0.5 * FAR.sum() / judged / 10,
        }

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        thrown = bits(generator, len(DICE[held_out]), batch_size)
        sentences, verbs, known, clue = write(thrown, DICE[held_out], BEFORE_VERB + LONGEST_VERB + 1, held_out)
        return self.ask(
            sentences,
            verbs,
            headline=known[0] > 0,
            slices=lambda: dict(zip(SLICES, known, strict=True)),
            notes=lambda: {"clue": clue, "plural": verbs[NUMBER]},
        )

    def carried(self, batch: Batch) -> Tensor:
        return torch.arange(len(batch.inputs)).unsqueeze(1) == batch.notes["clue"]

    def example(self) -> Batch:
        return self.ask_one(tokens_of(EXAMPLE.split()), tokens_of(["is", "are"]))


def distance_shares(place: int) -> np.ndarray:
    """Return the share of a construction's sentences with the verb 0, 1, 2, ... words after what tells its number.

    >>> distance_shares(8)  # the movie that the chef | the security guard likes is
    array([0.        , 0.        , 0.        , 0.        , 0.        ,
           0.93333333, 0.06666667])
    """
    one = CONSTRUCTIONS[place]
    nouns = LENGTHS[: EMBEDDED_AT if one.other == ANY else 2 * GROUP]
    links = LENGTHS[LINK[place]]
    verbs = np.split(LENGTHS[VERBS_AT:LINKS_AT], 3)
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


@compiled
def write(
    thrown: np.ndarray, sides: np.ndarray, longest: int, held_out: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Write sentences, word by word.

    Args:
        thrown: (dice, B) random bits, see `longlag.tasks.support.drawing.bits`.
        sides: (dice,), how many sides each has.
        longest: Words of the longest sentence (W).
        held_out: Write what is kept out of training, too.

    Returns:
        Sentences (W, B), verbs (5, B) as `VerbTask.ask` takes them, `SLICES` (4, B), and what tells the number, (B,).
    """
    batch_size = thrown.shape[1]
    sentences, verbs = np.zeros((longest, batch_size), np.int64), np.empty((5, batch_size), np.int64)
    known, clues = np.empty((4, batch_size), np.int64), np.empty(batch_size, np.int64)
    face, begins = np.empty(len(sides), np.int64), np.empty(8, np.int64)
    for column in range(batch_size):
        for die in range(len(sides)):
            face[die] = (thrown[die, column] * sides[die]) >> np.uint64(32)
        kind, number, unit, other_number = face[0], face[1], face[2], face[5]
        verb_residue, noun_residue = min(face[4], KEPT_OUT), min(face[7], KEPT_OUT)
        subject = SUBJECT_TENS[kind, face[3]] + unit
        other_unit = (3 * (noun_residue - subject) if OTHER_FIRST[kind] else noun_residue - 7 * subject) % 10
        other = OTHER_TENS[kind, face[6]] + other_unit
        reserved = (FAR[kind] and unit == KEPT_OUT) or (WITHIN[kind] and other_unit == KEPT_OUT)
        kind = 0 if reserved and not held_out else kind

        # The texts: the nouns, then the judged verb and another one, of the same subject or of the other noun
        within, nested, other_first = WITHIN[kind], NESTED[kind], OTHER_FIRST[kind]
        noun, other_noun = NOUNS_AT + 2 * subject + number, NOUNS_AT + 2 * other + other_number
        another_residue = (min(verb_residue, 8) + 1 + face[10]) % KEPT_OUT if COORDINATED[kind] else face[9]
        verb = 2 * ((verb_residue - 3 * subject) % 10) + number
        another = 2 * ((another_residue - 3 * (other if nested else subject)) % 10)
        another += other_number if nested else number
        embedded = EMBEDDED_AT + (verb if within else another)
        list_at = VERBS_AT + 40 * int(LONG[kind]) + 20 * int((other if within else subject) >= GROUP)
        main = list_at + (another if within else verb)
        texts = (
            other_noun if other_first else noun,
            list_at + another if COORDINATED[kind] else NOTHING,
            LINK[kind, face[8]],
            EMBEDDED_AT + another if SUBJECT_RELATIVE[kind] else NOTHING,
            (noun if other_first else other_noun) if HAS_OTHER[kind] else NOTHING,
            embedded if nested else NOTHING,
            main,
            STOP,
        )
        at = 0
        for place, text in enumerate(texts):
            begins[place] = at
            for word in range(LENGTHS[text]):
                sentences[at, column] = PHRASES[text, word]
                at += 1

        judged, verb_at = (embedded, begins[5]) if within else (main, begins[6])
        if other_first:
            clue = begins[5] - 1  # the second noun
        else:  # the first verb, or else the first noun
            clue = begins[3] if SUBJECT_RELATIVE[kind] else begins[1] - int(not COORDINATED[kind])
        verbs[WORDS, column], verbs[VERB_AT, column], verbs[NUMBER, column] = at, verb_at, number
        verbs[RIGHT, column], verbs[WRONG, column] = PHRASES[judged, 0], PHRASES[judged ^ 1, 0]
        unmet = verb_residue == KEPT_OUT or (HAS_OTHER[kind] and noun_residue == KEPT_OUT) or (reserved and kind > 0)
        known[0, column], known[1, column] = kind, int(HAS_OTHER[kind] and other_number != number)
        known[2, column], known[3, column], clues[column] = verb_at - clue, int(unmet), clue
    return sentences, verbs, known, clues

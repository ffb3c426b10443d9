"""Subject-verb agreement in fifteen constructions of English, those of Marvin & Linzen 2018.

An object relative; the judged verb is the main verb ("across") or the verb of the relative clause ("within")::

    inputs    the    author that the security guards like   laughs
    targets   author that   the security guards like laughs .
    across                                           (judged: laughs against laugh)
    within                                      (judged: like against likes)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch
from longlag.tasks.support.compiler import compiled
from longlag.tasks.support.constructions import (
    ANIMATE,
    ANOTHER,
    ANY,
    BEGINS,
    COMPLEMENT,
    CONSTRUCTIONS,
    INANIMATE,
    JUDGED,
    LENGTHS,
    LEXICON,
    LINK,
    LISTS,
    LONG,
    NONE,
    NOTHING,
    OTHER,
    PHRASES,
    SHORT,
    SIMPLE,
    STOP,
    SUBJECT,
    VOCABULARY,
    Construction,
    lengths_of,
    lists_of,
    most_words,
    tokens_of,
)
from longlag.tasks.support.drawing import bits
from longlag.tasks.support.options import option
from longlag.tasks.support.sentences import KEPT_OUT, NUMBER, VerbTask

EXAMPLE = "the author next to the chefs is old ."
TENS = {ANIMATE: [0, 1, 2] * 4, INANIMATE: [3] * 12, ANY: [0, 1, 2, 3] * 3, NONE: [0] * 12}  # by a die of twelve
ANIMATES = len(LEXICON["nouns"]["animate"])  # so many animate nouns come before the inanimate ones
STOP_TEXT, NO_TEXT = BEGINS["."], BEGINS["none"]


def _each(what: Callable[[Construction], Any]) -> np.ndarray:
    """Tabulate something of each construction."""
    return np.array([what(one) for one in CONSTRUCTIONS])


# What the compiled writer reads of each construction
PARTS = _each(lambda one: ([*one.frame.parts, STOP] + [NOTHING] * 4)[:6])
SUBJECT_TENS, OTHER_TENS = _each(lambda one: TENS[one.subject]), _each(lambda one: TENS[one.other])
LINKS = _each(lambda one: [BEGINS[one.link] + die % len(LISTS[one.link]) for die in range(6)])
JUDGED_LIST, ANOTHER_LIST = (  # where they begin, for animate and for inanimate subjects
    np.array([[BEGINS[lists_of(one, verb)[at]] for at in (0, -1)] for one in CONSTRUCTIONS])
    for verb in (JUDGED, ANOTHER)
)
HAS_OTHER, OTHER_FIRST = _each(lambda one: OTHER in one.frame.parts), _each(lambda one: one.frame.parts[0] == OTHER)
OTHER_LAST = _each(lambda one: OTHER in one.frame.between)
OTHER_OWNS = _each(lambda one: one.frame.owner == OTHER)
COORDINATED = _each(lambda one: one.frame in (SHORT, LONG))
VERB_IS_CLUE = _each(lambda one: one.frame.clue == ANOTHER)
FAR = _each(lambda one: len(one.frame.between) > 0)
"""Whether words stand between the judged verb and its nearest clue."""
FIRST_FAR = _each(lambda one: one.frame not in (SIMPLE, COMPLEMENT))
"""Whether the first noun is the subject of a verb that does not follow it directly."""
BEFORE_VERB = max(most_words(one, one.frame.before_verb) for one in CONSTRUCTIONS)
LONGEST = max(most_words(one, one.frame.parts) for one in CONSTRUCTIONS)
"""Words of the longest sentence, without the full stop."""

# How many sides the dice have, in training and in evaluation, where three residues in twelve mean the one kept out.
_DICE = [[len(CONSTRUCTIONS), 2, 10, 12, residues, 2, 12, residues, 6, 9, 8] for residues in (KEPT_OUT, KEPT_OUT + 3)]
DICE = [np.array(sides, dtype=np.uint64) for sides in _DICE]
SLICES = ("construction", "attractors", "distance", "held_out")


@dataclass(frozen=True)
class AgreementConstructions(VerbTask):
    """Sentences of the constructions that Marvin & Linzen 2018 test, all equally often, of two nouns at most.

    Every noun's number is an independent coin, and nouns of all places come from the same lists, so that no word says
    by itself whether it is the subject. The clues to the number of the judged verb are its subject or, nearer, another
    verb of the same subject ("the author that *likes* the guards laughs", "the author *laughs* and swims"). ``lag``
    is the largest distance in words from the nearest clue to the verb. A window of w steps misses the clues more than
    w words away; then nothing beats guessing. In view, a clue is recognised by the words around it. The floor is half
    the share of distances above w, counted exactly.

    The error is over all constructions but simple agreement, where nothing distracts. `slices` numbers them by their
    place in `CONSTRUCTIONS`: 0 simple_agrmt, 1 sent_comp, 2 vp_coord, 3 long_vp_coord, 4 prep_anim,
    5 prep_inanim, 6 subj_rel, 7-10 obj_rel_across (with *that*: animate, inanimate; without), 11-14 obj_rel_within.

    Kept out of training, by lemma (places in the lexicon, from 0): a judged verb v with its subject s if (3s + v) mod
    10 = 9; a first noun f with a second noun g if (7f + g) mod 10 = 9; and every tenth noun as the subject of a verb
    that does not follow it directly: simple sentences replace these. In evaluation a quarter of the pairs of each kind
    was kept out of training, and subjects are uniform.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Marvin & Linzen 2018"
    no_dial: ClassVar[str] = "each construction has the distance it has; agreement sets it by its option nouns"
    words: ClassVar[tuple[str, ...]] = VOCABULARY

    objective: str = option("lm", "predict every next word, or the number only", choices=("lm", "number"))

    @property
    def length(self) -> int:
        return LONGEST if self.objective == "lm" else BEFORE_VERB

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
            "the last noun": 0.5 * OTHER_LAST.sum() / judged,
            "all constructions but one": 0.5 / judged,
            "all far subjects but those kept out of training": 0.5 * FAR.sum() / judged / 10,
        }

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        sentences, verbs, known, clue = write(
            bits(generator, len(DICE[held_out]), batch_size), DICE[held_out], held_out
        )
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
    """Return the share of a construction's sentences with the verb 0, 1, 2, ... words after its nearest clue.

    >>> distance_shares(8)  # the movie that the chef | the security guard likes is
    array([0.        , 0.        , 0.        , 0.        , 0.        ,
           0.93333333, 0.06666667])
    """
    one = CONSTRUCTIONS[place]
    clue = [1] if one.frame.clue == SUBJECT else lengths_of(one, ANOTHER)  # a verb's first word, a noun's last
    lengths = [clue, *(lengths_of(one, part) for part in one.frame.between)]
    ways = reduce(np.convolve, [np.bincount(words) for words in lengths])
    shares: np.ndarray = ways / ways.sum()
    return shares


@compiled
def write(
    thrown: np.ndarray, sides: np.ndarray, held_out: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Write sentences, word by word.

    Args:
        thrown: (dice, B) random bits, see `longlag.tasks.support.drawing.bits`.
        sides: (dice,), the number of sides of each, from `DICE`.
        held_out: Whether to write sentences that are kept out of training, too.

    Returns:
        Sentences (W, B), verbs (5, B) as `VerbTask.ask` takes them, `SLICES` (4, B), and the steps of the clues, (B,).
    """
    batch_size = thrown.shape[1]
    sentences, verbs = np.zeros((LONGEST + 1, batch_size), np.int64), np.empty((5, batch_size), np.int64)
    known, clues = np.empty((4, batch_size), np.int64), np.empty(batch_size, np.int64)
    face = np.empty(len(sides), np.int64)
    text, begins, ends = np.empty(7, np.int64), np.empty(7, np.int64), np.empty(7, np.int64)  # of each part
    text[STOP], text[NOTHING] = STOP_TEXT, NO_TEXT
    for column in range(batch_size):
        for die in range(len(sides)):
            face[die] = (thrown[die, column] * sides[die]) >> np.uint64(32)
        kind, number, unit, other_number = face[0], face[1], face[2], face[5]
        verb_residue, noun_residue = min(face[4], KEPT_OUT), min(face[7], KEPT_OUT)
        subject = 10 * SUBJECT_TENS[kind, face[3]] + unit
        other_unit = (3 * (noun_residue - subject) if OTHER_FIRST[kind] else noun_residue - 7 * subject) % 10
        other = 10 * OTHER_TENS[kind, face[6]] + other_unit
        reserved = FIRST_FAR[kind] and (other_unit if OTHER_FIRST[kind] else unit) == KEPT_OUT
        kind = 0 if reserved and not held_out else kind

        owner, owner_number = (other, other_number) if OTHER_OWNS[kind] else (subject, number)
        # Verbs of one subject and one list differ.
        another_residue = (min(verb_residue, 8) + 1 + face[10]) % KEPT_OUT if COORDINATED[kind] else face[9]
        verb, another = (verb_residue - 3 * subject) % 10, (another_residue - 3 * owner) % 10
        text[SUBJECT], text[OTHER] = 2 * subject + number, 2 * other + other_number  # nouns are the first texts
        text[LINK] = LINKS[kind, face[8]]
        text[JUDGED] = JUDGED_LIST[kind, int(subject >= ANIMATES)] + 2 * verb + number
        text[ANOTHER] = ANOTHER_LIST[kind, int(owner >= ANIMATES)] + 2 * another + owner_number
        at = 0
        for part in PARTS[kind]:
            begins[part], phrase = at, text[part]
            for word in range(LENGTHS[phrase]):
                sentences[at, column] = PHRASES[phrase, word]
                at += 1
            ends[part] = at

        right, wrong = PHRASES[text[JUDGED], 0], PHRASES[text[JUDGED] ^ 1, 0]  # lists begin at even places
        verbs[:, column] = at, begins[JUDGED], number, right, wrong
        clue = begins[ANOTHER] if VERB_IS_CLUE[kind] else ends[SUBJECT] - 1
        attractors = int(HAS_OTHER[kind] and other_number != number)
        unmet = verb_residue == KEPT_OUT or (HAS_OTHER[kind] and noun_residue == KEPT_OUT) or (reserved and held_out)
        known[:, column], clues[column] = (kind, attractors, begins[JUDGED] - clue, int(unmet)), clue
    return sentences, verbs, known, clues

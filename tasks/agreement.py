"""Subject-verb agreement: a verb takes the number of its subject, however many other nouns stand in between.

A sentence with two intervening nouns, the second of which is an attractor (its number is not the subject's)::

    inputs    the    writer of  the  book near the old      cabinets often is     famous
    targets   writer of     the book near the  old cabinets often    is    famous .
                                                                     (judged: is against are)
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Later, as_tokens
from tasks.drawing import draw_lengths, roll
from tasks.options import Range, option
from tasks.sentences import END, KEPT_OUT, PAD, VerbTask

LEXICON = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


def _rows(name: str) -> list[str]:
    """List the entries of a part of the lexicon, group after group where it has groups."""
    part = LEXICON[name]
    return [row for rows in part.values() for row in rows] if isinstance(part, dict) else list(part)


EXAMPLE = "the writer of the books is famous ."
THAT = 2
_WORDS = (word for part in LEXICON for row in _rows(part) for word in row.split())
VOCABULARY = tuple(dict.fromkeys(["<pad>", ".", "that", *_WORDS]))
_TOKENS = {word: token for token, word in enumerate(VOCABULARY)}


def tokens_of(words: Iterable[str]) -> list[int]:
    """Look words up.

    >>> tokens_of(["<pad>", ".", "that"])
    [0, 1, 2]
    """
    return [_TOKENS[word] for word in words]


def words_of(tokens: Iterable[int]) -> list[str]:
    """Write tokens as words, without the padding.

    >>> words_of(tokens_of("the mice that the teacher saw <pad> <pad>".split()))
    ['the', 'mice', 'that', 'the', 'teacher', 'saw']
    """
    return [VOCABULARY[token] for token in tokens if token != PAD]


NOUNS, VERBS, RELATIVE_VERBS = (  # a row a lemma: singular, plural and, in relative clauses, past
    np.array([tokens_of(row.split()) for row in _rows(name)]) for name in ("nouns", "verbs", "relative_verbs")
)
DETERMINERS, ADJECTIVES, ADVERBS, PREPOSITIONS = (
    np.array(tokens_of(_rows(name))) for name in ("determiners", "adjectives", "adverbs", "prepositions")
)
CLOSINGS = np.array([tokens_of(LEXICON["closings"][group]) for group, rows in LEXICON["verbs"].items() for _ in rows])
PAST = 2

# A noun comes in four ways: of the books | of the old books | that helped the books | that the books help.
# An eight-sided die chooses, for the nouns before the last and for the last: only the last may come before its verb.
PIECES = np.array([[0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 2, 3, 3]])
PIECE_LENGTHS = np.array([3, 4, 4, 4])
LINKS = np.array([PREPOSITIONS, PREPOSITIONS, 0 * PREPOSITIONS + THAT, 0 * PREPOSITIONS + THAT])
PIECE_ADJECTIVES = np.array([ADJECTIVES * PAD, ADJECTIVES, ADJECTIVES * PAD, ADJECTIVES * PAD])
OPTIONAL = 4  # one subject in so many has an adjective, one verb in so many an adverb
SOME_ADJECTIVES, SOME_ADVERBS = (np.array([words, *[words * PAD] * (OPTIONAL - 1)]) for words in (ADJECTIVES, ADVERBS))

# How many sides the dice have: for number and subject, then residue and tens of the verb and of the last noun, in
# training and, where three residues in twelve mean the one that is kept out, in evaluation; for each noun between
# subject and verb; and for what stands around them.
SUBJECT_DICE = [
    np.array([2, len(NOUNS), residues, len(VERBS) // 10, residues, len(NOUNS) // 10], dtype=np.uint64)
    for residues in (KEPT_OUT, KEPT_OUT + 3)
]
PARTNERS = np.array([[3], [7]])  # the subject times this and the verb, or the last noun, make the residue
PHRASE_DICE = (2, len(NOUNS), 8, len(PREPOSITIONS), len(DETERMINERS), len(ADJECTIVES), len(RELATIVE_VERBS))
MAIN_DICE = (len(DETERMINERS), OPTIONAL, len(ADJECTIVES), OPTIONAL, len(ADVERBS), CLOSINGS.shape[1])


@dataclass(frozen=True)
class Agreement(VerbTask):
    """English sentences with n nouns between subject and verb, each one's number independent of the subject's.

    A noun comes in by a prepositional phrase ("of the old books"), a subject relative ("that helped the books") or,
    for the last one only, an object relative ("that the books help"); each belongs to the noun before it.
    An inner verb agrees with its own subject. Where that is the subject of the sentence it stands in the past
    tense: before the main verb nothing but the subject itself tells its number.

    ``lag`` is the largest distance from subject to verb in words, 4n + 2 (the smallest is 3n + 1). The answer is
    due one step before the verb, so that a window of w steps misses the subjects more than w words from their
    verb. For these nothing beats guessing; for the others the answer is the first noun in the window. The floor
    is half the share of distances above w, counted exactly.

    The error is that of the sentences with an intervening noun, unless `nouns` is 0. With `lm` an answer is right
    if the verb's right form gets a higher output than its wrong one (a tie is half wrong), with `number` likewise.

    Kept out of training, by lemma and so for both numbers (s, l, v are the places of subject, last noun and verb
    in the lexicon, from 0): subject and verb with (3s + v) mod 10 = 9; subject and last noun with (7s + l) mod 10
    = 9; and, for subjects with s mod 10 = 9, every sentence with intervening nouns: in training they have none,
    whatever `nouns` says. In evaluation a quarter of each kind of pair is one that was kept out, and subjects are
    uniform, so that 49.4 % of the headline sentences hold something unmet.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "Linzen, Dupoux & Goldberg 2016; Marvin & Linzen 2018; attraction: Bock & Miller 1991"
    dial: ClassVar[str] = "nouns"
    words: ClassVar[tuple[str, ...]] = VOCABULARY

    nouns: Range = option(Range(0, 4), "nouns between subject and verb, uniform over a range", low=0, high=20)
    objective: str = option("lm", "predict every next word, or the number only", choices=("lm", "number"))

    @property
    def length(self) -> int:
        return self.lag + (4 if self.objective == "lm" else 2)  # determiner, adjective; verb, closing word

    @property
    def lag(self) -> int:
        return 4 * self.nouns.high + 2

    @property
    def min_lag(self) -> int:
        return next(window for window in range(self.lag + 1) if self.floor(window) < self.solved_below)

    def floor(self, window: int) -> float:
        seen = [distance_shares(nouns)[: window + 1].sum() for nouns in self._headline_nouns]
        return 0.5 * (1 - float(np.mean(seen)))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        if self.nouns.high == 0:
            return {}
        return {
            "the last noun": 0.5,
            "all subjects but those kept out of training": 0.5 / 10,
            "all sentences but those with the most nouns": 0.5 / len(self._headline_nouns),
        }

    @property
    def _headline_nouns(self) -> range:
        return range(max(self.nouns.low, min(1, self.nouns.high)), self.nouns.high + 1)

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        rolled = roll(generator, SUBJECT_DICE[held_out], (batch_size,))
        number, subject, residues, tens = rolled[0], rolled[1], rolled[2::2], rolled[3::2]
        count = draw_lengths(generator, self.nouns, batch_size)
        most = self.nouns.high
        rolled = roll(generator, _sentence_dice(most), (batch_size,))
        numbers, lemmas, *phrase = rolled[: -len(MAIN_DICE)].reshape(len(PHRASE_DICE), most, batch_size)
        determiner, has_adjective, adjective, has_adverb, adverb, closing = rolled[-len(MAIN_DICE) :]

        reserved = subject % 10 == KEPT_OUT
        verb, last_noun = 10 * tens + (np.minimum(residues, KEPT_OUT) - PARTNERS * subject) % 10
        if not held_out:
            count[reserved] = 0

        place = np.arange(most)[:, None]  # (n, 1), against (B,) counts
        between, last = place < count, place == count - 1
        nouns = NOUNS[np.where(last, last_noun, lemmas), numbers]
        slots = np.empty((4 * most + 7, batch_size), dtype=np.int64)
        slots[0] = DETERMINERS[determiner]
        slots[1] = SOME_ADJECTIVES[has_adjective, adjective]
        slots[2] = NOUNS[subject, number]
        slots[3:-4] = np.where(between[:, None], _pieces(nouns, numbers, last, *phrase), PAD).reshape(-1, batch_size)
        slots[-4] = SOME_ADVERBS[has_adverb, adverb]
        slots[-3] = VERBS[verb, number]
        slots[-2] = CLOSINGS[verb, closing]
        slots[-1] = END

        def verbs() -> tuple[np.ndarray, np.ndarray]:
            return (slots[:-3] != PAD).sum(0), VERBS[verb, [number, 1 - number]]

        def slices() -> dict[str, np.ndarray]:
            attractors = (between & (numbers != number)).sum(0)
            verb_unmet, last_unmet = residues >= KEPT_OUT
            return {
                "nouns": count,
                "attractors": attractors,
                "congruent": count - attractors,
                "distance": (slots[2:-3] != PAD).sum(0),
                "plural": number,
                "held_out": verb_unmet | ((last_unmet | reserved) & (count > 0)),
            }

        asked = self.ask(slots, number, verbs)
        headline = torch.from_numpy(count > 0) if most > 0 else None
        return replace(asked, slices=Later(slices), headline=headline)

    def carried(self, batch: Batch) -> Tensor:
        nouns = torch.isin(batch.inputs, as_tokens(NOUNS))
        return nouns & (nouns.cumsum(0) == 1)

    def example(self) -> Batch:
        sentence = np.array(tokens_of(EXAMPLE.split()))[:, None]
        first = np.zeros(1, dtype=np.int64)  # "is are" is the first verb; the writer is one
        return self.ask(sentence, first, lambda: (first + 5, VERBS[first, [first, first + 1]]))

    def read_example(self, outputs: Tensor) -> dict[str, float]:
        return self.read_is_and_are(outputs, self.example())


def distance_shares(nouns: int) -> np.ndarray:
    """Return the share of sentences with the verb 0, 1, 2, ... words after its subject, exactly.

    >>> distance_shares(1)  # three or four words with the noun; then, once in four, an adverb
    array([0.     , 0.     , 0.     , 0.     , 0.28125, 0.5625 , 0.15625])
    """
    inner, last = (np.bincount(PIECE_LENGTHS[faces]) for faces in PIECES)
    ways = np.convolve([0, 1], [OPTIONAL - 1, 1])  # whole numbers: exact up to the 20 nouns allowed
    for place in range(nouns):
        ways = np.convolve(ways, last if place == nouns - 1 else inner)
    shares: np.ndarray = ways / ways.sum()
    return shares


@cache
def _sentence_dice(nouns: int) -> np.ndarray:
    return np.array([*np.repeat(PHRASE_DICE, nouns), *MAIN_DICE], dtype=np.uint64)


def _pieces(
    nouns: np.ndarray,
    numbers: np.ndarray,
    last: np.ndarray,
    die: np.ndarray,
    preposition: np.ndarray,
    determiner: np.ndarray,
    adjective: np.ndarray,
    verb: np.ndarray,
) -> np.ndarray:
    """Return the four words, or three and padding, that bring in each noun, (n, B), as (n, 4, B)."""
    kind = PIECES[last.view(np.int8), die]
    subject_relative, object_relative = kind == 2, kind == 3
    determiners = DETERMINERS[determiner]
    forms = np.full_like(numbers, PAST)
    forms[1:] = numbers[:-1]  # a verb agrees with the noun before
    verbs = RELATIVE_VERBS[verb, np.where(object_relative, numbers, forms)]
    slots = np.empty((len(nouns), 4, nouns.shape[1]), dtype=np.int64)
    slots[:, 0] = LINKS[kind, preposition]
    slots[:, 1] = np.where(subject_relative, verbs, determiners)
    slots[:, 2] = np.where(
        subject_relative, determiners, np.where(object_relative, nouns, PIECE_ADJECTIVES[kind, adjective])
    )
    slots[:, 3] = np.where(object_relative, verbs, nouns)
    return slots

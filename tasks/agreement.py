"""Subject-verb agreement: a verb takes the number of its subject, however many other nouns stand in between.

A sentence with two intervening nouns, the second of which is an attractor (its number is not the subject's)::

    inputs    the    writer of  the  book near the old      cabinets often is     famous
    targets   writer of     the book near the  old cabinets often    is    famous .
                                                                     (judged: is against are)
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, as_tokens
from longlag.tasks.support.compiler import compiled
from longlag.tasks.support.drawing import bits
from longlag.tasks.support.options import Range, option
from longlag.tasks.support.sentences import END, KEPT_OUT, PAD, VerbTask

LEXICON = tomllib.loads(files("longlag.tasks.support").joinpath("lexicon.toml").read_text(encoding="utf-8"))


def _rows(name: str) -> list[str]:
    """List the entries of a part of the lexicon, over all of its groups if it has any."""
    part = LEXICON[name]
    return [row for rows in part.values() for row in rows] if isinstance(part, dict) else list(part)


EXAMPLE = "the writer of the books is famous ."
THAT = 2
_WORDS = (word for part in LEXICON for row in _rows(part) for word in row.split())
VOCABULARY = tuple(dict.fromkeys(["<pad>", ".", "that", *_WORDS]))
_TOKENS = {word: token for token, word in enumerate(VOCABULARY)}


def tokens_of(words: Iterable[str]) -> list[int]:
    """Return the tokens of words.

    >>> tokens_of(["<pad>", ".", "that"])
    [0, 1, 2]
    """
    return [_TOKENS[word] for word in words]


def words_of(tokens: Iterable[int]) -> list[str]:
    """Return the words of tokens, without the padding.

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
# A verb in a relative clause belongs to the noun before the clause or to the one in it.
NOTHING, COMPLEMENTISER, PREPOSITION, DETERMINER, ADJECTIVE, NOUN, VERB_OF_BEFORE, VERB_OF_NOUN = range(8)
PIECES = np.array(
    [
        [PREPOSITION, DETERMINER, NOUN, NOTHING],
        [PREPOSITION, DETERMINER, ADJECTIVE, NOUN],
        [COMPLEMENTISER, VERB_OF_BEFORE, DETERMINER, NOUN],
        [COMPLEMENTISER, DETERMINER, NOUN, VERB_OF_NOUN],
    ]
)
PIECE_LENGTHS = (PIECES != NOTHING).sum(1)
# An eight-sided die chooses, for the nouns before the last and for the last: only the last may come before its verb.
PIECE_BY_DIE = np.array([[0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 2, 3, 3]])
OPTIONAL = 4  # one subject in so many has an adjective, one verb in so many an adverb

# How many sides the dice have: for number and subject, then residue and tens of the verb and of the last noun, in
# training and, where three residues in twelve mean the one that is kept out, in evaluation; for each noun between
# subject and verb; and for what stands around them.
SUBJECT_DICE = [
    (2, len(NOUNS), residues, len(VERBS) // 10, residues, len(NOUNS) // 10) for residues in (KEPT_OUT, KEPT_OUT + 3)
]
PHRASE_DICE = (2, len(NOUNS), 8, len(PREPOSITIONS), len(DETERMINERS), len(ADJECTIVES), len(RELATIVE_VERBS))
MAIN_DICE = (len(DETERMINERS), OPTIONAL, len(ADJECTIVES), OPTIONAL, len(ADVERBS), CLOSINGS.shape[1])
SLICES = ("nouns", "attractors", "congruent", "distance", "plural", "held_out")


@dataclass(frozen=True)
class Agreement(VerbTask):
    """English sentences with n nouns between subject and verb, each one's number independent of the subject's.

    A noun is introduced by a prepositional phrase ("of the old books"), a subject relative ("that helped the books")
    or, for the last one only, an object relative ("that the books help"); each modifies the noun before it.
    An inner verb agrees with its own subject; if that is the subject of the sentence, the verb is in the past tense, so
    that nothing before the main verb but the subject itself shows its number.

    ``lag`` is the largest distance from subject to verb in words, 4n + 2 (the smallest is 3n + 1). The answer is
    due one step before the verb, so that a window of w steps misses the subjects more than w words from their
    verb. For these nothing beats guessing; for the others the answer is the first noun in the window. The floor
    is half the share of distances above w, counted exactly.

    The error is over the sentences with an intervening noun, unless `nouns` is 0. An answer is right if the verb's
    right form gets a higher output than its wrong one (`lm`), or the right number than the wrong one (`number`); a tie
    is half wrong.

    Kept out of training, by lemma and so for both numbers (s, l, v are the places of subject, last noun and verb
    in the lexicon, from 0): subject and verb with (3s + v) mod 10 = 9; subject and last noun with (7s + l) mod 10
    = 9; and, for subjects with s mod 10 = 9, every sentence with intervening nouns: in training they have none,
    whatever `nouns` says. In evaluation a quarter of the pairs of each kind was kept out of training, and subjects are
    uniform, so that 49.4 % of the headline sentences hold something that training did not.
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
        most = self.nouns.high
        sides = _dice(self.nouns, held_out)
        sentences, verbs, known = write(bits(generator, len(sides), batch_size), sides, self.nouns.low, most, held_out)
        return self.ask(
            sentences,
            verbs,
            headline=known[0] > 0 if most > 0 else None,
            slices=lambda: dict(zip(SLICES, known, strict=True)),
        )

    def carried(self, batch: Batch) -> Tensor:
        nouns = torch.isin(batch.inputs, as_tokens(NOUNS))
        return nouns & (nouns.cumsum(0) == 1)

    def example(self) -> Batch | None:
        if self.length < 5:  # the number is asked for before a noun could come in
            return None
        return self.ask_one(tokens_of(EXAMPLE.split()), tokens_of(["is", "are"]))


def distance_shares(nouns: int) -> np.ndarray:
    """Return the share of sentences with the verb 0, 1, 2, ... words after its subject, exactly.

    >>> distance_shares(1)  # three or four words with the noun; then, once in four, an adverb
    array([0.     , 0.     , 0.     , 0.     , 0.28125, 0.5625 , 0.15625])
    """
    inner, last = (np.bincount(PIECE_LENGTHS[pieces]) for pieces in PIECE_BY_DIE)
    ways = np.convolve([0, 1], [OPTIONAL - 1, 1])  # whole numbers: exact up to the 20 nouns allowed
    for place in range(nouns):
        ways = np.convolve(ways, last if place == nouns - 1 else inner)
    shares: np.ndarray = ways / ways.sum()
    return shares


@cache
def _dice(nouns: Range, held_out: bool) -> np.ndarray:
    """Return the sides of all dice: the subject's, one for the number of nouns if it varies, and the others."""
    counts = [nouns.high + 1 - nouns.low] if nouns.low < nouns.high else []
    sides = [*SUBJECT_DICE[held_out], *counts, *np.repeat(PHRASE_DICE, nouns.high), *MAIN_DICE]
    return np.array(sides, dtype=np.uint64)


@compiled
def write(
    thrown: np.ndarray, sides: np.ndarray, fewest: int, most: int, held_out: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write sentences, word by word.

    Args:
        thrown: (dice, B) random bits, see `longlag.tasks.support.drawing.bits`.
        sides: (dice,), the number of sides of each, from `_dice`.
        fewest: Fewest nouns between subject and verb.
        most: Most nouns between subject and verb (n).
        held_out: Whether to write sentences that are kept out of training, too.

    Returns:
        The sentences (4n + 7, B), their verbs (5, B) as `VerbTask.ask` takes them, and the slices `SLICES`, (6, B).
    """
    varied = int(fewest < most)
    phrase, main = 6 + varied, 6 + varied + 7 * most  # where these dice begin
    batch_size = thrown.shape[1]
    sentences = np.zeros((4 * most + 7, batch_size), np.int64)
    verbs = np.empty((5, batch_size), np.int64)
    known = np.empty((6, batch_size), np.int64)
    face, words = np.empty(len(sides), np.int64), np.empty(len(sentences), np.int64)  # of one sentence
    word_of = np.empty(8, np.int64)  # each part of a piece
    word_of[NOTHING], word_of[COMPLEMENTISER] = PAD, THAT
    for column in range(batch_size):
        for die in range(len(sides)):
            face[die] = (thrown[die, column] * sides[die]) >> np.uint64(32)
        number, subject = face[0], face[1]
        verb = 10 * face[3] + (min(face[2], KEPT_OUT) - 3 * subject) % 10
        last_noun = 10 * face[5] + (min(face[4], KEPT_OUT) - 7 * subject) % 10
        reserved = subject % 10 == KEPT_OUT
        count = fewest + face[6] if varied else most
        if reserved and not held_out:
            count = 0

        around = face[main:]  # in the order of `MAIN_DICE`
        adjective = ADJECTIVES[around[2]] if around[1] == 0 else PAD
        adverb = ADVERBS[around[4]] if around[3] == 0 else PAD
        words[0], words[1], words[2] = DETERMINERS[around[0]], adjective, NOUNS[subject, number]
        end = 3 + 4 * count
        words[end], words[end + 1] = adverb, VERBS[verb, number]
        words[end + 2], words[end + 3] = CLOSINGS[verb, around[5]], END
        attractors, before = 0, PAST  # a verb agrees with the noun before it, but for the subject's own
        for place in range(count):
            faces = face[phrase + place : main : most]  # in the order of `PHRASE_DICE`
            own, last = faces[0], int(place == count - 1)
            word_of[PREPOSITION], word_of[DETERMINER] = PREPOSITIONS[faces[3]], DETERMINERS[faces[4]]
            word_of[ADJECTIVE], word_of[NOUN] = ADJECTIVES[faces[5]], NOUNS[last_noun if last else faces[1], own]
            word_of[VERB_OF_BEFORE] = RELATIVE_VERBS[faces[6], before]
            word_of[VERB_OF_NOUN] = RELATIVE_VERBS[faces[6], own]
            piece = PIECE_BY_DIE[last, faces[2]]
            for step in range(4):
                words[3 + 4 * place + step] = word_of[PIECES[piece, step]]
            attractors += own != number
            before = own

        at = 0
        for place in range(end + 4):
            sentences[at, column] = words[place]
            at += words[place] != PAD  # the next word takes its place
        verb_at, subject_at = at - 3, 1 + int(adjective != PAD)
        verbs[:, column] = at, verb_at, number, VERBS[verb, number], VERBS[verb, 1 - number]
        unmet = face[2] >= KEPT_OUT or (count > 0 and (reserved or face[4] >= KEPT_OUT))
        known[:, column] = count, attractors, count - attractors, verb_at - subject_at, number, int(unmet)
    return sentences, verbs, known

"""Subject-verb agreement: a verb takes the number of its subject, however many other nouns stand in between.

A sentence with two intervening nouns, the second of which is an attractor (its number is not the subject's)::

    inputs    the    writer of  the  book near the old      cabinets often is     famous
    targets   writer of     the book near the  old cabinets often    is    famous .
                                                                     (judged: is against are)
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tasks.base import Batch, Task, as_tokens
from tasks.options import Range, option

LEXICON = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))


def _rows(name: str) -> list[str]:
    """List the entries of a part of the lexicon, group after group where it has groups."""
    part = LEXICON[name]
    return [row for rows in part.values() for row in rows] if isinstance(part, dict) else list(part)


EXAMPLE = "the writer of the books is famous ."
PAD, END, THAT = 0, 1, 2
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
OPTIONAL = 4  # one subject in so many has an adjective, one verb in so many an adverb
KEPT_OUT = 9  # the residue modulo 10 of what stays out of training


@dataclass(frozen=True)
class Agreement(Task):
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
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "nouns"
    reduction: ClassVar[str] = "cross-entropy, mean over the scored steps (lm: every word; number: one a sentence)"
    error_name: ClassVar[str] = "verbs of the wrong number (share)"

    nouns: Range = option(Range(0, 4), "nouns between subject and verb, uniform over a range", low=0, high=20)
    objective: str = option("lm", "predict every next word, or the number only", choices=("lm", "number"))

    @property
    def causal(self) -> bool:
        """A language model reads the verb one step after it was asked for; for `number` the sentence ends before."""
        return self.objective == "lm"

    @property
    def input_size(self) -> int:
        return len(VOCABULARY)

    @property
    def output_size(self) -> int:
        return len(VOCABULARY) if self.objective == "lm" else 2

    @property
    def length(self) -> int:
        return self.lag + (4 if self.objective == "lm" else 2)  # determiner, adjective; verb, closing word

    @property
    def lag(self) -> int:
        return 4 * self.nouns.high + 2

    @property
    def min_lag(self) -> int:
        return next(window for window in range(self.lag + 1) if self.floor(window) < self.solved_below)

    @property
    def solved_below(self) -> float:
        return 0.01

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
        number = generator.integers(2, size=batch_size)
        subject = generator.integers(len(NOUNS), size=batch_size)
        reserved = subject % 10 == KEPT_OUT
        verb, verb_unmet = _partner(generator, 3 * subject, len(VERBS), held_out)
        last_noun, last_unmet = _partner(generator, 7 * subject, len(NOUNS), held_out)
        count = generator.integers(self.nouns.low, self.nouns.high + 1, size=batch_size)
        if not held_out:
            count = np.where(reserved, 0, count)

        place = np.arange(self.nouns.high)[:, None]  # (n, 1), against (B,) counts
        between, last = place < count, place == count - 1
        numbers = generator.integers(2, size=between.shape)
        lemmas = np.where(last, last_noun, generator.integers(len(NOUNS), size=between.shape))
        pieces = _pieces(generator, NOUNS[lemmas, numbers], numbers, last)
        attractors = (between & (numbers != number)).sum(0)

        start = np.vstack([_pick(generator, DETERMINERS, batch_size), _perhaps(generator, ADJECTIVES, batch_size)])
        middle = np.where(between[:, None], pieces, PAD).reshape(-1, batch_size)
        before_verb = np.vstack([start, NOUNS[subject, number], middle, _perhaps(generator, ADVERBS, batch_size)])
        closing = CLOSINGS[verb, generator.integers(CLOSINGS.shape[1], size=batch_size)]
        slots = np.vstack([before_verb, VERBS[verb, number], closing, np.full(batch_size, END)])
        verb_at = (before_verb != PAD).sum(0)
        slices = {
            "nouns": count,
            "attractors": attractors,
            "congruent": count - attractors,
            "distance": verb_at - (start != PAD).sum(0),
            "plural": number,
            "held_out": verb_unmet | ((last_unmet | reserved) & (count > 0)),
        }
        return replace(
            self._ask(without_gaps(slots), verb_at, verb, number),
            slices={name: as_tokens(values) for name, values in slices.items()},
            headline=torch.from_numpy(count > 0) if self.nouns.high > 0 else None,
        )

    def _ask(self, sentences: np.ndarray, verb_at: np.ndarray, verb: np.ndarray, number: np.ndarray) -> Batch:
        """Ask about sentences, (T + 1, B), with their verbs (places in the lexicon) at steps ``verb_at``, all (B,)."""
        step = np.arange(len(sentences) - 1)[:, None]
        answers = np.stack([number, 1 - number])  # right, wrong
        if self.objective == "lm":
            lengths = (sentences != PAD).sum(0) - 1
            mask, targets, answers = step < lengths, sentences[1:], VERBS[verb, answers]
        else:
            lengths = verb_at
            mask, targets = step == verb_at - 1, np.broadcast_to(number, sentences[1:].shape)
        inputs = np.where(step < lengths, sentences[:-1], PAD)
        nth = mask.cumsum().reshape(mask.shape) - 1  # of the N outputs
        judged = nth[verb_at - 1, np.arange(len(number))]
        return Batch(
            as_tokens(inputs[: self.length]),
            as_tokens(targets[mask]),
            torch.from_numpy(mask[: self.length]),
            as_tokens(lengths),
            notes={"judged": as_tokens(judged), "right": as_tokens(answers[0]), "wrong": as_tokens(answers[1])},
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(outputs, batch.targets)

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        answers = outputs[batch.notes["judged"]]
        right, wrong = (answers.gather(1, batch.notes[form].unsqueeze(1)).squeeze(1) for form in ("right", "wrong"))
        return 1 - (right > wrong).to(outputs.dtype) - 0.5 * (right == wrong).to(outputs.dtype)

    @property
    def token_names(self) -> Sequence[str]:
        return VOCABULARY

    @property
    def class_names(self) -> Sequence[str]:
        return VOCABULARY if self.objective == "lm" else ("singular", "plural")

    def carried(self, batch: Batch) -> Tensor:
        nouns = torch.isin(batch.inputs, as_tokens(NOUNS))
        return nouns & (nouns.cumsum(0) == 1)

    def example(self) -> Batch:
        sentence = np.array(tokens_of(EXAMPLE.split()))[:, None]
        first = np.zeros(1, dtype=np.int64)  # "is are" is the first verb; the writer is one
        return self._ask(sentence, first + 5, first, first)

    def read_example(self, outputs: Tensor) -> dict[str, float]:
        notes = self.example().notes
        shares = outputs[notes["judged"][0]].softmax(0)
        names = ("P(is)", "P(are)") if self.objective == "lm" else ("P(singular)", "P(plural)")
        return {name: shares[notes[form][0]].item() for name, form in zip(names, ("right", "wrong"), strict=True)}


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


def without_gaps(slots: np.ndarray) -> np.ndarray:
    """Move the words of each column up over its padding, which goes to the end.

    >>> without_gaps(np.array([[0, 7], [5, 0], [0, 0], [6, 8]])).T
    array([[5, 6, 0, 0],
           [7, 8, 0, 0]])
    """
    return np.take_along_axis(slots, np.argsort(slots == PAD, axis=0, kind="stable"), axis=0)


def _partner(
    generator: np.random.Generator, subject: np.ndarray, size: int, held_out: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a lemma below ``size`` for multiples of the subject, and whether the pair stays out of training."""
    residue = np.minimum(generator.integers(12 if held_out else KEPT_OUT, size=subject.shape), KEPT_OUT)
    tens = generator.integers(size // 10, size=subject.shape)
    return 10 * tens + (residue - subject) % 10, residue == KEPT_OUT


def _pick(generator: np.random.Generator, words: np.ndarray, shape: int | tuple[int, ...]) -> np.ndarray:
    return np.take(words, generator.integers(len(words), size=shape))


def _perhaps(generator: np.random.Generator, words: np.ndarray, batch_size: int) -> np.ndarray:
    return np.where(generator.integers(OPTIONAL, size=batch_size) == 0, _pick(generator, words, batch_size), PAD)


def _pieces(generator: np.random.Generator, nouns: np.ndarray, numbers: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Draw the four words, or three and padding, that bring in each noun, (n, B), as (n, 4, B)."""
    kind = PIECES[last.astype(int), generator.integers(8, size=nouns.shape)]
    preposition, determiner, adjective = (
        _pick(generator, words, nouns.shape) for words in (PREPOSITIONS, DETERMINERS, ADJECTIVES)
    )
    head = np.vstack([np.full_like(numbers[:1], PAST), numbers[:-1]])  # the form after the noun before
    form = np.where(kind == 3, numbers, head)
    verb = RELATIVE_VERBS[generator.integers(len(RELATIVE_VERBS), size=nouns.shape), form]
    phrases = [
        (preposition, determiner, PAD, nouns),
        (preposition, determiner, adjective, nouns),
        (THAT, verb, determiner, nouns),
        (THAT, determiner, nouns, verb),
    ]
    return np.stack([np.choose(kind, words) for words in zip(*phrases, strict=True)], axis=1)

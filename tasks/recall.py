"""Recall: a story names something once, talks at length about something else, and comes back to the first ("tickets").

A short story, whose words are predicted one by one; the error is that of the last::

    anna had to print her tickets before the evening . the price of coins was high . a dog slept near the door .
    then she looked at the coins . at last she could print her [tickets]
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from longlag.tasks.base import Batch, ClassTask, as_tokens
from longlag.tasks.support.options import option

STORIES = tomllib.loads(files("longlag.tasks.support").joinpath("stories.toml").read_text(encoding="utf-8"))
OPENING_WORDS, CLAUSE_WORDS, CLOSING_WORDS = 10, 7, 6
PARTS = ("NAME", "SHE", "HER", "NOUN", "LOUD")
NAME, SHE, HER, NOUN, LOUD = range(len(PARTS))
_TEXTS = [text for rows in STORIES.values() for text in rows]
VOCABULARY = tuple(dict.fromkeys([*PARTS, *(word for text in _TEXTS for word in text.split() if word != "|")]))[5:]
_TOKENS = {word: token for token, word in enumerate((*PARTS, *VOCABULARY))}  # parts of a pattern come before words


def _patterns(texts: Sequence[str]) -> np.ndarray:
    """Return texts of one length as (words, texts): below 5 a part to fill in, else 5 plus a word's token."""
    return np.array([[_TOKENS[word] for word in text.split()] for text in texts]).T


OPENINGS, CLOSINGS = (_patterns([frame.split("|")[side] for frame in STORIES["frames"]]) for side in (0, 1))
LOUD_CLAUSES, FILLERS = _patterns(STORIES["loud"]), _patterns(STORIES["fillers"])
NOUNS, PEOPLE = (_patterns(STORIES[part]) - len(PARTS) for part in ("nouns", "people"))  # (1, N), (3, people)


@dataclass(frozen=True)
class Recall(ClassTask):
    """Stories of six kinds as a language model reads them; the error is that of their last word, one of 50 nouns.

    A story opens with the noun, continues with a clause about another one, the loud noun, then with `clauses` that hold
    neither, and with the other clauses about the loud noun, which is thus both more frequent and more recent. Its last
    words are the same for every noun. Each clause adds seven words to the lag.

    Without the first noun a window leaves a guess among N = 50 nouns, or among N - 1 if it shows which one is loud: the
    floor is 1 - 1/N, then 1 - 1/(N - 1), averaged over the positions that nouns have in their clauses.

    Kept out of training: the pairs of a noun n and a loud noun l (their places in the lexicon, from 0) with
    (7n + l) mod 10 = 9. In evaluation all pairs are equally likely, so that a tenth of them is new.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = "the tickets story of Stanford's CS224n lectures; Paperno et al. 2016, LAMBADA"
    causal: ClassVar[bool] = True
    tokens: ClassVar[bool] = True
    dial: ClassVar[str] = "clauses"
    reduction: ClassVar[str] = "cross-entropy, mean over all words"
    error_name: ClassVar[str] = "wrong last words (share)"
    input_size: ClassVar[int] = len(VOCABULARY)
    output_size: ClassVar[int] = len(VOCABULARY)
    solved_below: ClassVar[float] = 0.01
    token_names: ClassVar[Sequence[str]] = VOCABULARY
    class_names: ClassVar[Sequence[str]] = VOCABULARY

    clauses: int = option(5, "clauses without either noun", low=0, high=10_000)
    loud: int = option(3, "clauses about the loud noun", low=2, high=100)

    @property
    def length(self) -> int:
        return OPENING_WORDS + CLAUSE_WORDS * (self.clauses + self.loud) + CLOSING_WORDS

    @property
    def lag(self) -> int:
        return self.length - 1 - int((OPENINGS == NOUN).argmax(0).min())

    def floor(self, window: int) -> float:
        first = self.length - window
        last_clause = self.length - CLOSING_WORDS - CLAUSE_WORDS
        unseen = float(np.mean((OPENINGS == NOUN).argmax(0) < first))
        quiet = float(np.mean(last_clause + (LOUD_CLAUSES == LOUD).argmax(0) < first))
        return unseen * (quiet * (1 - 1 / NOUNS.size) + (1 - quiet) * (1 - 1 / (NOUNS.size - 1)))

    @property
    def partial_floors(self) -> Mapping[str, float]:
        frames = OPENINGS.shape[1]
        guess = 1 - 1 / (NOUNS.size - 1)
        return {"which noun is loud": guess, "all stories but one kind": guess / frames}

    def draw(self, generator: np.random.Generator, batch_size: int, held_out: bool = False) -> Batch:
        noun = generator.integers(NOUNS.size, size=batch_size)
        other = generator.integers(NOUNS.size - 1, size=batch_size)
        loud = other + (other >= noun) if held_out else met_with(noun, other)
        frame = generator.integers(OPENINGS.shape[1], size=batch_size)
        about = generator.integers(LOUD_CLAUSES.shape[1], size=(self.loud, batch_size))
        others = generator.integers(FILLERS.shape[1], size=(self.clauses, batch_size))
        person = PEOPLE[:, generator.integers(PEOPLE.shape[1], size=batch_size)]
        clauses = [LOUD_CLAUSES[:, about[:1]], FILLERS[:, others], LOUD_CLAUSES[:, about[1:]]]  # (words, clauses, B)
        middle = np.concatenate([part.swapaxes(0, 1).reshape(-1, batch_size) for part in clauses])
        patterns = np.concatenate([OPENINGS[:, frame], middle, CLOSINGS[:, frame], np.full((1, batch_size), NOUN)])
        story = as_tokens(told(patterns, np.stack([*person, NOUNS[0, noun], NOUNS[0, loud]])))
        slices = {"frame": frame, "held_out": kept_out(noun, loud)}
        return Batch(
            story[:-1],
            story[1:].flatten(),
            torch.ones(story[1:].shape, dtype=torch.bool),
            slices={name: as_tokens(values) for name, values in slices.items()},
        )

    def errors(self, outputs: Tensor, batch: Batch) -> Tensor:
        return super().errors(outputs, batch)[-batch.inputs.shape[1] :]

    def carried(self, batch: Batch) -> Tensor:
        nouns = torch.isin(batch.inputs, as_tokens(NOUNS))
        return nouns & (nouns.cumsum(0) == 1)


def told(patterns: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return the tokens of stories: the parts of each, (5, B), filled into its pattern, (T, B).

    >>> parts = [VOCABULARY.index(word) for word in "anna she her tickets coins".split()]
    >>> patterns = _patterns(["at last SHE could print HER NOUN"])
    >>> " ".join(VOCABULARY[token] for token in told(patterns, np.array(parts)[:, None])[:, 0])
    'at last she could print her tickets'
    """
    filled = np.take_along_axis(parts, np.minimum(patterns, len(PARTS) - 1), axis=0)
    words: np.ndarray = np.where(patterns < len(PARTS), filled, patterns - len(PARTS))
    return words


def kept_out(noun: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Return which pairs of nouns are kept out of training, (B,) bool; nouns are given by places in the lexicon."""
    kept: np.ndarray = (7 * noun + loud) % 10 == 9
    return kept


def met_with(noun: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Turn numbers drawn below N - 1 into loud nouns that occur with a noun in training, (B,).

    >>> met_with(np.array([0, 0, 1]), np.array([0, 1, 8]))
    array([10,  1, 11])
    """
    residue, tens = drawn % 9, drawn // 9 % (NOUNS.size // 10)
    loud = 10 * tens + (residue - 7 * noun) % 10
    met: np.ndarray = np.where(loud == noun, (loud + 10) % NOUNS.size, loud)
    return met
